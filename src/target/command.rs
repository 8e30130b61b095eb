//! Commands that a target may run: allow-listed programs, without a shell. Where systemd rules the machine each is a
//! transient unit with a sandbox of its own ([`transient`]), else a child in a process group of its own ([`contained`]).

mod contained;
mod sandbox;
mod tail;
mod transient;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::fs::Access;

use self::tail::Tail;
use self::transient::Transient;
use super::bus::Bus;
use super::{Call, TargetError};
use crate::model::deceives;

/// Where a bare program name is looked for. Fixed, so that nothing inherited decides which program runs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All that a command finds in its environment.
const ENVIRONMENT: [(&str, &str); 3] = [("PATH", PATH), ("LANG", "C.UTF-8"), ("HOME", "/")];

/// How long a stray process may keep the pipe open after the command has ended.
const STRAY: Duration = Duration::from_millis(500);

/// The programs that may run, by absolute path, and how they are run.
#[derive(Debug)]
pub(super) struct Commands {
    allowed: Vec<PathBuf>,
    transient: Transient,
    /// Decided once: how a command is contained must not depend on when it was asked for.
    by_systemd: OnceLock<bool>,
}

/// What a command is run for, which decides what it may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Checks, validators and probes: they judge what is there, and change nothing that is configuration.
    Judge,
    /// Handlers: they make what was written take effect.
    Act,
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
    /// systemd could not be asked to run it: it did not run.
    #[error("systemd could not be asked to run `{command}`")]
    Unavailable { command: String, source: anyhow::Error },
    /// It was run, and how it ended could not be learnt. Completes "could not learn whether it happened: …".
    #[error("`{command}` was started, and its end is not known")]
    InDoubt { command: String, source: anyhow::Error },
}

/// One command to run.
struct Order<'a> {
    call: &'a Call,
    purpose: Purpose,
    program: &'a Path,
    arguments: &'a [String],
    timeout: Duration,
    /// As people read it.
    command: String,
}

impl Order<'_> {
    fn failed(&self, how: String, tail: Tail) -> CommandError {
        CommandError::Failed { command: self.command.clone(), how, output: tail.text() }
    }

    fn timed_out(&self, tail: Tail) -> CommandError {
        self.failed(format!("was ended after its time-out of {} s", self.timeout.as_secs_f32()), tail)
    }

    fn deadline(&self) -> CommandError {
        CommandError::Deadline { command: self.command.clone() }
    }
}

impl Commands {
    /// Makes the commands of one target. `owner` names the installation in the names of its units, and handlers may write
    /// below `writable`.
    pub(super) fn new(allowed: Vec<PathBuf>, bus: Arc<Bus>, owner: &str, writable: &[PathBuf]) -> Self {
        Self { allowed, transient: Transient::new(bus, owner, writable), by_systemd: OnceLock::new() }
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
    /// time-out, cancellation, being dropped), all that the command started is ended with it.
    ///
    /// # Errors
    /// When it may not run, cannot be started, does not exit with status 0, or has to be killed.
    pub(super) async fn run(
        &self,
        call: &Call,
        purpose: Purpose,
        argv: &[String],
        timeout: Duration,
    ) -> Result<String, CommandError> {
        let program = self.program(argv)?;
        let command = neutral(&argv.join(" "));
        self.carry_out(Order { call, purpose, program: &program, arguments: &argv[1..], timeout, command }).await
    }

    /// Runs a program of ours to judge something, as [`Commands::run`] does, without asking the allow-list.
    ///
    /// # Errors
    /// As [`Commands::run`].
    pub(super) async fn judge(
        &self,
        call: &Call,
        program: &Path,
        arguments: &[String],
        timeout: Duration,
    ) -> Result<String, CommandError> {
        let command = neutral(&format!("{} {}", program.display(), arguments.join(" ")));
        self.carry_out(Order { call, purpose: Purpose::Judge, program, arguments, timeout, command }).await
    }

    async fn carry_out(&self, order: Order<'_>) -> Result<String, CommandError> {
        if self.by_systemd() { self.transient.run(&order).await } else { contained::run(&order).await }
    }

    /// Ends the units that an earlier process of this installation left running.
    ///
    /// # Errors
    /// When systemd cannot be asked, or does not end them before the deadline.
    pub(super) async fn recover(&self, call: &Call) -> Result<(), TargetError> {
        if self.by_systemd() { self.transient.recover(call).await } else { Ok(()) }
    }

    fn by_systemd(&self) -> bool {
        *self.by_systemd.get_or_init(|| {
            let by_systemd = Bus::rules_here();
            let how = if by_systemd { "transient units of systemd" } else { "contained children, without a sandbox" };
            tracing::info!(how, "how commands are run");
            by_systemd
        })
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

#[cfg(test)]
mod tests;
