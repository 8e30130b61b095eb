//! One act on a unit: compared with what the plan saw, then done, each part of it only where it is still needed.

use zbus_systemd::systemd1::ManagerProxy;

use super::allow::{protected, refuse};
use super::job::{Work, quoted};
use super::look::refuse_alias;
use super::manager::Facts;
use super::state::Shown;
use super::{Acted, Units, itself, own};
use crate::model::host::{SignalSpec, UnitHealth, UnitSpec, Verb};
use crate::model::{Digest, DigestKey, Step};
use crate::target::{Call, Done, TargetError};

/// A change of unit files: what systemd calls enabling, disabling, masking and unmasking.
#[derive(Clone, Copy, Debug)]
enum Change {
    Enable,
    Disable,
    Mask,
    Unmask,
}

impl Units {
    /// Makes a unit what its document says.
    pub(in crate::target::host) async fn bring(
        &self,
        call: &Call,
        step: &Step,
        spec: &UnitSpec,
        key: &DigestKey,
    ) -> Result<Done, TargetError> {
        let name = &*step.id.name;
        let stale = || TargetError::Stale { object: step.id.clone() };
        self.check_unit(name, spec)?;
        let facts = self.there(call, name).await?;
        // A link that came with the plan may have made it one.
        refuse_alias(name, &facts)?;
        let wanted = Shown::from(spec);
        if wanted.digest(key) != step.after {
            return Err(stale());
        }
        let now = wanted.of(&facts);
        let left = Some((step.after, wanted.fingerprint()));
        if now == wanted {
            return Ok(Done { left, already: true, ..Done::default() });
        }
        if !now.between(&step.before, wanted, key) {
            return Err(stale());
        }
        let differs = |now: Option<bool>, wanted: Option<bool>| wanted.filter(|_| now != wanted);
        if differs(now.masked, wanted.masked) == Some(false) {
            self.change(call, name, Change::Unmask).await?;
        }
        if differs(now.running, wanted.running) == Some(false) {
            self.work(call, Work::Stop, name, spec.health.timeout).await?;
        }
        match differs(now.enabled, wanted.enabled) {
            Some(true) => self.change(call, name, Change::Enable).await?,
            Some(false) => self.change(call, name, Change::Disable).await?,
            None => {}
        }
        if differs(now.masked, wanted.masked) == Some(true) {
            self.change(call, name, Change::Mask).await?;
        }
        if differs(now.running, wanted.running) == Some(true) {
            self.start(call, name, &facts, &spec.health).await?;
            self.note(&call.sync, name, Acted::Started);
        }
        Ok(Done { left, ..Done::default() })
    }

    async fn start(&self, call: &Call, name: &str, facts: &Facts, health: &UnitHealth) -> Result<(), TargetError> {
        if facts.active == "failed" {
            self.forgive(call, name).await?;
        }
        self.work(call, Work::Start, name, health.timeout).await?;
        let after = self.fact(call, name).await?;
        if after.active == "inactive" && !after.has_run {
            let service = self.properties(call, &after, None).await?;
            if !service.flag("ConditionResult") {
                let reason = format!("{name} did not start: its conditions are not met");
                return Err(TargetError::Invalid { code: "host.unit-condition".into(), reason });
            }
        }
        Ok(())
    }

    /// Stops and disables a unit whose file goes.
    pub(in crate::target::host) async fn end(
        &self,
        call: &Call,
        step: &Step,
        key: &DigestKey,
    ) -> Result<Done, TargetError> {
        let name = &*step.id.name;
        self.allowed.check(name)?;
        let facts = self.fact(call, name).await?;
        if facts.missing() {
            return Ok(Done { already: true, ..Done::default() });
        }
        refuse_alias(name, &facts)?;
        if protected(name) {
            return Err(refuse(name, "stopped"));
        }
        let named = step.fingerprint.as_ref().map(Shown::named);
        let (Some(named), none) = (named, Done { already: true, ..Done::default() }) else {
            return Err(TargetError::Stale { object: step.id.clone() });
        };
        if !named.of(&facts).between(&step.before, named.at_rest(), key) {
            return Err(TargetError::Stale { object: step.id.clone() });
        }
        if !facts.running() && !facts.enabled() {
            return Ok(none);
        }
        if facts.running() && !facts.has_run {
            self.work(call, Work::Stop, name, UnitHealth::default().timeout).await?;
        }
        if facts.enabled() {
            self.change(call, name, Change::Disable).await?;
        }
        Ok(Done::default())
    }

    /// Reloads or restarts a unit that runs or has failed; leaves alone what was stopped, and what this sync started.
    pub(in crate::target::host) async fn signal(
        &self,
        call: &Call,
        step: &Step,
        signal: &SignalSpec,
    ) -> Result<Done, TargetError> {
        let name = signal.unit.as_str();
        let nothing = |why: &str| Ok(Done { already: true, output: Some(format!("{name} {why}")), ..Done::default() });
        self.allowed.check(name)?;
        if self.was(Acted::Started, &call.sync, name) {
            return nothing("was started by this sync");
        }
        let facts = self.there(call, name).await?;
        refuse_alias(name, &facts)?;
        if own(name) && self.resumed(call, step, &facts).await? {
            return nothing("was restarted since the plan was made");
        }
        let failed = facts.active == "failed";
        if !failed && (!facts.running() || facts.has_run) {
            return nothing("does not run");
        }
        if failed {
            self.forgive(call, name).await?;
        }
        // What has failed cannot be reloaded: it is started, with what is new.
        if signal.verb == Verb::Restart || failed {
            self.work(call, Work::Restart, name, signal.health.timeout).await?;
            self.note(&call.sync, name, Acted::Started);
            return Ok(Done::default());
        }
        if !self.properties(call, &facts, None).await?.flag("CanReload") {
            let reason = format!("{name} has no way to be reloaded: restart it instead");
            return Err(TargetError::Invalid { code: "host.unit-no-reload".into(), reason });
        }
        self.work(call, Work::Reload, name, signal.health.timeout).await?;
        self.note(&call.sync, name, Acted::Reloaded);
        Ok(Done::default())
    }

    /// Returns whether a unit of our own runs anew since the plan was made, and has seen all that the plan changed: nothing
    /// was changed by this process, so that a resumed sync does not restart itself for ever. What was changed after it began
    /// it has not seen.
    async fn resumed(&self, call: &Call, step: &Step, facts: &Facts) -> Result<bool, TargetError> {
        if self.has_changed(&call.sync) {
            return Ok(false);
        }
        let run = self.properties(call, facts, None).await?.bytes("InvocationID");
        let before = step.fingerprint.as_ref().and_then(|before| before.0.strip_prefix("invocation:"));
        // Without the evidence: who runs in it, and was not told of it in this life, was so in the last.
        Ok(before.map_or_else(|| itself(&facts.id), |before| before != run))
    }

    /// Has systemd read its unit files again.
    pub(in crate::target::host) async fn daemon_reload(&self, call: &Call) -> Result<Done, TargetError> {
        if let Some(why) = self.nobody() {
            tracing::info!("unit files are not read again: {why}");
            return Ok(Done { output: Some(format!("not needed: {why}")), ..Done::default() });
        }
        self.bus
            .ask(call, "reload systemd", |bus| async move { ManagerProxy::new(&bus).await?.reload().await })
            .await?;
        Ok(Done::default())
    }

    async fn there(&self, call: &Call, name: &str) -> Result<Facts, TargetError> {
        if let Some(why) = self.nobody() {
            let reason = format!("could not act on {name}: {why}");
            return Err(TargetError::Denied { code: "host.no-systemd".into(), reason });
        }
        let facts = self.fact(call, name).await?;
        if facts.missing() {
            let reason = format!("systemd knows no unit {name}");
            return Err(TargetError::Invalid { code: "host.unit-missing".into(), reason });
        }
        Ok(facts)
    }

    /// Makes systemd forget that a unit failed, or failed too often.
    async fn forgive(&self, call: &Call, name: &str) -> Result<(), TargetError> {
        let name = name.to_owned();
        self.bus
            .ask(call, "reset a failed unit", |bus| async move {
                ManagerProxy::new(&bus).await?.reset_failed_unit(name).await
            })
            .await
    }

    async fn change(&self, call: &Call, name: &str, change: Change) -> Result<(), TargetError> {
        let files = vec![name.to_owned()];
        let changed = self.bus.ask(call, "change unit files", |bus| async move {
            let manager = ManagerProxy::new(&bus).await?;
            let done = match change {
                Change::Enable => manager.enable_unit_files(files, false, false).await.map(|(installs, _)| installs),
                Change::Disable => manager.disable_unit_files(files, false).await.map(|_| true),
                Change::Mask => manager.mask_unit_files(files, false, false).await.map(|_| true),
                Change::Unmask => manager.unmask_unit_files(files, false).await.map(|_| true),
            };
            match done {
                Err(zbus::Error::MethodError(_, said, _)) => Ok(Err(said.unwrap_or_default())),
                Err(zbus::Error::FDO(error)) => Ok(Err(error.to_string())),
                Ok(installs) => {
                    // What systemctl does as well: links are read at a reload only.
                    manager.reload().await?;
                    Ok(Ok(installs))
                }
                Err(error) => Err(error),
            }
        });
        let invalid = |code: &'static str, reason: String| Err(TargetError::Invalid { code: code.into(), reason });
        match changed.await? {
            Err(said) => {
                let verb = format!("{change:?}").to_lowercase();
                invalid("host.unit-refused", format!("systemd does not {verb} {name}: {}", quoted(&said)))
            }
            Ok(false) => {
                invalid("host.unit-static", format!("{name} has no [Install] section, so that it cannot be enabled"))
            }
            Ok(true) => Ok(()),
        }
    }
}

/// Returns the digest of what a check or handler of systemd's own would do.
pub(in crate::target::host) fn digest(spec: &crate::model::host::HostSpec) -> Digest {
    Digest::of_json("trueup/host/systemd/v1", spec)
}
