//! What each object is now, and what applying would make it. Changes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;

use super::found::{self, Found, Unknowable, look};
use super::paths::{Folders, Located};
use super::protected::protected;
use super::shape::Shape;
use super::touched::Users;
use super::units::{self, Survey};
use super::wanted::attributes;
use super::{HostTarget, rank};
use crate::model::host::{CHECK, CommandSpec, HANDLER, HostSpec, PATH, Probe, UNIT};
use crate::model::{
    After, Complete, Digest, Inventory, Live, ObjectId, Owned, Preview, Previews, Spec, State, Touched, Walk,
};
use crate::target::{Call, TargetError};

/// One look at the objects of an application.
pub(super) struct Look<'a> {
    target: &'a HostTarget,
    folders: Folders,
    desired: &'a Complete,
    survey: &'a Survey,
    checks: Vec<ObjectId>,
    /// How much more content of what is there may be kept, in bytes.
    room: usize,
    users: Users,
    /// Of folders: whether everyone reaches what lies in them.
    reached: HashMap<String, bool>,
}

/// All content that one look keeps of what is there, in bytes: a thousand large files that go at once must not fill memory.
const ROOM: usize = 64 * 1024 * 1024;

impl HostTarget {
    pub(super) fn look(
        &self,
        call: &Call,
        desired: &Complete,
        owned: &Inventory,
        survey: &Survey,
    ) -> Result<Previews, TargetError> {
        let checks = desired.objects.keys().filter(|id| id.kind == CHECK).cloned().collect();
        let folders = Folders::new(self.roots.base()?);
        let (users, reached) = (Users::default(), HashMap::new());
        let mut look = Look { target: self, folders, desired, survey, checks, room: ROOM, users, reached };
        let mut items = Vec::with_capacity(desired.objects.len());
        let mut ours = Walk::new(&owned.objects);
        for (id, spec) in &desired.objects {
            still_wanted(call)?;
            items.push(look.desired(id, spec, ours.find(id))?);
        }
        let mut wanted = Walk::new(&desired.objects);
        for (id, owned) in owned.objects.iter().filter(|(id, _)| id.kind == PATH && wanted.find(id).is_none()) {
            still_wanted(call)?;
            items.push(look.leaving(id, owned));
        }
        look.leaving_units(owned, &mut items);
        let runs = self.units.follow_up(&mut items, desired);
        Ok(Previews { items, runs, ..Previews::default() })
    }
}

impl Look<'_> {
    fn desired(&mut self, id: &ObjectId, spec: &Spec, owned: Option<&Owned>) -> Result<Preview, TargetError> {
        if id.kind != PATH {
            return self.command(id, spec);
        }
        let place = self.target.roots.locate(&id.name)?;
        if let Some(same) = owned.and_then(|owned| self.unmoved(id, place, spec, owned)) {
            return Ok(same);
        }
        let host = parse(id, spec)?;
        self.target.units.check_path(place.path, Some(&host), self.desired)?;
        if let HostSpec::File(file) = &host
            && let Some(validate) = &file.validate
        {
            self.target.allowed(validate)?;
        }
        let found = match self.find(place) {
            Ok(found) => found,
            Err(unknown) => {
                // A spec that breaks the rules is refused whatever lies there.
                self.target.rules.wanted(place.path, &host, None)?;
                return Ok(unknown_preview(id, &unknown));
            }
        };
        let live = found.as_ref().map(|found| &found.shape);
        let Some(wanted) = self.target.rules.wanted(place.path, &host, live)? else {
            return Err(not_a_path(id));
        };
        let same = live == Some(&wanted);
        let (show, secret) = match &host {
            HostSpec::File(file) => (file.show, file.secret.is_some()),
            _ => (false, false),
        };
        let open = wanted.readable() && live.is_none_or(Shape::readable);
        let hidden = secret || !(show || open && (same || self.everyone_reaches(place)));
        let rank = rank::write(&wanted, live);
        let after = if same { After::Same } else { After::Is(Box::new(self.coming(spec, &wanted, hidden))) };
        let calls = if same { vec![] } else { self.calls(&host) };
        let touched = if same { None } else { self.touched(found.as_ref(), owned) };
        let live = self.live(place.path, found, hidden, !same);
        Ok(Preview { id: id.clone(), live, after, calls, rank, wave: 0, protected: None, touched })
    }

    /// The steady case: it should be what we left, and nothing moved since. Reads nothing.
    fn unmoved(&mut self, id: &ObjectId, place: Located<'_>, spec: &Spec, owned: &Owned) -> Option<Preview> {
        let mode = spec.body().get("mode").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let lawful = self.target.rules.allow_setuid || mode & 0o7000 == 0;
        if !lawful || owned.left.spec != spec.digest() {
            return None;
        }
        let folder = self.folders.get(place.folder).ok()??;
        let stat = look(&*folder, place.leaf).ok()??;
        let fingerprint = found::fingerprint(&stat);
        if fingerprint != owned.left.fingerprint || !self.target.young.trusts(place.path, &fingerprint) {
            return None;
        }
        let sort = found::sort(&stat);
        let secret = spec.body().get("secret").is_some();
        let state = State {
            digest: owned.left.state,
            fingerprint,
            sort: sort.into(),
            spec: Some(spec.clone()),
            content: None,
            hidden: sort == "file" && (secret || !found::access(&stat).everyone_reads()),
        };
        let live = Live::Known(Box::new(state));
        let rank = if sort == "directory" { rank::FOLDER } else { rank::FILE };
        Some(Preview {
            id: id.clone(),
            live,
            after: After::Same,
            calls: vec![],
            rank,
            wave: 0,
            protected: None,
            touched: None,
        })
    }

    fn leaving_units(&self, owned: &Inventory, items: &mut Vec<Preview>) {
        let as_left = |preview: &&Preview| match (&preview.after, &preview.live, owned.objects.get(&preview.id)) {
            (After::Absent, Live::Known(state), Some(owned)) => state.digest == owned.left.state,
            _ => false,
        };
        let gone: Vec<String> = items.iter().filter(as_left).map(|preview| preview.id.name.to_string()).collect();
        let mut wanted = Walk::new(&self.desired.objects);
        for (id, owned) in owned.objects.iter().filter(|(id, _)| id.kind == UNIT && wanted.find(id).is_none()) {
            items.push(self.target.units.leaving((id, owned), (self.survey, &gone, &self.target.key)));
        }
    }

    /// An object that is ours and that Git no longer has.
    fn leaving(&mut self, id: &ObjectId, owned: &Owned) -> Preview {
        if let Err(error) = self.target.units.check_path(&id.name, None, self.desired) {
            return unknown_preview(id, &error);
        }
        let found = match self.target.roots.locate(&id.name) {
            // The allow-list was narrowed: what lies outside of it is nothing that we may even look at.
            Err(error) => return unknown_preview(id, &error),
            Ok(place) => self.find(place),
        };
        let found = match found {
            Ok(found) => found,
            Err(unknown) => return unknown_preview(id, &unknown),
        };
        let there = found.as_ref().map(|found| &found.shape);
        let (holds, folder) = (self.holds_desired(&id.name), there.is_none_or(Shape::is_folder));
        let rank = if holds { rank::MAKES_ROOM } else { rank::delete(&id.name, there) };
        let calls = if there.is_some() { self.checks.clone() } else { vec![] };
        let open = there.is_none_or(Shape::readable);
        let hidden = !(open && self.target.roots.locate(&id.name).is_ok_and(|place| self.everyone_reaches(place)));
        let touched = self.touched(found.as_ref(), Some(owned));
        let live = self.live(&id.name, found, hidden, true);
        let after = if holds && folder { After::Same } else { After::Absent };
        let protected = protected(&id.name).map(Into::into);
        Preview { id: id.clone(), live, after, calls, rank, wave: 0, protected, touched }
    }

    /// Whether something below it is desired. A folder that is not named itself any more goes when that goes; anything else has to make
    /// room for it.
    fn holds_desired(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let first = ObjectId::new(PATH, &below);
        let next = self.desired.objects.range(first..).next();
        next.is_some_and(|(id, _)| id.kind == PATH && id.name.starts_with(&below))
    }

    fn command(&self, id: &ObjectId, spec: &Spec) -> Result<Preview, TargetError> {
        let (command, rank) = match parse(id, spec)? {
            HostSpec::Check(command) if id.kind == CHECK => (command, rank::CHECK),
            HostSpec::Handler(command) if id.kind == HANDLER => (command, rank::HANDLER),
            HostSpec::Unit(unit) if id.kind == UNIT => {
                if let Some(Probe::Command(probe)) = &unit.health.probe {
                    self.target.allowed(probe)?;
                }
                return self.target.units.preview((id, spec, &unit), (self.survey, self.desired, &self.target.key));
            }
            host @ HostSpec::Signal(_) if id.kind == HANDLER => {
                let HostSpec::Signal(signal) = &host else { return Err(not_a_path(id)) };
                return self.target.units.preview_signal(id, signal, units::digest(&host));
            }
            host @ HostSpec::DaemonReload if id.kind == HANDLER => {
                return Ok(Preview::of_run(id.clone(), rank::DAEMON_RELOAD, units::digest(&host)));
            }
            _ => return Err(not_a_path(id)),
        };
        self.target.allowed(&command)?;
        Ok(Preview::of_run(id.clone(), rank, run_digest(&command)))
    }

    fn find(&mut self, place: Located<'_>) -> Result<Option<Found>, Unknowable> {
        let refused = |errno: Errno| Unknowable::Refused(errno);
        let since = Instant::now();
        let Some(folder) = self.folders.get(place.folder).map_err(refused)? else { return Ok(None) };
        let found = self.target.reader.find(&*folder, place.leaf)?;
        if let Some(found) = &found {
            let state = found.shape.digest(&self.target.key);
            self.target.young.took(place.path, &found.fingerprint, state, since);
        }
        Ok(found)
    }

    /// Whether no folder on the way keeps out those who may read what lies there by its own mode.
    fn everyone_reaches(&mut self, place: Located<'_>) -> bool {
        if let Some(known) = self.reached.get(place.folder) {
            return *known;
        }
        let reaches = self.target.everyone_reaches(place.path);
        self.reached.insert(place.folder.to_owned(), reaches);
        reaches
    }

    /// Who changed what is there, where it is not what we left.
    fn touched(&mut self, found: Option<&Found>, owned: Option<&Owned>) -> Option<Box<Touched>> {
        let key = &self.target.key;
        let found = found.filter(|found| owned.is_none_or(|owned| owned.left.state != found.shape.digest(key)))?;
        Some(Box::new(self.users.touched(found)))
    }

    fn live(&mut self, path: &str, found: Option<Found>, hidden: bool, changes: bool) -> Live {
        let Some(found) = found else { return Live::Absent };
        let content = found.content.filter(|content| changes && content.len() <= self.room);
        self.room -= content.as_ref().map_or(0, Vec::len);
        Live::Known(Box::new(State {
            digest: found.shape.digest(&self.target.key),
            sort: found.shape.sort().into(),
            spec: found.shape.spec(path),
            fingerprint: found.fingerprint,
            content: content.map(Arc::from),
            hidden,
        }))
    }

    fn coming(&self, spec: &Spec, wanted: &Shape, hidden: bool) -> State {
        State {
            digest: wanted.digest(&self.target.key),
            // Nothing has one before it exists.
            fingerprint: crate::model::Fingerprint("".into()),
            sort: wanted.sort().into(),
            spec: Some(spec.clone()),
            content: None,
            hidden,
        }
    }

    /// Every check of the application runs for every changed path; handlers run where the path names them.
    fn calls(&self, spec: &HostSpec) -> Vec<ObjectId> {
        let handlers = match spec {
            HostSpec::Symlink { calls, .. } => calls,
            spec => attributes(spec).map_or(&[][..], |attributes| &attributes.calls),
        };
        self.checks.iter().chain(handlers).cloned().collect()
    }
}

/// Reads the body of an object's spec.
pub(super) fn parse(id: &ObjectId, spec: &Spec) -> Result<HostSpec, TargetError> {
    HostSpec::from_spec(spec).map_err(|error| TargetError::Invalid {
        code: "host.spec".into(),
        reason: format!("{}: {id} is not an object of a host: {error}", spec.place()),
    })
}

/// Returns the digest of what a check or handler would run.
pub(super) fn run_digest(command: &CommandSpec) -> Digest {
    Digest::of_json("trueup/host/command/v1", command)
}

fn unknown_preview(id: &ObjectId, reason: &impl ToString) -> Preview {
    let live = Live::Unknown(reason.to_string());
    Preview {
        id: id.clone(),
        live,
        after: After::Same,
        calls: vec![],
        rank: rank::FILE,
        wave: 0,
        protected: None,
        touched: None,
    }
}

fn not_a_path(id: &ObjectId) -> TargetError {
    TargetError::Invalid {
        code: "host.spec".into(),
        reason: format!("{id} is described as something else than its kind"),
    }
}

/// Ends the call where nobody waits for it any more.
pub(super) fn still_wanted(call: &Call) -> Result<(), TargetError> {
    if call.cancel.is_cancelled() {
        return Err(TargetError::Cancelled);
    }
    if tokio::time::Instant::now() >= call.deadline {
        return Err(TargetError::Unavailable { doing: "could not finish before the deadline".into(), source: None });
    }
    Ok(())
}
