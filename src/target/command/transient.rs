//! A command as a transient unit of systemd: its own control group, so that nothing it started outlives it, and its own
//! sandbox ([`super::sandbox`]).
//!
//! The unit is referenced by our connection until its end was read (`AddRef`), and collected by systemd then. Signals of the bus are
//! hints: what counts is what the unit says of itself when it is asked.

mod unit;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::sync::OnceCell;
use zbus::{Fd, Variant};
use zbus_systemd::systemd1::ManagerProxy;

use self::unit::{Ended, Exit, Unit};
use super::sandbox::{Property, sandbox};
use super::tail::{Tail, drain};
use super::{CommandError, Order, Purpose, STRAY};
use crate::store::new_sync_id;
use crate::target::bus::Bus;
use crate::target::{Call, TargetError};

/// systemd ends a command at its time-out; one that it did not end by so much later is ended by us.
const GRACE: Duration = Duration::from_secs(5);

/// How units are named: this, the installation, the process of it, and a number.
const PREFIX: &str = "trueup-run";

/// Of this process: targets that it recovers at a reload leave the commands of the others alone.
static PROCESS: OnceLock<String> = OnceLock::new();
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Runs commands as transient units.
#[derive(Debug)]
pub(super) struct Transient {
    bus: Arc<Bus>,
    /// Begins the names of all units of this installation.
    owner: String,
    /// Begins the names of those of this process, which are the ones that recovery leaves alone.
    process: String,
    writable: Vec<PathBuf>,
    /// Set once nothing of an earlier process runs.
    alone: OnceCell<()>,
}

impl Transient {
    pub(super) fn new(bus: Arc<Bus>, owner: &str, writable: &[PathBuf]) -> Self {
        // Without random numbers the names of two processes are told apart by their ids.
        let random = || new_sync_id().map_or_else(|_| std::process::id().to_string(), |id| id.0[..8].to_owned());
        let owner = format!("{PREFIX}-{owner}-");
        let process = format!("{owner}{}-", PROCESS.get_or_init(random));
        Self { bus, owner, process, writable: writable.to_vec(), alone: OnceCell::new() }
    }

    /// Runs a command to its end; see [`super::Commands::run`].
    pub(super) async fn run(&self, order: &Order<'_>) -> Result<String, CommandError> {
        let broken =
            |error: std::io::Error| CommandError::Unavailable { command: order.command.clone(), source: error.into() };
        // A root half that was killed is started again without a recovery: its command must not run beside the one that follows.
        match self.alone.get_or_try_init(|| self.recover(order.call)).await {
            Ok(()) => {}
            Err(TargetError::Cancelled) => return Err(CommandError::Cancelled),
            Err(error) => {
                return Err(CommandError::Unavailable { command: order.command.clone(), source: error.into() });
            }
        }
        let (reader, writer) = std::io::pipe().map_err(broken)?;
        let output = Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(broken)?;
        let name = format!("{}{}.service", self.process, NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut unit = Unit::new(self.bus.clone(), name);
        let mut tail = Tail::default();
        let properties = self.properties(order, writer.into());
        let ended = tokio::select! {
            ended = work(&mut unit, properties, output, &mut tail) => ended,
            () = order.call.cancel.cancelled() => Ended::Cancelled,
            () = tokio::time::sleep_until(order.call.deadline) => Ended::Deadline,
            () = tokio::time::sleep(order.timeout + GRACE) => Ended::TimedOut,
        };
        // Nothing of it may go on when this returns; a unit that has ended is left alone.
        unit.end().await;
        match ended {
            Ended::Exited(Exit::Success) => Ok(tail.text()),
            Ended::Exited(Exit::TimedOut) | Ended::TimedOut => Err(order.timed_out(tail)),
            Ended::Exited(Exit::Failed(how)) => Err(order.failed(how, tail)),
            Ended::Refused(error) => {
                Err(CommandError::Unavailable { command: order.command.clone(), source: error.into() })
            }
            Ended::Lost(error) => Err(CommandError::InDoubt { command: order.command.clone(), source: error }),
            Ended::Deadline => Err(order.deadline()),
            Ended::Cancelled => Err(CommandError::Cancelled),
        }
    }

    fn properties(&self, order: &Order<'_>, output: OwnedFd) -> Vec<Property> {
        let program = order.program.display().to_string();
        let argv = literal([program.as_str()].into_iter().chain(order.arguments.iter().map(String::as_str)));
        let purpose = match order.purpose {
            Purpose::Judge => "trueup: a check",
            Purpose::Act => "trueup: a handler",
        };
        let microseconds = u64::try_from(order.timeout.as_micros()).unwrap_or(u64::MAX);
        let mut properties = sandbox(order.purpose, &self.writable);
        properties.extend([
            ("Description", Variant::from(purpose)),
            // `exec`: started means that the program runs. The job of a `oneshot` knows no `RuntimeMaxUSec`.
            ("Type", Variant::from("exec")),
            ("ExecStart", Variant::from(vec![(program, argv, false)])),
            ("WorkingDirectory", Variant::from("/")),
            ("StandardInput", Variant::from("null")),
            ("RuntimeMaxUSec", Variant::from(microseconds)),
            // The machine may shut down meanwhile: whoever waits for the command is asked to stop first, and finishes the step.
            ("DefaultDependencies", Variant::from(false)),
            ("KillMode", Variant::from("control-group")),
            // As a group without systemd is ended: at once, whoever ignores what.
            ("KillSignal", Variant::from(9_i32)),
            ("TimeoutStopUSec", Variant::from(5_000_000_u64)),
            ("CollectMode", Variant::from("inactive-or-failed")),
            ("AddRef", Variant::from(true)),
        ]);
        if let Ok(copy) = output.try_clone() {
            properties.push(("StandardErrorFileDescriptor", Variant::from(Fd::from(zbus::OwnedFd::from(copy)))));
        }
        properties.push(("StandardOutputFileDescriptor", Variant::from(Fd::from(zbus::OwnedFd::from(output)))));
        properties
    }

    /// Ends what an earlier process of this installation left; see [`super::Commands::recover`].
    pub(super) async fn recover(&self, call: &Call) -> Result<(), TargetError> {
        self.bus
            .ask(call, "end the commands that an earlier start left running", |bus| async move {
                let manager = ManagerProxy::new(&bus).await?;
                loop {
                    let units =
                        manager.list_units_by_patterns(vec![], vec![format!("{}*.service", self.owner)]).await?;
                    let left: Vec<_> = units
                        .into_iter()
                        .map(|unit| (unit.0, unit.3))
                        .filter(|(name, active)| {
                            !name.starts_with(&self.process) && !matches!(active.as_str(), "inactive" | "failed")
                        })
                        .collect();
                    if left.is_empty() {
                        return Ok(());
                    }
                    for (name, _) in left {
                        tracing::info!(unit = name, "ending a command that an earlier start left running");
                        // It may have ended meanwhile.
                        let _ = manager.stop_unit(name, "replace".into()).await;
                    }
                    tokio::time::sleep(unit::LOOK).await;
                }
            })
            .await
    }
}

/// Returns what systemd makes these arguments of. It replaces `$NAME` and `${NAME}` by its own rules; what was written is what
/// the program gets, wherever it runs.
fn literal<'a>(arguments: impl Iterator<Item = &'a str>) -> Vec<String> {
    arguments.map(|argument| argument.replace('$', "$$")).collect()
}

/// Starts the unit and reads what it says until it has ended.
async fn work(unit: &mut Unit, properties: Vec<Property>, output: Receiver, tail: &mut Tail) -> Ended {
    let mut pipes = (Some(output), None::<Receiver>);
    let reading = drain(&mut pipes, tail);
    tokio::pin!(reading);
    let mut read = false;
    let ended = {
        let running = unit.run(properties);
        tokio::pin!(running);
        loop {
            // Both go on where they were: the futures live outside of the loop.
            tokio::select! {
                ended = &mut running => break ended,
                () = &mut reading, if !read => read = true,
            }
        }
    };
    if !read {
        // systemd lets go of its end of the pipe when it collects the unit.
        let _ = tokio::time::timeout(STRAY, reading).await;
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn systemd_replaces_nothing_in_an_argument() {
        assert_eq!(literal(["sh", "${HOME}", "$1 $$", "50%"].into_iter()), ["sh", "$${HOME}", "$$1 $$$$", "50%"]);
    }
}
