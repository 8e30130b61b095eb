use super::draft::Purpose;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::model::view::SyncReport;
use crate::model::{Decision, Outcome};
use crate::store::BadInputs;

impl Subject {
    /// Takes a failed sync back: an ordinary corrective plan to last good.
    pub(super) async fn roll_back(&mut self, bad: &BadInputs, ring: &Ring) -> Result<SyncReport, Refusal> {
        let (inputs, desired) = match self.memory.state.good.clone() {
            Some(good) => (good.inputs, self.kept(good.desired).await?),
            None => self.nothing(),
        };
        let purpose = Purpose::RollBack { of: bad.sync.clone(), created: bad.created.clone() };
        let draft = self.draft(purpose, desired, inputs, ring).await?;
        if draft.verdict.decision == Decision::Hold {
            let held = self.hold(&draft, ring).await?;
            let message = format!("{}; taking it back is held: {}", bad.reason, held.message.unwrap_or_default());
            return Ok(SyncReport { outcome: Outcome::Held, message: Some(message), ..held });
        }
        // Boxed: taking back is a run within a run, though never deeper than that.
        Box::pin(self.run(draft, ring)).await
    }
}
