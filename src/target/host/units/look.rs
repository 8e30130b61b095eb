//! What units are now, and what applying would make them.

use std::collections::{BTreeMap, BTreeSet};

use super::Units;
use super::allow::{protected, refuse};
use super::folders::provides;
use super::manager::Facts;
use super::state::Shown;
use crate::model::host::{HostSpec, PATH, SignalSpec, UNIT, UnitHealth, UnitSpec, is_run};
use crate::model::{
    After, Complete, Digest, DigestKey, Fingerprint, Inventory, Live, ObjectId, Owned, Preview, Previews, Spec, State,
};
use crate::target::host::rank;
use crate::target::{Call, TargetError};

/// What systemd said of every unit of one look; or why it said nothing.
pub(in crate::target::host) struct Survey(Result<BTreeMap<String, Facts>, String>);

impl Units {
    /// Asks about all units of a look at once; asks nothing where there are none.
    ///
    /// # Errors
    /// When cancelled.
    pub(in crate::target::host) async fn survey(
        &self,
        call: &Call,
        desired: &Complete,
        owned: &Inventory,
    ) -> Result<Survey, TargetError> {
        let ids = desired.objects.keys().chain(owned.objects.keys()).filter(|id| id.kind == UNIT);
        let names: BTreeSet<String> = ids.map(|id| id.name.to_string()).collect();
        if names.is_empty() {
            return Ok(Survey(Ok(BTreeMap::new())));
        }
        if let Some(why) = self.nobody() {
            return Ok(Survey(Err(why.into())));
        }
        let names: Vec<_> = names.into_iter().collect();
        match self.facts(call, &names, &names).await {
            Ok(facts) => Ok(Survey(Ok(facts))),
            Err(TargetError::Cancelled) => Err(TargetError::Cancelled),
            Err(error) => Ok(Survey(Err(crate::model::chain(&error)))),
        }
    }

    /// # Errors
    /// Where a document asks for what the target's rules do not allow, whatever lies there.
    pub(super) fn check_unit(&self, name: &str, spec: &UnitSpec) -> Result<(), TargetError> {
        self.allowed.check(name)?;
        let asked = [
            (spec.running == Some(false), "stopped"),
            (spec.enabled == Some(false), "disabled"),
            (spec.masked == Some(true), "masked"),
        ];
        match asked.into_iter().find(|(asked, _)| *asked) {
            Some((_, act)) if protected(name) => Err(refuse(name, act)),
            _ => Ok(()),
        }
    }

    /// Previews a unit that is desired.
    ///
    /// # Errors
    /// As [`Units::check_unit`], and where the name is an alias.
    pub(in crate::target::host) fn preview(
        &self,
        (id, written, spec): (&ObjectId, &Spec, &UnitSpec),
        (survey, desired, key): (&Survey, &Complete, &DigestKey),
    ) -> Result<Preview, TargetError> {
        self.check_unit(&id.name, spec)?;
        let rank = if spec.running == Some(true) { rank::UNIT_UP } else { rank::UNIT };
        let preview = |live, after, calls| Preview {
            id: id.clone(),
            live,
            after,
            calls,
            rank,
            wave: 0,
            protected: None,
            touched: None,
        };
        let unknown = |why: String| preview(Live::Unknown(why), After::Same, vec![]);
        let facts = match &survey.0 {
            Ok(facts) => facts.get(&*id.name).cloned().unwrap_or_default(),
            Err(why) => return Ok(unknown(why.clone())),
        };
        let wanted = Shown::from(spec);
        let becomes =
            || After::Is(Box::new(State { spec: Some(written.clone()), ..wanted.state(&id.name, &spec.health, key) }));
        if facts.missing() {
            let mut paths = desired.objects.keys().filter(|id| id.kind == PATH);
            if !paths.any(|path| provides(&path.name, &id.name)) {
                return Ok(unknown(format!(
                    "this host has no unit {}, and no file of this application makes it",
                    id.name
                )));
            }
            return Ok(preview(Live::Absent, becomes(), spec.calls.clone()));
        }
        refuse_alias(&id.name, &facts)?;
        let now = wanted.of(&facts);
        let live = Live::Known(Box::new(now.state(&id.name, &spec.health, key)));
        if now == wanted {
            return Ok(preview(live, After::Same, vec![]));
        }
        Ok(preview(live, becomes(), spec.calls.clone()))
    }

    /// Previews a unit that is ours and that Git no longer has. It is stopped only where the file that makes it goes with it,
    /// as we left it; `gone` tells that of a path.
    pub(in crate::target::host) fn leaving(
        &self,
        (id, owned): (&ObjectId, &Owned),
        (survey, gone, key): (&Survey, &[String], &DigestKey),
    ) -> Preview {
        let named = Shown::named(&owned.left.fingerprint);
        let goes = gone.iter().any(|path| provides(path, &id.name));
        let live = match &survey.0 {
            Err(why) => Live::Unknown(why.clone()),
            Ok(facts) => match facts.get(&*id.name) {
                Some(facts) if !facts.missing() => {
                    Live::Known(Box::new(named.of(facts).state(&id.name, &UnitHealth::default(), key)))
                }
                _ => Live::Absent,
            },
        };
        let lawful = goes && !protected(&id.name) && self.allowed.check(&id.name).is_ok();
        let after = if lawful { After::Absent } else { After::Released };
        Preview {
            id: id.clone(),
            live,
            after,
            calls: vec![],
            rank: rank::STOP,
            wave: 0,
            protected: None,
            touched: None,
        }
    }

    /// Previews the reload or restart of a unit.
    ///
    /// # Errors
    /// When the target does not allow it.
    pub(in crate::target::host) fn preview_signal(
        &self,
        id: &ObjectId,
        signal: &SignalSpec,
        after: Digest,
    ) -> Result<Preview, TargetError> {
        self.allowed.check(&signal.unit)?;
        let rank = rank::signal(signal.verb, super::own(&signal.unit));
        Ok(Preview::of_run(id.clone(), rank, after))
    }

    /// Notes which run of its unit each restart would end, where there is anything to do at all.
    ///
    /// # Errors
    /// When cancelled.
    pub(in crate::target::host) async fn witness(
        &self,
        call: &Call,
        desired: &Complete,
        previews: &mut Previews,
    ) -> Result<(), TargetError> {
        let still = |preview: &Preview| matches!(preview.after, After::Same | After::Run(_));
        if self.nobody().is_some() {
            return Ok(());
        }
        // What is owed from an earlier sync comes without a change: our own unit must not be restarted for ever then.
        // Where nothing but runs is asked about, that is what is asked.
        let quiet = previews.items.iter().all(still) && desired.objects.keys().any(|id| !is_run(id));
        for preview in &mut previews.items {
            let spec = desired.objects.get(&preview.id).map(HostSpec::from_spec);
            let Some(Ok(HostSpec::Signal(signal))) = spec else { continue };
            if quiet && !super::own(&signal.unit) {
                continue;
            }
            match self.invocation(call, &signal.unit).await {
                Ok(run) => preview.live = Live::Known(Box::new(invoked(&run))),
                Err(TargetError::Cancelled) => return Err(TargetError::Cancelled),
                Err(error) => tracing::debug!("{} cannot be asked about its run: {error}", signal.unit),
            }
        }
        Ok(())
    }
}

/// Returns the evidence that a restart takes along.
fn invoked(run: &str) -> State {
    State {
        digest: Digest::ABSENT,
        fingerprint: Fingerprint(format!("invocation:{run}").into()),
        sort: "invocation".into(),
        spec: None,
        content: None,
        hidden: false,
    }
}

/// # Errors
/// When `name` is another name of a unit: rules that hold for the one name would be passed under the other.
pub(super) fn refuse_alias(name: &str, facts: &Facts) -> Result<(), TargetError> {
    if facts.id.is_empty() || facts.id == name {
        return Ok(());
    }
    let reason = format!("{name} is another name of {}: use that one", facts.id);
    Err(TargetError::Denied { code: "host.unit-alias".into(), reason })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Left, Origin};

    #[test]
    fn no_document_stops_disables_or_masks_what_a_host_needs() {
        let declared = serde_json::json!({ "allow": ["/etc"], "units": ["*"] });
        let units = Units::new(&serde_json::from_value(declared).unwrap(), Arc::default());
        let spec = |enabled, running, masked| UnitSpec {
            enabled,
            running,
            masked,
            health: UnitHealth::default(),
            calls: vec![],
        };
        for spec in [spec(Some(false), None, None), spec(None, Some(false), None), spec(None, None, Some(true))] {
            let refused = units.check_unit("ssh.service", &spec).unwrap_err();
            assert_eq!(refused.code(), "host.unit-protected");
            assert!(units.check_unit("nginx.service", &spec).is_ok());
        }
        assert!(units.check_unit("ssh.service", &spec(Some(true), Some(true), Some(false))).is_ok());
    }

    #[test]
    fn what_a_host_needs_runs_on_though_its_unit_file_goes() {
        let declared = serde_json::json!({ "allow": ["/etc"], "units": ["*"] });
        let units = Units::new(&serde_json::from_value(declared).unwrap(), Arc::default());
        let goes = |name: &str| {
            let id = ObjectId::new(UNIT, name);
            let facts = Facts { id: name.into(), load: "loaded".into(), active: "active".into(), ..Facts::default() };
            let survey = Survey(Ok(BTreeMap::from([(name.to_owned(), facts)])));
            let left = Left {
                spec: Digest::of(b"spec"),
                state: Digest::of(b"state"),
                fingerprint: Fingerprint("unit:running".into()),
            };
            let owned = Owned { origin: Origin::Created, left };
            let gone = [format!("/etc/systemd/system/{name}")];
            units.leaving((&id, &owned), (&survey, &gone, &DigestKey::new([7; 32]))).after
        };
        assert!(matches!(goes("sshd.service"), After::Released));
        assert!(matches!(goes("app.service"), After::Absent));
    }
}
