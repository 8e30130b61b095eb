use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use async_trait::async_trait;

use super::show::printable;
use super::trouble::Trouble;
use crate::model::Revision;
use crate::source::Plumbing;

/// A person's clone, asked through their own `git`: never for their work tree, their index or their branches.
pub(super) struct Git {
    folder: PathBuf,
    /// An index of our own, so that theirs stays as it is. Removed in the end.
    index: PathBuf,
}

impl Git {
    pub(super) fn open(folder: &Path) -> Result<Self, Trouble> {
        let mut git = Self { folder: folder.to_owned(), index: PathBuf::new() };
        let found = git
            .text(&["rev-parse", "--absolute-git-dir"])
            .map_err(|trouble| trouble.hint("name your clone of the application's repository with --repository"))?;
        git.index = Path::new(&found).join(format!("trueup-{}.index", std::process::id()));
        Ok(git)
    }

    pub(super) fn shown(&self) -> String {
        printable(&self.folder.display().to_string()).into_owned()
    }

    /// Returns what a command printed, trimmed.
    pub(super) fn text(&self, arguments: &[&str]) -> Result<String, Trouble> {
        let output = self.fed(arguments, b"")?;
        Ok(String::from_utf8_lossy(&output).trim_end().to_owned())
    }

    /// Returns what a command printed, which reads `input`.
    pub(super) fn fed(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Trouble> {
        let output = self.run(arguments, input)?;
        if output.status.success() { Ok(output.stdout) } else { Err(self.failed(arguments, &output)) }
    }

    /// Returns the commit that a person means by this; `None` where it is none.
    pub(super) fn commit(&self, typed: &str) -> Result<Option<Revision>, Trouble> {
        let commit = format!("{typed}^{{commit}}");
        let output = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit], b"")?;
        let id = String::from_utf8_lossy(&output.stdout);
        Ok(if output.status.success() { id.trim().parse().ok() } else { None })
    }

    /// Returns whether a commit is another one, or has it behind it; not where either is missing.
    pub(super) fn descends(&self, commit: &str, from: &str) -> Result<bool, Trouble> {
        self.quiet(&["merge-base", "--is-ancestor", from, commit])
    }

    /// Says how a command failed, in its own words.
    pub(super) fn failed(&self, arguments: &[&str], output: &Output) -> Trouble {
        let said = String::from_utf8_lossy(&output.stderr);
        let verb = arguments.first().copied().unwrap_or_default();
        Trouble::new(format!("`git {verb}` failed in {}: {}", self.shown(), printable(said.trim())))
    }

    /// Returns whether a command succeeds.
    pub(super) fn quiet(&self, arguments: &[&str]) -> Result<bool, Trouble> {
        Ok(self.run(arguments, b"")?.status.success())
    }

    /// Asks a remote, and returns what became of it. Hooks of theirs may run, and they know nothing of an index of ours.
    pub(super) fn remote(&self, arguments: &[&str]) -> Result<Output, Trouble> {
        wait(self.command(arguments), b"")
    }

    /// Removes the index of our own: nobody cleans up after who is interrupted while a person is asked.
    pub(super) fn forget(&self) {
        if !self.index.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.index);
            let mut lock = OsString::from(&self.index);
            lock.push(".lock");
            let _ = std::fs::remove_file(lock);
        }
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Output, Trouble> {
        let mut command = self.command(arguments);
        if !self.index.as_os_str().is_empty() {
            command.env("GIT_INDEX_FILE", &self.index);
        }
        wait(command, input)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).args(arguments).env("LC_ALL", "C.UTF-8");
        command
    }
}

#[async_trait]
impl Plumbing for Git {
    type Error = Trouble;

    async fn feed(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.fed(arguments, input)
    }
}

fn wait(mut command: Command, input: &[u8]) -> Result<Output, Trouble> {
    let failed = |error: std::io::Error| Trouble::new(format!("could not run git: {error}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    // Every command reads all of its input before it prints more than a pipe holds.
    let fed = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(input));
    let output = child.wait_with_output().map_err(failed)?;
    match fed {
        // It says itself why it read no further.
        Err(error) if output.status.success() => Err(failed(error)),
        _ => Ok(output),
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        self.forget();
    }
}
