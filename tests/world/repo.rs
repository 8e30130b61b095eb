use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{clean, must};

/// Commits lie a minute apart, from this moment on.
const FIRST_COMMIT: u64 = 1_700_000_000;

/// A bare repository and a work clone of it. Only what is pushed reaches the bare one.
pub struct Repo {
    name: String,
    base: PathBuf,
    commits: AtomicU64,
}

impl Repo {
    /// Makes `FOLDER/NAME.git` and its clone, both on an unborn `main`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let repo = Self { name: name.to_owned(), base: folder.to_owned(), commits: AtomicU64::new(0) };
        fs::create_dir_all(folder.join("home")).expect("a home can be made");
        let (bare, clone) = (repo.bare(), repo.work());
        must(clean("git", folder).args(["init", "-q", "--bare", "-b", "main"]).arg(&bare));
        must(clean("git", folder).args(["init", "-q", "-b", "main"]).arg(&clone));
        repo.git(&["remote", "add", "origin", bare.to_str().expect("a UTF-8 path")]);
        // A push is what the tests say it is, however the machine is configured.
        repo.git(&["config", "push.default", "nothing"]);
        repo
    }

    /// Returns the name under which servers know it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn bare(&self) -> PathBuf {
        self.base.join(format!("{}.git", self.name))
    }

    pub fn work(&self) -> PathBuf {
        self.base.join(format!("{}.work", self.name))
    }

    /// Runs git in the work clone and returns what it printed, trimmed.
    pub fn git(&self, arguments: &[&str]) -> String {
        text(self.command(&self.work()).args(arguments))
    }

    /// Runs git in the bare repository and returns what it printed, trimmed.
    pub fn git_bare(&self, arguments: &[&str]) -> String {
        text(self.command(&self.bare()).args(arguments))
    }

    /// Writes a file, and the folders that it needs.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.room_for(path);
        fs::write(path, content).expect("a file can be written");
        self
    }

    /// Sets the permission bits of a file; Git keeps only whether it is executable.
    pub fn mode(&self, path: &str, mode: u32) -> &Self {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.work().join(path), permissions).expect("a mode can be set");
        self
    }

    /// Puts a symbolic link at `path`.
    pub fn link(&self, path: &str, to: &str) -> &Self {
        symlink(to, self.room_for(path)).expect("a link can be made");
        self
    }

    /// Removes a file, or a folder with all that is in it.
    pub fn remove(&self, path: &str) -> &Self {
        let path = self.work().join(path);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("could not remove {}: {error}", path.display()));
        self
    }

    /// Commits everything in the work clone, changed or not, and returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    /// Pushes the branch that the work clone is on.
    pub fn push(&self) -> &Self {
        self.git(&["push", "--quiet", "origin", &format!("HEAD:refs/heads/{}", self.on())]);
        self
    }

    /// Commits, pushes, and returns the commit's id.
    pub fn land(&self, message: &str) -> String {
        let id = self.commit(message);
        self.push();
        id
    }

    pub fn force_push(&self) -> &Self {
        self.git(&["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{}", self.on())]);
        self
    }

    /// Puts the work clone on a branch, made from where it is when there is none.
    pub fn branch(&self, name: &str) -> &Self {
        let known = self.command(&self.work()).args(["rev-parse", "--quiet", "--verify", name]).output();
        let known = known.is_ok_and(|output| output.status.success());
        if known {
            self.git(&["checkout", "--quiet", name]);
        } else {
            self.git(&["checkout", "--quiet", "-b", name]);
        }
        self
    }

    /// Removes a branch from the bare repository.
    pub fn delete_branch(&self, name: &str) -> &Self {
        self.git_bare(&["update-ref", "-d", &format!("refs/heads/{name}")]);
        self
    }

    /// Tags where the work clone is, moving the tag where there is one, and pushes it.
    pub fn tag(&self, name: &str) -> &Self {
        self.git(&["tag", "--force", name]);
        self.git(&["push", "--quiet", "--force", "origin", &format!("refs/tags/{name}")]);
        self
    }

    /// Reverts a commit by a new one, pushes it, and returns its id.
    pub fn revert(&self, revision: &str) -> String {
        self.git(&["revert", "--no-edit", revision]);
        self.push();
        self.head()
    }

    /// Sets the branch of the work clone back, hard; nothing is pushed.
    pub fn reset(&self, revision: &str) -> &Self {
        self.git(&["reset", "--quiet", "--hard", revision]);
        self
    }

    /// Returns the id of the commit that the work clone is on.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes an object of any content into the bare repository, well-formed or not, and returns its id.
    pub fn raw_object(&self, kind: &str, content: &[u8]) -> String {
        let mut command = self.command(&self.bare());
        command.args(["hash-object", "--literally", "-w", "--stdin", "-t", kind]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git can be started");
        child.stdin.take().expect("its input is piped").write_all(content).expect("git takes the object");
        let output = child.wait_with_output().expect("git ends");
        assert!(output.status.success(), "git hash-object: {}", output.status);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a tree of entries as they are given (`mode name`, object id), in this order.
    pub fn raw_tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut tree = Vec::new();
        for (mode, name, id) in entries {
            tree.extend_from_slice(mode.as_bytes());
            tree.push(b' ');
            tree.extend_from_slice(name);
            tree.push(0);
            let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).expect("a hexadecimal id");
            tree.extend((0..id.len()).step_by(2).map(byte));
        }
        self.raw_object("tree", &tree)
    }

    /// Points a branch of the bare repository at a new commit of `tree`, on top of what the branch holds.
    pub fn land_tree(&self, branch: &str, tree: &str) -> String {
        let reference = format!("refs/heads/{branch}");
        let parent = self.command(&self.bare()).args(["rev-parse", "--quiet", "--verify", &reference]).output();
        let parent = parent.expect("git can be started");
        let parent = String::from_utf8_lossy(&parent.stdout).trim().to_owned();
        let who = format!("Ada <ada@example.org> {} +0000", self.tick());
        let parents = if parent.is_empty() { String::new() } else { format!("parent {parent}\n") };
        let commit = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\na raw tree\n");
        let id = self.raw_object("commit", commit.as_bytes());
        self.set_ref(&reference, &id);
        id
    }

    /// Signs every commit and tag that the work clone makes from now on, by settings of a key.
    pub fn sign_with(&self, settings: &[[String; 2]]) -> &Self {
        for [name, value] in settings {
            self.git(&["config", name, value]);
        }
        self
    }

    /// Signs nothing from now on.
    pub fn sign_nothing(&self) -> &Self {
        self.git(&["config", "commit.gpgsign", "false"]);
        self.git(&["config", "tag.gpgsign", "false"]);
        self
    }

    /// Points a branch of the bare repository at a commit object of any text, and returns its id.
    pub fn land_raw(&self, commit: &str) -> String {
        let id = self.raw_object("commit", commit.as_bytes());
        self.set_ref("refs/heads/main", &id);
        id
    }

    /// Returns the text of the commit that the work clone is on.
    pub fn raw_commit(&self) -> String {
        self.git(&["cat-file", "commit", "HEAD"]) + "\n"
    }

    /// Points a ref of the bare repository at an object.
    pub fn set_ref(&self, reference: &str, id: &str) -> &Self {
        self.git_bare(&["update-ref", reference, id]);
        self
    }

    fn on(&self) -> String {
        self.git(&["symbolic-ref", "--short", "HEAD"])
    }

    fn room_for(&self, path: &str) -> PathBuf {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("a path inside the clone")).expect("a folder can be made");
        path
    }

    fn tick(&self) -> u64 {
        FIRST_COMMIT + 60 * self.commits.fetch_add(1, Ordering::SeqCst)
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = clean("git", &self.base.join("home"));
        let date = format!("{} +0000", self.tick());
        command.current_dir(folder).env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.org");
        }
        command
    }
}

fn text(command: &mut Command) -> String {
    String::from_utf8_lossy(&must(command).stdout).trim().to_owned()
}
