use super::draft::Purpose;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::model::view::SyncReport;
use crate::model::{Decision, Outcome};

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
        if draft.verdict.decision == Decision::Hold {
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
}
