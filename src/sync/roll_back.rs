use std::collections::BTreeSet;

use super::draft::Purpose;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::config::OnFailure;
use crate::execute::{Carried, End};
use crate::model::view::SyncReport;
use crate::model::{Action, Decision, Desired, ObjectId, Outcome};
use crate::store::{ApplicationState, Open, Revert};

impl Subject {
    /// Returns the way back that a failed sync owes: a crash may come before it was begun, and it may fail itself.
    pub(super) fn owed_back(&self) -> Option<Purpose> {
        let bad = self.memory.state.bad_inputs.as_ref()?;
        Some(Purpose::RollBack { of: bad.sync.clone(), created: bad.created.clone()? })
    }

    /// Goes back to last good by an ordinary corrective plan.
    pub(super) async fn roll_back(
        &mut self,
        owed: Purpose,
        ring: &Ring,
        mut report: SyncReport,
    ) -> Result<SyncReport, Refusal> {
        let (inputs, desired) = match self.memory.state.good.clone() {
            Some(good) => (good.inputs, self.kept(good.desired).await?),
            None => self.nothing(),
        };
        let draft = self.draft(owed, desired, inputs, ring).await?;
        if draft.verdict().decision == Decision::Hold {
            let offered = self.store.held_plan(&self.name).await.map_err(|error| Refusal::store(&error))?;
            if offered.is_some_and(|offered| offered.prepared.plan.id == draft.planned.plan.id) {
                report.plan = Some(draft.planned.plan.id);
                return Ok(report);
            }
            let held = self.hold(&draft, ring).await?;
            report.message = Some(format!("{}; going back is held", report.message.unwrap_or_default()));
            report.plan = held.plan;
            return Ok(report);
        }
        // Boxed: a roll-back is a run within a run, though never deeper than that.
        let back = Box::pin(self.run(draft, ring)).await?;
        if matches!(back.outcome, Outcome::RolledBack | Outcome::Failed | Outcome::Stopped) {
            report.outcome = back.outcome;
        }
        report.steps.extend(back.steps);
        Ok(report)
    }

    /// Returns the commit that a sync owes that failed and is taken back, where the application asks for it.
    pub(super) fn owed_revert(&self, state: &ApplicationState) -> Option<Revert> {
        let before = state.revert.clone();
        let Some(bad) = state.bad_inputs.as_ref().filter(|_| self.policy.on_failure == OnFailure::Revert) else {
            return before;
        };
        // It waits for people already, or for the next look at Git.
        if before.as_ref().is_some_and(|before| before.inputs == bad.inputs && before.is_out()) {
            return before;
        }
        let good = state.good.as_ref().and_then(|good| good.revision.clone());
        let owed = Revert::owed(bad, good, self.clock.now());
        // The same once more: what was made already, and may be on its way, is found by it.
        Some(match before.filter(|before| before.inputs == bad.inputs && before.is_pending()) {
            Some(Revert { since, made, beside, stage, .. }) => Revert { since, made, beside, stage, ..owed },
            None => owed,
        })
    }

    /// Returns the handler that ran and failed, where last good, to which the application returns, does not name it: it had its
    /// run, and owed on, it would fail the way back as well. What did not run stays owed.
    pub(super) async fn void(
        &mut self,
        failed: &Open,
        carried: &Carried,
        state: &ApplicationState,
    ) -> Result<BTreeSet<ObjectId>, Refusal> {
        let End::Failed(number, _) = carried.end else { return Ok(BTreeSet::new()) };
        let step = failed.prepared.plan.steps.get(number).filter(|step| step.action == Action::Run);
        let marked = state.bad_inputs.as_ref().is_some_and(|bad| bad.sync == failed.sync);
        let Some(step) = step.filter(|_| marked) else { return Ok(BTreeSet::new()) };
        let good = match &state.good {
            Some(good) => self.kept(good.desired).await?,
            None => self.nothing().1,
        };
        let Desired::Objects(good) = good.as_ref() else { return Ok(BTreeSet::new()) };
        let named = good.objects.contains_key(&step.id);
        Ok((!named).then(|| step.id.clone()).into_iter().collect())
    }
}
