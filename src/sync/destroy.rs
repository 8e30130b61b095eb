//! The end of an application that is declared no more: a plan like any other, and the last one.

use tokio::time::Instant;

use super::draft::{Draft, Purpose};
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use super::view::shown;
use crate::model::view::{PlanView, SyncReport};
use crate::model::{Decision, Outcome};
use crate::store;

/// Takes away what was made for an application that is declared no more: what it created or adopted, and what is still as it
/// was left, is deleted; the rest is let go of. Waits for an approval of exactly that plan. Once it is carried out, nothing is
/// remembered of the application but its records and what `trueup restore` brings back.
///
/// An execution that is open is taken up first: it is known only then what there is to take away.
pub async fn destroy(subject: &mut Subject, ring: &Ring) -> SyncReport {
    let began = Instant::now();
    let mut report = subject.destroy(ring).await;
    report.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

/// Returns what [`destroy`] would do now. Changes nothing, and is never executed.
///
/// # Errors
/// When there is no plan: the target or the store does not allow one.
pub async fn preview_destroy(subject: &mut Subject) -> Result<PlanView, Refusal> {
    let draft = subject.destruction(&Ring::daemon("plan")).await?;
    let revision = subject.memory.state.applied.as_ref().map(|applied| applied.revision.clone());
    shown(draft, revision, None).await
}

impl Subject {
    async fn destroy(&mut self, ring: &Ring) -> SyncReport {
        if let Some(open) = self.memory.open.clone() {
            let ends = open.prepared.purpose == store::Purpose::Destroy;
            let resumed = self.resume(open).await;
            if ends || self.memory.open.is_some() {
                return resumed;
            }
        }
        match self.take_away(ring).await {
            Ok(report) => report,
            Err(refusal) if refusal.outcome == Outcome::Stopped => {
                self.report(refusal.outcome).because(&refusal.code, &refusal.message)
            }
            Err(refusal) => self.refuse(ring, &refusal).await,
        }
    }

    async fn take_away(&mut self, ring: &Ring) -> Result<SyncReport, Refusal> {
        let draft = self.destruction(ring).await?;
        if draft.verdict().decision == Decision::Hold {
            return self.hold(&draft, ring).await;
        }
        // What cannot be examined now may be another time.
        if draft.planned.plan.steps.is_empty() && !draft.verdict().findings.is_empty() {
            return self.left_out(&draft, ring).await;
        }
        self.run(draft, ring).await
    }

    async fn destruction(&mut self, ring: &Ring) -> Result<Draft, Refusal> {
        self.refresh().await.map_err(|error| Refusal::store(&error))?;
        let (inputs, desired) = self.nothing();
        self.draft(Purpose::Destroy, desired, inputs, ring).await
    }
}
