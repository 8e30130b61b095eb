//! Runs `git` with nothing of ours but pipes, and says in our words why it failed.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::source::error::harmless;
use crate::source::program::classify;
use crate::source::{SourceError, SourceErrorKind};

/// Nothing that is asked for is longer: the names of all files of a large repository.
const LONGEST: u64 = 64 * 1024 * 1024;
/// Of what is said beside it, no more is looked at.
const SAID: u64 = 256 * 1024;

/// What a command that did not fail said.
pub(in crate::source) struct Told {
    pub(in crate::source) printed: Vec<u8>,
    /// On stderr: progress, and what a server had to say.
    pub(in crate::source) said: String,
}

impl Told {
    pub(in crate::source) fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }
}

/// What a command does beside the repository at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Reach {
    /// It reaches no server: what fails is ours, and does not pass by itself.
    Here,
    Server,
    /// It says line by line what became of each ref: `push --porcelain`.
    Push,
}

/// Runs a command to its end, and returns what it said. What it started ends with it, and all after `limit`.
pub(super) async fn run(
    mut command: Command,
    input: &[u8],
    limit: Duration,
    reach: Reach,
) -> Result<Told, SourceError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let missing = |error| {
        let message = "could not start git; is it installed?";
        SourceError::new(SourceErrorKind::Mirror, message).because(anyhow::Error::new::<std::io::Error>(error))
    };
    let mut child = command.spawn().map_err(missing)?;
    let group = Group(child.id());
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        if let Some(mut pipe) = stdin.take() {
            // What it does not read, it says itself.
            let _ = pipe.write_all(input).await;
        }
    };
    let all = async { tokio::join!(talk, bytes(stdout, LONGEST), bytes(stderr, SAID), child.wait()) };
    let ((), printed, said, status) = tokio::time::timeout(limit, all).await.map_err(|_| late(limit, reach))?;
    drop(group);
    let status = status.map_err(|error| SourceError::mirror("could not wait for git", error))?;
    outcome(status, printed, String::from_utf8_lossy(&said).into_owned(), reach)
}

/// A process group that ends with this value, whatever its leader did.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn bytes(pipe: Option<impl tokio::io::AsyncRead + Unpin>, longest: u64) -> Vec<u8> {
    let mut bytes = vec![];
    if let Some(pipe) = pipe {
        // Where it breaks off, the end of the program tells why.
        let _ = pipe.take(longest).read_to_end(&mut bytes).await;
    }
    bytes
}

fn outcome(status: ExitStatus, printed: Vec<u8>, said: String, reach: Reach) -> Result<Told, SourceError> {
    // A push that was refused is told on stdout, and is no failure of the program.
    let refused = || printed.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"!\t"));
    if status.success() || reach == Reach::Push && refused() {
        return Ok(Told { printed, said });
    }
    let lower = said.to_lowercase();
    let unauthorised = ["authentication failed", "could not read username", "returned error: 40"];
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("git gave no reason");
    if reach == Reach::Here {
        let message = format!("git failed on a repository of our own ({})", harmless(last.as_bytes()));
        return Err(SourceError::new(SourceErrorKind::Mirror, message));
    }
    let (kind, message) = match classify(&said) {
        _ if unauthorised.iter().any(|sign| lower.contains(sign)) => {
            (SourceErrorKind::Unauthorised, format!("the server refused us ({})", harmless(last.as_bytes())))
        }
        _ if lower.contains("certificate") => {
            (SourceErrorKind::Tls, format!("the server's certificate is not trusted ({})", harmless(last.as_bytes())))
        }
        Some(told) => told,
        None => (SourceErrorKind::Unreachable, harmless(last.as_bytes())),
    };
    Err(SourceError::new(kind, message))
}

fn late(limit: Duration, reach: Reach) -> SourceError {
    if reach == Reach::Here {
        let message = format!("git was too slow on a repository of our own: {limit:?} were not enough");
        return SourceError::new(SourceErrorKind::Mirror, message);
    }
    SourceError::new(SourceErrorKind::TimedOut, format!("the server was too slow: {limit:?} were not enough"))
}
