//! A real repository, and a source that follows it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use tempfile::TempDir;
use trueup::config::{Repository, Transport};
use trueup::model::Revision;
use trueup::source::{GitSource, Source, SourceError};

pub(crate) const ALL: [Transport; 5] =
    [Transport::Https, Transport::Ssh, Transport::Http, Transport::Git, Transport::File];

pub(crate) struct Repo {
    pub(crate) folder: TempDir,
}

impl Repo {
    /// Makes an empty repository.
    pub(crate) fn empty() -> Self {
        let repo = Self { folder: tempfile::tempdir().unwrap() };
        repo.git(&["init", "-q", "-b", "main", "."]);
        repo
    }

    /// Makes a repository with one commit, which holds `apps/web/site.conf`.
    pub(crate) fn new() -> Self {
        let repo = Self::empty();
        repo.write("apps/web/site.conf", "one\n");
        repo.commit("first");
        repo
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(args).current_dir(self.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", "/nonexistent").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.org");
        }
        command
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes an object as it is, good or bad.
    pub(crate) fn object(&self, kind: &str, content: &[u8]) -> String {
        let mut command = self.command(&["hash-object", "-t", kind, "--literally", "-w", "--stdin"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes a commit of a tree and puts `main` there.
    pub(crate) fn commit_tree(&self, tree: &str) -> Revision {
        let commit = self.git(&["commit-tree", "-m", "made by hand", tree]);
        self.git(&["update-ref", "refs/heads/main", &commit]);
        commit.parse().unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) -> Revision {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> Revision {
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}/.git", self.path().display())
    }

    pub(crate) fn follow(&self) -> Followed {
        Followed::new(&declared(&self.url()))
    }
}

/// A source with its mirror.
pub(crate) struct Followed {
    pub(crate) source: GitSource,
    pub(crate) mirror: TempDir,
    pub(crate) declared: Repository,
}

impl Followed {
    pub(crate) fn new(declared: &Repository) -> Self {
        let mirror = tempfile::tempdir().unwrap();
        let source = GitSource::new(declared, &ALL, mirror.path().join("m")).unwrap();
        Self { source, mirror, declared: declared.clone() }
    }

    /// Opens it once more, as after a restart.
    pub(crate) fn again(self) -> Self {
        let Self { source, mirror, declared } = self;
        drop(source);
        let source = GitSource::new(&declared, &ALL, mirror.path().join("m")).unwrap();
        Self { source, mirror, declared }
    }

    pub(crate) async fn poll(&self) -> Result<Revision, SourceError> {
        self.source.poll(&[]).await.map(|head| head.revision)
    }

    pub(crate) async fn read(&self, revision: &Revision, path: &str) -> Result<Vec<u8>, SourceError> {
        let tree = self.source.tree(revision).await?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let entries = tree.list(folder)?;
        tree.read(entries.iter().find(|entry| entry.path == name).expect("the entry is there"))
    }

    /// Returns every file and folder of the mirror with its content and modification time.
    pub(crate) fn picture(&self) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
        let mut picture = BTreeMap::new();
        let mut folders = vec![self.mirror.path().to_owned()];
        while let Some(folder) = folders.pop() {
            picture.insert(folder.clone(), (folder.metadata().unwrap().modified().unwrap(), Vec::new()));
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let time = path.metadata().unwrap().modified().unwrap();
                    picture.insert(path.clone(), (time, std::fs::read(path).unwrap()));
                }
            }
        }
        picture
    }

    /// Returns the files of the mirror that end so.
    pub(crate) fn files(&self, end: &str) -> Vec<PathBuf> {
        self.picture().into_keys().filter(|path| path.to_string_lossy().ends_with(end)).collect()
    }
}

pub(crate) fn declared(url: &str) -> Repository {
    serde_json::from_value(serde_json::json!({ "url": url })).unwrap()
}
