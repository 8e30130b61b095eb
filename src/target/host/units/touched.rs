//! What became of a unit that is not as it was left, and when: what systemd itself keeps. Who asked for it, it does not keep.

use super::Units;
use super::manager::{Facts, Properties, SERVICE};
use crate::model::host::{HostSpec, UNIT, UnitSpec};
use crate::model::{After, Digest, Inventory, Live, Preview, Previews, State, Time, Touched};
use crate::target::{Call, TargetError};

impl Units {
    /// Adds to the previews of units that are not as they were left what systemd knows of it. Asks nothing where there are none.
    ///
    /// # Errors
    /// When cancelled.
    pub(in crate::target::host) async fn touched(
        &self,
        call: &Call,
        owned: &Inventory,
        previews: &mut Previews,
    ) -> Result<(), TargetError> {
        for preview in previews.items.iter_mut().filter(|preview| preview.id.kind == UNIT) {
            let left = owned.objects.get(&preview.id).map(|owned| owned.left.state);
            let Some((now, wanted)) = differing(preview, left) else { continue };
            match self.of_unit(call, &preview.id.name, &now, &wanted).await {
                Ok(touched) => preview.touched = Some(Box::new(touched)),
                Err(TargetError::Cancelled) => return Err(TargetError::Cancelled),
                Err(error) => tracing::debug!("{} cannot be asked what became of it: {error}", preview.id),
            }
        }
        Ok(())
    }

    async fn of_unit(
        &self,
        call: &Call,
        name: &str,
        now: &UnitSpec,
        wanted: &UnitSpec,
    ) -> Result<Touched, TargetError> {
        if now.running == wanted.running {
            return Ok(Touched { what: Some(words(now, wanted, "")), ..Touched::default() });
        }
        let facts = self.facts(call, &[name.to_owned()], &[]).await?.remove(name).unwrap_or_default();
        let unit = self.properties(call, &facts, None).await?;
        let service = if facts.active == "failed" && name.ends_with(".service") {
            self.properties(call, &facts, Some(SERVICE)).await?
        } else {
            Properties::default()
        };
        let what = words(now, wanted, &ended(&facts, service.text("Result")));
        // 0 is what systemd says where it does not know.
        let at = i64::try_from(unit.number("StateChangeTimestamp")).ok().filter(|at| *at > 0).map(Time);
        Ok(Touched { what: Some(what), by: None, at })
    }
}

/// Returns what a unit of ours is and should be, where somebody else made the difference.
fn differing(preview: &Preview, left: Option<Digest>) -> Option<(UnitSpec, UnitSpec)> {
    let (Live::Known(now), After::Is(wanted)) = (&preview.live, &preview.after) else { return None };
    let spec = |state: &State| match HostSpec::from_spec(state.spec.as_ref()?).ok()? {
        HostSpec::Unit(unit) => Some(unit),
        _ => None,
    };
    if left.is_none_or(|left| left == now.digest) { None } else { Some((spec(now)?, spec(wanted)?)) }
}

/// Says how a unit that should run came to its end.
fn ended(facts: &Facts, result: &str) -> String {
    match (facts.active.as_str(), result) {
        ("failed", "" | "success") => "failed".into(),
        ("failed", result) => format!("failed: {result}"),
        _ => "stopped".into(),
    }
}

fn words(now: &UnitSpec, wanted: &UnitSpec, ended: &str) -> String {
    let differs = |now: Option<bool>, wanted: Option<bool>| now.filter(|_| now != wanted);
    let word = |is: Option<bool>, yes, no| is.map(|is| if is { yes } else { no });
    let words = [
        word(differs(now.masked, wanted.masked), "masked", "unmasked"),
        word(differs(now.running, wanted.running), "started", ended),
        word(differs(now.enabled, wanted.enabled), "enabled", "disabled"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::UnitHealth;

    fn unit(enabled: bool, running: bool) -> UnitSpec {
        let health = UnitHealth::default();
        UnitSpec { enabled: Some(enabled), running: Some(running), masked: None, health, calls: vec![] }
    }

    #[test]
    fn what_became_of_a_unit_is_said_field_by_field() {
        let facts = |active: &str| Facts { active: active.into(), ..Facts::default() };
        let failed = ended(&facts("failed"), "exit-code");
        assert_eq!(words(&unit(true, false), &unit(true, true), &failed), "failed: exit-code");
        let stopped = ended(&facts("inactive"), "");
        assert_eq!(words(&unit(false, false), &unit(true, true), &stopped), "stopped, disabled");
        assert_eq!(words(&unit(true, true), &unit(true, false), ""), "started");
    }
}
