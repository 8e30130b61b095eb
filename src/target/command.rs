//! Commands that a target may run: allow-listed programs, without a shell, contained in a process group of their own.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::Access;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::Call;
use crate::model::deceives;

/// Where a bare program name is looked for. Fixed, so that nothing inherited decides which program runs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How much of the end of a command's output is kept, in bytes.
const TAIL: usize = 8 * 1024;

/// How long a stray process outside of the group may keep the pipe open after the command has ended.
const STRAY: Duration = Duration::from_millis(500);

/// The programs that may run, by absolute path.
#[derive(Debug)]
pub(super) struct Commands {
    allowed: Vec<PathBuf>,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("{program} is not among the commands that this target allows")]
    NotAllowed { program: String },
    #[error("`{command}` {how}{}", lines(.output))]
    Failed { command: String, how: String, output: String },
    #[error("`{command}` was still running at the deadline of the call")]
    Deadline { command: String },
    #[error("cancelled")]
    Cancelled,
}

impl Commands {
    pub(super) const fn new(allowed: Vec<PathBuf>) -> Self {
        Self { allowed }
    }

    /// Returns the program that `argv` would run.
    ///
    /// # Errors
    /// When the allow-list does not name it.
    pub(super) fn program(&self, argv: &[String]) -> Result<PathBuf, CommandError> {
        let named = argv.first().map_or("an empty command", String::as_str);
        let refused = || CommandError::NotAllowed { program: neutral(named) };
        let listed = |path: &Path| self.allowed.iter().any(|allowed| allowed == path);
        if named.contains('/') {
            let path = PathBuf::from(named);
            return if path.is_absolute() && listed(&path) { Ok(path) } else { Err(refused()) };
        }
        // The same program often lies on two of these paths (/bin is a link to /usr/bin): the listed spelling counts.
        let candidates = PATH.split(':').map(|folder| Path::new(folder).join(named));
        let runs = |path: &PathBuf| listed(path) && rustix::fs::access(path, Access::EXEC_OK).is_ok();
        if named.is_empty() { None } else { candidates.into_iter().find(runs) }.ok_or_else(refused)
    }

    /// Runs a command to its end and returns the last of its output, escaped for a terminal. Whatever ends the call (exit,
    /// time-out, cancellation, being dropped), the whole process group is ended with it.
    ///
    /// # Errors
    /// When it may not run, cannot be started, does not exit with status 0, or has to be killed.
    pub(super) async fn run(&self, call: &Call, argv: &[String], timeout: Duration) -> Result<String, CommandError> {
        let program = self.program(argv)?;
        let command = neutral(&argv.join(" "));
        let failed =
            |how: String, tail: Tail| CommandError::Failed { command: command.clone(), how, output: tail.text() };
        let mut child = spawn(&program, &argv[1..])
            .map_err(|error| failed(format!("could not be started: {error}"), Tail::default()))?;
        let group = Group::of(&child);
        let mut pipes = (child.stdout.take(), child.stderr.take());
        let mut tail = Tail::default();
        // Each arm may be dropped half-way: what was read so far is in `tail`, and the group is ended below.
        let ended = tokio::select! {
            status = work(&mut child, &group, &mut pipes, &mut tail) => Ended::Exited(status),
            () = call.cancel.cancelled() => Ended::Cancelled,
            () = tokio::time::sleep_until(call.deadline) => Ended::Deadline,
            () = tokio::time::sleep(timeout) => Ended::TimedOut,
        };
        drop(group);
        // Reaps what was just killed; a process in uninterruptible sleep must not hold the sync.
        let _ = tokio::time::timeout(STRAY, child.wait()).await;
        match ended {
            Ended::Exited(Ok(status)) if status.success() => Ok(tail.text()),
            Ended::Exited(Ok(status)) => Err(failed(told(status), tail)),
            Ended::Exited(Err(error)) => Err(failed(format!("could not be waited for: {error}"), tail)),
            Ended::TimedOut => {
                Err(failed(format!("was ended after its time-out of {} s", timeout.as_secs_f32()), tail))
            }
            Ended::Deadline => Err(CommandError::Deadline { command }),
            Ended::Cancelled => Err(CommandError::Cancelled),
        }
    }
}

enum Ended {
    Exited(std::io::Result<ExitStatus>),
    TimedOut,
    Deadline,
    Cancelled,
}

fn spawn(program: &Path, arguments: &[String]) -> std::io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", PATH), ("LANG", "C.UTF-8"), ("HOME", "/")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

type Pipes = (Option<ChildStdout>, Option<ChildStderr>);

/// Waits for the leader while reading what it says, then ends what it left behind, so that the pipes come to their end.
async fn work(child: &mut Child, group: &Group, pipes: &mut Pipes, tail: &mut Tail) -> std::io::Result<ExitStatus> {
    let reading = drain(pipes, tail);
    tokio::pin!(reading);
    let mut read = false;
    let status = loop {
        // Both arms go on where they were: the futures live outside of the loop, or are cancel-safe (`Child::wait`).
        tokio::select! {
            status = child.wait() => break status,
            () = &mut reading, if !read => read = true,
        }
    };
    group.end();
    if !read {
        // Whoever left the group may hold the pipe for ever.
        let _ = tokio::time::timeout(STRAY, reading).await;
    }
    status
}

/// A process group that is ended when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn end(&self) {
        if let Some(pid) = self.0 {
            // ESRCH: nobody is left. The kernel hands out a pid again only after all others, so it cannot be a stranger's yet.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

async fn drain(pipes: &mut Pipes, tail: &mut Tail) {
    let (mut one, mut two) = ([0; 4096], [0; 4096]);
    while pipes.0.is_some() || pipes.1.is_some() {
        // Reads are cancel-safe: bytes are taken only by the arm that completes.
        tokio::select! {
            read = next(&mut pipes.0, &mut one) => match read { 0 => pipes.0 = None, n => tail.push(&one[..n]) },
            read = next(&mut pipes.1, &mut two) => match read { 0 => pipes.1 = None, n => tail.push(&two[..n]) },
        }
    }
}

async fn next<R: AsyncRead + Unpin>(pipe: &mut Option<R>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// The last bytes of an output, however long it was.
#[derive(Default)]
struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        if self.bytes.len() > TAIL {
            self.cut = true;
            self.bytes.drain(..self.bytes.len() - TAIL);
        }
    }

    fn text(mut self) -> String {
        let text = neutral(&String::from_utf8_lossy(self.bytes.make_contiguous()));
        if self.cut { format!("…{text}") } else { text }
    }
}

/// Returns `text` with everything that a terminal would act on (escapes, controls, changes of direction) made visible.
pub(super) fn neutral(text: &str) -> String {
    let acts = |c: char| deceives(c) && c != '\n' && c != '\t';
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    safe
}

fn lines(output: &str) -> String {
    let output = output.trim_end();
    if output.is_empty() { String::new() } else { format!(": {output}") }
}

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended without a status".into(),
    }
}

#[cfg(test)]
mod tests;
