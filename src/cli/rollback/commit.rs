//! The commit itself: a tree in an index of our own, and a message in the style of `git revert`.

use crate::cli::git::Git;
use crate::cli::trouble::Trouble;
use crate::model::Revision;

use super::followed::Followed;

/// What the commit changes.
pub(super) struct Change {
    tree: String,
    /// In the repository. Names that are no text are shown as good as it goes.
    pub files: Vec<String>,
}

impl Change {
    /// Sets `paths` of one commit back to what they are in another: what is not there is taken out, whatever mode it has.
    pub(super) fn of(git: &Git, from: &Revision, to: &Revision, paths: &[String]) -> Result<Self, Trouble> {
        git.text(&["read-tree", from.as_str()])?;
        let nothing = "0".repeat(from.as_str().len());
        for path in paths {
            let mut lines = vec![];
            for entry in listed(git, from, path)?.split(|byte| *byte == 0) {
                if let Some(tab) = entry.iter().position(|byte| *byte == b'\t') {
                    // A mode of 0 takes a file out of the index.
                    lines.extend_from_slice(format!("0 {nothing}").as_bytes());
                    lines.extend_from_slice(&entry[tab..]);
                    lines.push(0);
                }
            }
            lines.extend_from_slice(&listed(git, to, path)?);
            git.fed(&["update-index", "-z", "--index-info"], &lines)?;
        }
        let tree = git.text(&["write-tree"])?;
        git.forget();
        let diff = ["diff-tree", "-r", "-z", "--no-renames", "--no-relative", "--name-only", from.as_str(), &tree];
        let names = git.fed(&diff, b"")?;
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(Self { tree, files: names.map(|name| String::from_utf8_lossy(name).into_owned()).collect() })
    }

    /// Makes the commit, signed where the person signs, and returns its id. No ref names it yet.
    pub(super) fn commit(
        &self,
        git: &Git,
        followed: &Followed,
        from: &Revision,
        to: &Revision,
    ) -> Result<String, Trouble> {
        // `commit-tree` signs only where it is told to.
        let signs = git.text(&["config", "--type=bool", "--default=false", "--get", "commit.gpgSign"])? == "true";
        let options = if signs { &["-S"][..] } else { &[] };
        let commit = [&["commit-tree"], options, &[&self.tree, "-p", from.as_str()]].concat();
        let id = git.fed(&commit, message(followed, from, to).as_bytes())?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }
}

/// Returns a commit as `git am` takes it, whatever the person's `diff.*` and `format.*` say.
pub(super) fn patch(git: &Git, commit: &str) -> Result<Vec<u8>, Trouble> {
    let format = ["format-patch", "--stdout", "--no-cover-letter", "--no-attach", "--no-signature", "--no-color"];
    let diff = ["--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative"];
    let which = ["--src-prefix=a/", "--dst-prefix=b/", "-1", "--end-of-options", commit];
    git.fed(&[&format[..], &diff, &which].concat(), b"")
}

/// Returns what lies at a path, in the format that an index takes.
fn listed(git: &Git, revision: &Revision, path: &str) -> Result<Vec<u8>, Trouble> {
    let list = ["ls-tree", "-r", "-z", "--full-tree", revision.as_str()];
    if path == "." {
        return git.fed(&list, b"");
    }
    git.fed(&[&list[..], &["--", &format!(":(top,literal){path}")]].concat(), b"")
}

fn message(followed: &Followed, from: &Revision, to: &Revision) -> String {
    let Followed { application, paths, .. } = followed;
    format!(
        "Roll back {application} to {}\n\nThis sets these paths of {application} back to their tree at commit\n{to}:\n\n\
         {}\n\nThey were at commit {from}.\n",
        to.short(),
        paths.iter().map(|path| format!("    {path}")).collect::<Vec<_>>().join("\n")
    )
}
