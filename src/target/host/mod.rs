//! This machine: files, folders, links, checks and handlers.
//!
//! Every path is reached through a descriptor of the folder that holds it, opened without following a link; what is at a name
//! is compared with what the plan saw right before it is replaced, and a replacement becomes visible whole.

mod apply;
mod errors;
mod found;
mod keep;
mod paths;
mod preview;
mod protected;
mod rank;
mod recover;
mod shape;
mod stage;
mod touched;
mod units;
mod wanted;
mod watch;
mod write;
mod young;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::{Handle, RuntimeFlavor};

use self::found::Reader;
use self::paths::Roots;
use self::units::Units;
use self::wanted::Rules;
use self::young::Young;
use super::bus::Bus;
use super::command::{CommandError, Commands, Purpose};
use super::{Asked, Batch, Bell, Call, Interest, Outcomes, StepOutcome, Target, TargetError};
use crate::config;
use crate::model::host::{CommandSpec, HostSpec, PATH, Probe};
use crate::model::{Action, Desired, DigestKey, Health, HealthState, Inventory, ObjectId, PlanId, Previews, SyncId};

/// The host that the daemon runs on.
#[derive(Debug)]
pub struct HostTarget {
    roots: Roots,
    rules: Rules,
    commands: Commands,
    units: Units,
    key: DigestKey,
    reader: Reader,
    young: Young,
    ran: Mutex<VecDeque<Ran>>,
}

/// A check or handler that ended well: asked for again under the same key, it does not run again.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    plan: PlanId,
    sync: SyncId,
    number: usize,
}

impl HostTarget {
    /// Makes the target that a document declares; `key` keys the digests of its states.
    ///
    /// # Errors
    /// When a path of the declaration is not absolute and plain.
    pub fn new(declared: &config::HostTarget, key: DigestKey) -> Result<Self, TargetError> {
        let roots = Roots::new(declared)?;
        let owner = key.digest("trueup/command-units/v1", b"").to_string();
        let writable: Vec<PathBuf> =
            declared.allow.iter().map(|path| roots.real(path.to_str().unwrap_or_default())).collect();
        let bus = Arc::<Bus>::default();
        let commands = Commands::new(declared.commands.clone(), bus.clone(), &owner[..8], &writable);
        Ok(Self {
            roots,
            rules: Rules { allow_setuid: declared.allow_setuid },
            commands,
            units: Units::new(declared, bus),
            key,
            reader: Reader::default(),
            young: Young::default(),
            ran: Mutex::default(),
        })
    }

    /// Returns how often the content of a file was read since this was made.
    #[must_use]
    pub fn content_reads(&self) -> u64 {
        self.reader.reads()
    }

    fn allowed(&self, command: &CommandSpec) -> Result<(), TargetError> {
        self.commands.program(&command.command).map(|_| ()).map_err(|error| command_error(error, "host.command"))
    }

    /// Runs a command that judges; `code` is what its failure is called.
    async fn run(&self, call: &Call, argv: &[String], timeout: u32, code: &'static str) -> Result<String, TargetError> {
        self.run_for(call, Purpose::Judge, argv, timeout, code).await
    }

    /// Runs a handler.
    async fn handle(&self, call: &Call, command: &CommandSpec) -> Result<String, TargetError> {
        self.run_for(call, Purpose::Act, &command.command, command.timeout, "host.handler-failed").await
    }

    async fn run_for(
        &self,
        call: &Call,
        purpose: Purpose,
        argv: &[String],
        timeout: u32,
        code: &'static str,
    ) -> Result<String, TargetError> {
        let timeout = Duration::from_secs(timeout.into());
        self.commands.run(call, purpose, argv, timeout).await.map_err(|error| command_error(error, code))
    }
}

/// Returns the units that what lies at a path makes or changes, `*` standing for any part of a name.
#[must_use]
pub fn units_at(path: &str) -> Vec<String> {
    units::changed(path)
}

fn command_error(error: CommandError, failed: &'static str) -> TargetError {
    let told = error.to_string();
    match error {
        CommandError::NotAllowed { .. } => {
            TargetError::Denied { code: "host.command-not-allowed".into(), reason: told }
        }
        CommandError::Failed { .. } => TargetError::Invalid { code: failed.into(), reason: told },
        CommandError::Deadline { .. } => TargetError::Unavailable { doing: told, source: None },
        CommandError::Cancelled => TargetError::Cancelled,
        CommandError::Unavailable { source, .. } => TargetError::Unavailable { doing: told, source: Some(source) },
        CommandError::InDoubt { source, .. } => TargetError::InDoubt { doing: told, source: Some(source) },
    }
}

/// Runs work that waits for disks. It borrows what it works on, which a thread of its own could not: copying two thousand
/// specs costs more than looking at two thousand files.
pub(super) fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[async_trait]
impl Target for HostTarget {
    async fn preview(&self, call: &Call, desired: &Desired, owned: &Inventory) -> Result<Previews, TargetError> {
        match desired {
            Desired::Objects(complete) => {
                let survey = self.units.survey(call, complete, owned).await?;
                let mut previews = blocking(|| self.look(call, complete, owned, &survey))?;
                self.units.witness(call, complete, &mut previews).await?;
                self.units.touched(call, owned, &mut previews).await?;
                Ok(previews)
            }
            Desired::Opaque { .. } => Err(TargetError::Invalid {
                code: "host.opaque".into(),
                reason: "a host cannot name its objects itself".into(),
            }),
        }
    }

    async fn apply(&self, call: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError> {
        for act in &batch.acts {
            preview::still_wanted(call)?;
            match self.act(call, batch, act).await {
                Ok(done) => {
                    if !done.already && !matches!(act.step.action, Action::Run | Action::Release) {
                        self.units.note_changed(&call.sync);
                    }
                    // Nobody listens only where the caller is gone: then recovery looks for itself.
                    let _ = outcomes.send(StepOutcome { number: act.number, result: Ok(done) });
                }
                Err(error) => {
                    let result = Err(errors::retold(&error).into());
                    let _ = outcomes.send(StepOutcome { number: act.number, result });
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn health(&self, call: &Call, asked: &[Asked<'_>]) -> Result<Vec<Health>, TargetError> {
        let mut found = blocking(|| {
            let mut folders = paths::Folders::new(self.roots.base()?);
            Ok::<Vec<_>, TargetError>(asked.iter().map(|asked| self.healthy(&mut folders, asked.id)).collect())
        })?;
        for (health, asked) in found.iter_mut().zip(asked).filter(|(_, asked)| asked.id.kind != PATH) {
            preview::still_wanted(call)?;
            *health = self.units.health(call, asked).await;
            if health.state == HealthState::Healthy {
                self.probe(call, asked, health).await;
            }
            // What could not be asked any more is not unwell: the restart of our own unit ends us here.
            if call.cancel.is_cancelled() {
                return Err(TargetError::Cancelled);
            }
        }
        Ok(found)
    }

    async fn watch(&self, call: &Call, interest: Interest, bell: Bell) -> Result<(), TargetError> {
        let units = async {
            self.units.watch(call, interest.clone(), bell.clone()).await;
            // It ends where nobody listens any more: the other one sees that too, and says how it ended.
            std::future::pending().await
        };
        tokio::select! {
            watched = watch::watch(&self.roots, call, interest.clone(), bell.clone()) => watched,
            never = units => never,
        }
    }

    async fn recover(&self, call: &Call, owned: &[ObjectId]) -> Result<(), TargetError> {
        // First: a handler that still runs may write what is tidied.
        let ended = self.commands.recover(call).await;
        blocking(|| recover::recover(&self.roots, call, owned))?;
        ended
    }
}

impl HostTarget {
    /// Asks the command of a unit's probe. One that does not answer yet is waited for, as long as the unit may take.
    async fn probe(&self, call: &Call, asked: &Asked<'_>, health: &mut Health) {
        let wanted = match asked.spec.map(HostSpec::from_spec) {
            Some(Ok(HostSpec::Unit(unit))) => unit.health,
            Some(Ok(HostSpec::Signal(signal))) => signal.health,
            _ => return,
        };
        let Some(Probe::Command(command)) = &wanted.probe else { return };
        if let Err(error) = self.run(call, &command.command, command.timeout, "host.probe-failed").await {
            let late = self.units.waited(call, &asked.id.name) >= Duration::from_secs(wanted.timeout.into());
            health.state = if late { HealthState::Degraded } else { HealthState::Progressing };
            health.message = format!("its probe fails: {error}");
        }
    }

    fn healthy(&self, folders: &mut paths::Folders, id: &ObjectId) -> Health {
        let health = |state, message: &str| Health { id: id.clone(), state, message: message.into() };
        if id.kind != PATH {
            return health(HealthState::Healthy, "");
        }
        let Ok(place) = self.roots.locate(&id.name) else {
            return health(HealthState::Unknown, "it lies outside of every path that this target allows");
        };
        let found = folders.get(place.folder).and_then(|folder| match folder {
            Some(folder) => found::look(&*folder, place.leaf),
            None => Ok(None),
        });
        match found {
            Ok(Some(_)) => health(HealthState::Healthy, ""),
            Ok(None) => health(HealthState::Missing, "nothing is there"),
            Err(errno) => health(HealthState::Unknown, &found::Unknowable::Refused(errno).to_string()),
        }
    }
}
