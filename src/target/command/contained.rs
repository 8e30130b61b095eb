//! A command as a child of the daemon, in a process group of its own: where there is no systemd to ask.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::tail::{Tail, drain};
use super::{CommandError, ENVIRONMENT, Order, STRAY};

/// Runs a command to its end and returns the last of its output. Whatever ends the call (exit, time-out, cancellation, being
/// dropped), the whole process group is ended with it.
pub(super) async fn run(order: &Order<'_>) -> Result<String, CommandError> {
    let mut child = spawn(order.program, order.arguments)
        .map_err(|error| order.failed(format!("could not be started: {error}"), Tail::default()))?;
    let group = Group::of(&child);
    let mut pipes = (child.stdout.take(), child.stderr.take());
    let mut tail = Tail::default();
    // Each arm may be dropped half-way: what was read so far is in `tail`, and the group is ended below.
    let ended = tokio::select! {
        status = work(&mut child, &group, &mut pipes, &mut tail) => Ended::Exited(status),
        () = order.call.cancel.cancelled() => Ended::Cancelled,
        () = tokio::time::sleep_until(order.call.deadline) => Ended::Deadline,
        () = tokio::time::sleep(order.timeout) => Ended::TimedOut,
    };
    drop(group);
    // Reaps what was just killed; a process in uninterruptible sleep must not hold the sync.
    let _ = tokio::time::timeout(STRAY, child.wait()).await;
    match ended {
        Ended::Exited(Ok(status)) if status.success() => Ok(tail.text()),
        Ended::Exited(Ok(status)) => Err(order.failed(told(status), tail)),
        Ended::Exited(Err(error)) => Err(order.failed(format!("could not be waited for: {error}"), tail)),
        Ended::TimedOut => Err(order.timed_out(tail)),
        Ended::Deadline => Err(order.deadline()),
        Ended::Cancelled => Err(CommandError::Cancelled),
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
        .envs(ENVIRONMENT)
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

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended without a status".into(),
    }
}
