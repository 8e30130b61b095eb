//! The normalised state of a unit: what of it a document names, and nothing else, so that nothing else causes steps.

use serde::Serialize;

use super::manager::Facts;
use crate::model::host::{HostSpec, UnitHealth, UnitSpec};
use crate::model::{Digest, DigestKey, Fingerprint, Place, State};

/// What a unit is or should be; `None` is what nobody named. Its JSON is digested, so its fields and their order are a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) running: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) masked: Option<bool>,
}

impl From<&UnitSpec> for Shown {
    fn from(spec: &UnitSpec) -> Self {
        Self { enabled: spec.enabled, running: spec.running, masked: spec.masked }
    }
}

impl Shown {
    /// Returns what of a live unit answers to the named fields of `self`.
    pub(super) fn of(self, facts: &Facts) -> Self {
        Self {
            enabled: self.enabled.map(|_| facts.enabled()),
            running: self.running.map(|_| facts.running()),
            masked: self.masked.map(|_| facts.masked()),
        }
    }

    /// Returns the same fields of a unit that is neither enabled nor running nor masked: as one is that was just made.
    pub(super) fn at_rest(self) -> Self {
        Self {
            enabled: self.enabled.map(|_| false),
            running: self.running.map(|_| false),
            masked: self.masked.map(|_| false),
        }
    }

    pub(super) fn digest(self, key: &DigestKey) -> Digest {
        // Plain data with string keys: serialisation cannot fail.
        key.digest("trueup/host/unit/v1", &serde_json::to_vec(&self).unwrap_or_default())
    }

    /// Returns whether `self` may lie on the way from what digests to `before` to `after`: an act on a unit is several calls,
    /// and a crash may come between them.
    pub(super) fn between(self, before: &Digest, after: Self, key: &DigestKey) -> bool {
        let either =
            |now: Option<bool>, end: Option<bool>| if now == end { vec![now, now.map(|on| !on)] } else { vec![now] };
        let begun = if *before == Digest::ABSENT { after.at_rest().digest(key) } else { *before };
        either(self.enabled, after.enabled).into_iter().any(|enabled| {
            either(self.running, after.running).into_iter().any(|running| {
                let masked = either(self.masked, after.masked);
                masked.into_iter().any(|masked| Self { enabled, running, masked }.digest(key) == begun)
            })
        })
    }

    /// Returns the state as previews carry it. `health` is the wanted one, so that it never shows as a difference.
    pub(super) fn state(self, name: &str, health: &UnitHealth, key: &DigestKey) -> State {
        let Self { enabled, running, masked } = self;
        let spec = HostSpec::Unit(UnitSpec { enabled, running, masked, health: health.clone(), calls: vec![] });
        State {
            digest: self.digest(key),
            fingerprint: self.fingerprint(),
            sort: "unit".into(),
            spec: Some(spec.to_spec(Place { file: name.into(), line: 0, column: 0 })),
            content: None,
            hidden: false,
        }
    }

    /// Returns a fingerprint that names the fields: so what was left can be compared when no document names them any more.
    pub(super) fn fingerprint(self) -> Fingerprint {
        let fields = [("enabled", self.enabled), ("running", self.running), ("masked", self.masked)];
        let named: Vec<_> = fields.iter().filter(|(_, named)| named.is_some()).map(|(name, _)| *name).collect();
        Fingerprint(format!("unit:{}", named.join(",")).into())
    }

    /// Returns the fields that a fingerprint names.
    pub(super) fn named(fingerprint: &Fingerprint) -> Self {
        let names = fingerprint.0.strip_prefix("unit:").unwrap_or_default();
        let field = |wanted: &str| names.split(',').any(|name| name == wanted).then_some(false);
        Self { enabled: field("enabled"), running: field("running"), masked: field("masked") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(enabled: Option<bool>, running: Option<bool>, masked: Option<bool>) -> Shown {
        Shown { enabled, running, masked }
    }

    #[test]
    fn a_fingerprint_names_the_fields() {
        let shown = shown(Some(true), None, Some(false));
        assert_eq!(&*shown.fingerprint().0, "unit:enabled,masked");
        assert_eq!(Shown::named(&shown.fingerprint()), shown.at_rest());
    }

    #[test]
    fn half_an_act_is_on_its_way_and_nothing_else_is() {
        let key = DigestKey::new([7; 32]);
        let (rest, both) = (shown(Some(false), Some(false), None), shown(Some(true), Some(true), None));
        let half = shown(Some(true), Some(false), None);
        for now in [rest, half, both] {
            assert!(now.between(&rest.digest(&key), both, &key) && now.between(&Digest::ABSENT, both, &key));
        }
        // Enabled by somebody else, where the step only starts it.
        let started = shown(Some(false), Some(true), None);
        assert!(!half.between(&rest.digest(&key), started, &key));
    }
}
