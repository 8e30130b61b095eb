//! One act: compared with what the plan saw, then run, written or removed.

use std::sync::PoisonError;
use std::time::Instant;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, OFlags, fsync, unlinkat};
use rustix::io::Errno;

use super::errors::refused;
use super::found::{Found, fingerprint, look};
use super::paths::{Located, folder};
use super::preview::{parse, run_digest};
use super::shape::Shape;
use super::{HostTarget, Ran, blocking, units};
use crate::model::host::{CHECK, CommandSpec, HostSpec, PATH, UNIT};
use crate::model::{Action, Digest};
use crate::target::{Act, Batch, Call, Done, TargetError};

/// How many Run steps that ended well are remembered.
const REMEMBERED: usize = 1024;

/// An act, and what was there when it was compared with what the plan saw.
pub(super) struct Seen<'a> {
    pub(super) act: &'a Act<'a>,
    pub(super) place: Located<'a>,
    pub(super) live: Option<Found>,
}

/// What a comparison with the plan says is to be done.
pub(super) enum Due<'a> {
    Nothing(Done),
    Act(Seen<'a>),
}

impl Seen<'_> {
    pub(super) fn is_folder(&self) -> bool {
        matches!(self.live, Some(Found { shape: Shape::Directory { .. }, .. }))
    }

    pub(super) fn stale(&self) -> TargetError {
        TargetError::Stale { object: self.act.step.id.clone() }
    }
}

impl HostTarget {
    pub(super) async fn act(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>) -> Result<Done, TargetError> {
        if act.step.action == Action::Release {
            return Ok(Done::default());
        }
        let spec = act.spec.map(|spec| parse(&act.step.id, spec)).transpose()?;
        match (&spec, act.step.action) {
            (Some(HostSpec::Check(command) | HostSpec::Handler(command)), Action::Run) => {
                self.run_step(call, batch, act, command).await
            }
            (
                Some(spec @ (HostSpec::Signal(_) | HostSpec::DaemonReload | HostSpec::VerifyUnits { .. })),
                Action::Run,
            ) => self.systemd_step(call, batch, act, spec).await,
            (Some(HostSpec::Unit(unit)), Action::Create | Action::Update | Action::Adopt | Action::Replace)
                if act.step.id.kind == UNIT =>
            {
                self.units.bring(call, act.step, unit, &self.key).await
            }
            (None, Action::Delete) if act.step.id.kind == UNIT => self.units.end(call, act.step, &self.key).await,
            (None, Action::Delete) if act.step.id.kind == PATH => blocking(|| self.delete(act)),
            (Some(spec), _) if act.step.id.kind == PATH => self.write(call, batch, act, spec).await,
            _ => Err(TargetError::Invalid {
                code: "host.step".into(),
                reason: format!("a host cannot {} {}", act.step.action, act.step.id),
            }),
        }
    }

    async fn run_step(
        &self,
        call: &Call,
        batch: &Batch<'_>,
        act: &Act<'_>,
        command: &CommandSpec,
    ) -> Result<Done, TargetError> {
        if run_digest(command) != act.step.after {
            return Err(TargetError::Stale { object: act.step.id.clone() });
        }
        let Some(key) = self.due_run(call, batch, act) else { return Ok(Done { already: true, ..Done::default() }) };
        let output = if act.step.id.kind == CHECK {
            self.run(call, &command.command, command.timeout, "host.check-failed").await?
        } else {
            self.handle(call, command).await?
        };
        self.note_run(key);
        Ok(Done { output: Some(output).filter(|output| !output.is_empty()), ..Done::default() })
    }

    /// A check or handler of systemd's own.
    async fn systemd_step(
        &self,
        call: &Call,
        batch: &Batch<'_>,
        act: &Act<'_>,
        spec: &HostSpec,
    ) -> Result<Done, TargetError> {
        if units::digest(spec) != act.step.after {
            return Err(TargetError::Stale { object: act.step.id.clone() });
        }
        let Some(key) = self.due_run(call, batch, act) else { return Ok(Done { already: true, ..Done::default() }) };
        let done = match spec {
            HostSpec::Signal(signal) => self.units.signal(call, act.step, signal).await?,
            HostSpec::VerifyUnits { paths } => self.units.verify(call, &self.commands, paths).await?,
            _ => self.units.daemon_reload(call).await?,
        };
        self.note_run(key);
        Ok(done)
    }

    /// Returns the key of a run that did not end well in this process yet.
    fn due_run(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>) -> Option<Ran> {
        let key = Ran { plan: batch.plan, sync: call.sync.clone(), number: act.number };
        let ran = self.ran.lock().unwrap_or_else(PoisonError::into_inner);
        (!ran.contains(&key)).then_some(key)
    }

    fn note_run(&self, key: Ran) {
        let mut ran = self.ran.lock().unwrap_or_else(PoisonError::into_inner);
        ran.push_back(key);
        if ran.len() > REMEMBERED {
            ran.pop_front();
        }
    }

    /// Compares what is there with the step.
    pub(super) fn due<'a>(&self, act: &'a Act<'a>, place: Located<'a>) -> Result<Due<'a>, TargetError> {
        let (since, at) = (Instant::now(), self.parent(place)?);
        let live = match &at {
            Some(at) => self.reader.find(at, place.leaf).map_err(|unknown| unknown.stops(place.path))?,
            None => None,
        };
        let digest = live.as_ref().map_or(Digest::ABSENT, |found| found.shape.digest(&self.key));
        if digest == act.step.after {
            if let Some(at) = &at {
                // It may have been renamed right before a crash, and not be durable yet.
                fsync(at).map_err(|errno| refused("make durable", place.path, errno))?;
            }
            let left = live.map(|found| {
                self.young.took(place.path, &found.fingerprint, digest, since);
                (digest, found.fingerprint)
            });
            return Ok(Due::Nothing(Done { left, already: true, output: None }));
        }
        if digest != act.step.before {
            return Err(TargetError::Stale { object: act.step.id.clone() });
        }
        Ok(Due::Act(Seen { act, place, live }))
    }

    fn delete(&self, act: &Act<'_>) -> Result<Done, TargetError> {
        let seen = match self.due(act, self.roots.locate(&act.step.id.name)?)? {
            Due::Nothing(done) => return Ok(done),
            Due::Act(seen) => seen,
        };
        let place = seen.place;
        // The folder is opened anew, so what is in it is compared anew.
        let Some(at) = self.parent(place)? else { return Err(seen.stale()) };
        self.still_before(&seen, &at)?;
        let flags = if seen.is_folder() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match unlinkat(&at, place.leaf, flags) {
            Ok(()) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Err(strangers(&seen, &at)),
            Err(Errno::NOENT | Errno::ISDIR | Errno::NOTDIR) => return Err(seen.stale()),
            Err(errno) => return Err(refused("remove", place.path, errno)),
        }
        self.young.forget(place.path);
        fsync(&at).map_err(|errno| TargetError::InDoubt {
            doing: format!("make the removal of {} durable", place.path),
            source: Some(anyhow::Error::new(std::io::Error::from(errno))),
        })?;
        Ok(Done::default())
    }

    /// Compares again, right before the act.
    pub(super) fn still_before(&self, seen: &Seen<'_>, at: &OwnedFd) -> Result<(), TargetError> {
        let (path, leaf) = (seen.place.path, seen.place.leaf);
        let now = look(at, leaf).map_err(|errno| refused("look at", path, errno))?;
        let before = seen.live.as_ref().map(|found| &found.fingerprint);
        if now.as_ref().map(fingerprint).as_ref() == before {
            return Ok(());
        }
        let now = self.reader.find(at, leaf).map_err(|unknown| unknown.stops(path))?;
        let digest = now.map_or(Digest::ABSENT, |found| found.shape.digest(&self.key));
        if digest == seen.act.step.before {
            return Ok(());
        }
        Err(seen.stale())
    }

    fn parent(&self, place: Located<'_>) -> Result<Option<OwnedFd>, TargetError> {
        folder(self.roots.base()?, place.folder, OFlags::RDONLY).map_err(|errno| refused("reach", place.path, errno))
    }
}

/// Names one of those that keep a folder from being removed.
pub(super) fn strangers(seen: &Seen<'_>, at: &OwnedFd) -> TargetError {
    let named = folder(at, seen.place.leaf, OFlags::RDONLY).ok().flatten().and_then(|folder| {
        let mut entries = rustix::fs::Dir::read_from(&folder).ok()?;
        entries.find_map(|entry| {
            let name = entry.ok()?.file_name().to_string_lossy().into_owned();
            (name != "." && name != "..").then_some(name)
        })
    });
    let holder = named.map_or_else(|| "something in it".into(), |name| format!("{}/{name}", seen.place.path));
    TargetError::Conflict { object: seen.act.step.id.clone(), holder }
}
