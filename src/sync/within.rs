//! How far an application reaches that is declared in Git: judged by what it renders to, not by what it says of itself.

use std::collections::BTreeSet;
use std::path::Path;

use super::refusal::Refusal;
use crate::config::Reach;
use crate::model::host::{CommandSpec, HostSpec, PATH, Probe, UNIT};
use crate::model::{After, Complete, Mistake, ObjectId, Outcome, Previews, Spec, matches};
use crate::target::Own;
use crate::target::host::units_at;

/// What trueup itself runs as: no application of Git stops, changes or restarts it.
const ITSELF: [&str; 3] = ["trueup.service", "trueup-host.service", "trueup-host.socket"];
/// More are not told of one render.
const MOST: usize = 50;

const CODE: &str = "declarations.not-allowed";
const HINT: &str =
    "the Daemon document of the machine says how far applications of Git reach: declarations: { allow: … }";

/// What an application may touch, beside what its target allows, where the machine leaves its definition to Git.
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    reach: Reach,
    own: Own,
}

impl Within {
    /// Returns what `reach` allows, without what the daemon lives by.
    #[must_use]
    pub const fn new(reach: Reach, own: Own) -> Self {
        Self { reach, own }
    }

    /// # Errors
    /// `declarations.not-allowed`, with every object that lies further.
    pub(super) fn check(&self, complete: &Complete) -> Result<(), Refusal> {
        let wrong = |(id, spec)| Some((id, spec, self.refuses(id, spec)?));
        let mut outside = complete.objects.iter().filter_map(wrong).peekable();
        let Some((first, _, why)) = outside.peek() else { return Ok(()) };
        let message = format!("could not take what is declared: {first} {why}");
        let told = |(id, spec, why): (&ObjectId, &Spec, String)| Mistake {
            code: CODE.into(),
            place: spec.place().clone(),
            message: format!("{id} {why}"),
            hint: Some(HINT.into()),
        };
        let refusal = Refusal::new(Outcome::Refused, CODE, message);
        Err(Refusal { mistakes: outside.take(MOST).map(told).collect(), ..refusal })
    }

    /// Returns why an object is out of reach; `None` where it is not.
    #[must_use]
    pub fn refuses(&self, id: &ObjectId, spec: &Spec) -> Option<String> {
        let Ok(host) = HostSpec::from_spec(spec) else { return Some("is of a sort that is not known".into()) };
        self.named(id).or_else(|| self.spec(id, &host))
    }

    /// Returns which of the objects that leave lie further: the machine took back its word, or somebody else declared them.
    pub(super) fn beyond(&self, previews: &Previews) -> BTreeSet<ObjectId> {
        let leaving = previews.items.iter().filter(|preview| matches!(preview.after, After::Absent));
        leaving.map(|preview| &preview.id).filter(|id| self.named(id).is_some()).cloned().collect()
    }

    /// Returns why an object is out of reach whatever it is to be.
    fn named(&self, id: &ObjectId) -> Option<String> {
        match &*id.kind {
            PATH => self.path(id),
            UNIT => self.unit(&id.name),
            _ => None,
        }
    }

    fn path(&self, id: &ObjectId) -> Option<String> {
        if !self.reach.paths.iter().any(|allowed| Path::new(&*id.name).starts_with(allowed)) {
            return Some("lies outside of every path that applications of Git may write".into());
        }
        if self.own.has(id) {
            return Some("is what trueup itself lives by (its configuration, data, socket or keys)".into());
        }
        if self.own.is_below(id) {
            return Some("holds what trueup itself lives by (its configuration, data, socket or keys)".into());
        }
        units_at(&id.name).iter().find_map(|unit| self.unit(unit))
    }

    fn unit(&self, unit: &str) -> Option<String> {
        if ITSELF.iter().any(|own| matches(unit, own)) || unit.starts_with("trueup") {
            return Some(format!("acts on {unit}, which is trueup itself"));
        }
        let reached = self.reach.units.iter().any(|pattern| matches(pattern, unit));
        (!reached).then(|| format!("acts on {unit}, which is not among the units of applications of Git"))
    }

    fn spec(&self, id: &ObjectId, host: &HostSpec) -> Option<String> {
        match host {
            HostSpec::File(file) => self.program(file.validate.as_ref()?),
            HostSpec::Check(command) | HostSpec::Handler(command) => self.program(command),
            HostSpec::Signal(signal) => self.unit(&signal.unit).or_else(|| self.probe(signal.health.probe.as_ref())),
            HostSpec::Unit(unit) => self.probe(unit.health.probe.as_ref()),
            // A link in a folder of units is another name of the one that it leads to.
            HostSpec::Symlink { to, .. } if !units_at(&id.name).is_empty() && to != "/dev/null" => {
                self.unit(to.rsplit('/').next().unwrap_or_default())
            }
            HostSpec::Directory(_)
            | HostSpec::Symlink { .. }
            | HostSpec::DaemonReload
            | HostSpec::VerifyUnits { .. } => None,
        }
    }

    fn probe(&self, probe: Option<&Probe>) -> Option<String> {
        match probe {
            Some(Probe::Command(command)) => self.program(command),
            Some(Probe::Http(_) | Probe::Tcp(_)) | None => None,
        }
    }

    /// A name without a path stands for whichever of the listed programs has it.
    fn program(&self, command: &CommandSpec) -> Option<String> {
        let named = command.command.first().map(String::as_str).unwrap_or_default();
        let listed = |allowed: &Path| {
            let whole = named.contains('/');
            if whole { allowed == Path::new(named) } else { allowed.file_name().is_some_and(|name| name == named) }
        };
        let reached = self.reach.commands.iter().any(|allowed| listed(allowed));
        (!reached).then(|| format!("runs {named}, which is not among the programs of applications of Git"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use serde_json::json;

    use super::*;
    use crate::model::Place;

    fn within() -> Within {
        let reach = json!({
            "paths": ["/etc/app", "/etc/systemd/system", "/srv"],
            "units": ["app-*.service", "web.service"],
            "commands": ["/usr/bin/judge"],
        });
        let mut own = Own::below(None);
        own.add(Path::new("/srv/trueup/data"));
        own.add(Path::new("/srv/trueup.yaml"));
        Within::new(serde_json::from_value(reach).unwrap(), own)
    }

    fn refused(kind: &'static str, name: &str, host: &HostSpec) -> Option<String> {
        let place = Place { file: "x.yaml".into(), line: 1, column: 1 };
        within().refuses(&ObjectId::new(kind, name), &host.to_spec(place))
    }

    fn folder() -> HostSpec {
        HostSpec::Directory(crate::model::host::Attributes::default())
    }

    #[test]
    fn paths_are_those_that_are_allowed_and_never_what_trueup_lives_by() {
        for path in ["/etc/app", "/etc/app/conf.d/x", "/srv/www", "/srv/trueup-site", "/etc/systemd/system/README"] {
            assert_eq!(refused(PATH, path, &folder()), None, "{path}");
        }
        let own = ["/srv/trueup/data", "/srv/trueup/data/content.key", "/srv/trueup.yaml", "/srv/trueup", "/srv"];
        for path in ["/etc/application", "/etc", "/", "/etc/nginx/x"].iter().chain(&own) {
            assert!(refused(PATH, path, &folder()).is_some(), "{path}");
        }
    }

    #[test]
    fn units_are_reached_by_their_names_however_they_are_written() {
        let unit = HostSpec::DaemonReload;
        for (kind, name) in [
            (UNIT, "app-one.service"),
            (UNIT, "web.service"),
            (PATH, "/etc/systemd/system/app-one.service"),
            (PATH, "/etc/systemd/system/web.service.d/x.conf"),
            (PATH, "/etc/systemd/system/multi-user.target.wants/web.service"),
        ] {
            assert_eq!(refused(kind, name, &unit), None, "{name}");
        }
        for (kind, name) in [
            (UNIT, "ssh.service"),
            (UNIT, "trueup.service"),
            (PATH, "/etc/systemd/system/ssh.service"),
            (PATH, "/etc/systemd/system/service.d/x.conf"),
            (PATH, "/etc/systemd/system/trueup.service.d/x.conf"),
            (PATH, "/etc/systemd/system/multi-user.target.wants/ssh.service"),
            (PATH, "/etc/systemd/system/ssh.service.wants/web.service"),
        ] {
            assert!(refused(kind, name, &unit).is_some(), "{name}");
        }
        let link = |to: &str| HostSpec::Symlink { to: to.into(), calls: vec![] };
        let alias = "/etc/systemd/system/app-x.service";
        assert!(refused(PATH, alias, &link("/lib/systemd/system/trueup.service")).is_some());
        assert_eq!(refused(PATH, alias, &link("web.service")), None);
        assert_eq!(refused(PATH, alias, &link("/dev/null")), None, "a mask of its own unit");
        let all = Within { reach: Reach { units: vec!["*".into()], ..within().reach }, ..within() };
        let place = Place { file: "x.yaml".into(), line: 1, column: 1 };
        for path in ["/etc/systemd/system/service.d/x.conf", "/etc/systemd/system/trueup-host.socket"] {
            assert!(all.refuses(&ObjectId::new(PATH, path), &unit.to_spec(place.clone())).is_some(), "{path}");
        }
    }

    #[test]
    fn programs_are_those_that_are_listed_wherever_they_are_run() {
        let run = |program: &str| CommandSpec { command: vec![program.into(), "-t".into()], timeout: 1 };
        for program in ["/usr/bin/judge", "judge"] {
            assert_eq!(refused("handler", "x", &HostSpec::Handler(run(program))), None, "{program}");
        }
        for program in ["/bin/judge", "sh", "/bin/sh", "../judge", ""] {
            assert!(refused("check", "x", &HostSpec::Check(run(program))).is_some(), "{program}");
        }
        let mut health =
            crate::model::host::UnitHealth { probe: Some(Probe::Command(run("sh"))), ..Default::default() };
        let signal = |health: &crate::model::host::UnitHealth, unit: &str| {
            let verb = crate::model::host::Verb::Restart;
            HostSpec::Signal(crate::model::host::SignalSpec { verb, unit: unit.into(), health: health.clone() })
        };
        assert!(refused("handler", "x", &signal(&health, "web.service")).is_some());
        health.probe = None;
        assert_eq!(refused("handler", "x", &signal(&health, "web.service")), None);
        assert!(refused("handler", "x", &signal(&health, "ssh.service")).is_some());
    }
}
