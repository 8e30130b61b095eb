//! Sets paths of one commit back to what they are in another, by git's plumbing in an index of our own: the same for a person's
//! clone and for the daemon.

use async_trait::async_trait;

use crate::model::Revision;

/// The `git` program on some repository, with an index that nobody else uses.
#[async_trait]
pub trait Plumbing: Sync {
    type Error: Send;

    /// Returns what a command printed, which reads `input`.
    async fn feed(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Self::Error>;
}

/// A tree in which paths are set back. No commit has it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBack {
    /// Object id in hexadecimal.
    pub tree: String,
    /// What changes in the repository; nothing where it is all the same already. Names that are no text are shown as good as it goes.
    pub files: Vec<String>,
}

impl SetBack {
    /// Sets `paths` of the commit `from` back to what they are in `to`: what is not there is taken out, whatever mode it has. `.` is
    /// all of the repository.
    ///
    /// # Errors
    /// Those of the `git` program, where it does not do it.
    pub async fn of<G: Plumbing>(git: &G, from: &Revision, to: &Revision, paths: &[String]) -> Result<Self, G::Error> {
        git.feed(&["read-tree", from.as_str()], b"").await?;
        let nothing = "0".repeat(from.as_str().len());
        for path in paths {
            let mut lines = vec![];
            for entry in listed(git, from, path).await?.split(|byte| *byte == 0) {
                if let Some(tab) = entry.iter().position(|byte| *byte == b'\t') {
                    // A mode of 0 takes a file out of the index.
                    lines.extend_from_slice(format!("0 {nothing}").as_bytes());
                    lines.extend_from_slice(&entry[tab..]);
                    lines.push(0);
                }
            }
            lines.extend_from_slice(&listed(git, to, path).await?);
            git.feed(&["update-index", "-z", "--index-info"], &lines).await?;
        }
        let tree = String::from_utf8_lossy(&git.feed(&["write-tree"], b"").await?).trim().to_owned();
        let diff = ["diff-tree", "-r", "-z", "--no-renames", "--no-relative", "--name-only", from.as_str(), &tree];
        let names = git.feed(&diff, b"").await?;
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(Self { tree, files: names.map(|name| String::from_utf8_lossy(name).into_owned()).collect() })
    }
}

/// Returns what lies at a path, in the format that an index takes.
async fn listed<G: Plumbing>(git: &G, revision: &Revision, path: &str) -> Result<Vec<u8>, G::Error> {
    let list = ["ls-tree", "-r", "-z", "--full-tree", revision.as_str()];
    if path == "." {
        return git.feed(&list, b"").await;
    }
    git.feed(&[&list[..], &["--", &format!(":(top,literal){path}")]].concat(), b"").await
}
