//! A plan that waits for a person: offered as it would run now, told once.

use super::draft::Draft;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use super::tell::Tale;
use crate::audit::{Body, PlannedBody, StepSummary};
use crate::model::view::SyncReport;
use crate::model::{Cause, Digest, Guard, Outcome, PlanId};
use crate::store::{Held, encode_desired};

impl Subject {
    /// Offers a plan to people.
    pub(super) async fn hold(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let plan = &draft.planned.plan;
        let purpose = draft.purpose.stored();
        let (revision, signer) = (purpose.revision().cloned(), purpose.signer());
        let mut report = self.reasoned(Outcome::Held, draft);
        // What a person said no to is not offered again.
        let rejected = draft.verdict().findings.iter().any(|finding| finding.guard == Guard::Rejected);
        report.plan = Some(plan.id).filter(|_| !rejected);
        report.revision = revision.clone().or(report.revision);
        let told = offered(draft);
        let news = self.memory.state.told != Some(told);
        let seen = self.seen(draft);
        // Of a fight the next blow is no news, but what is offered is what would be done about it.
        if !news && seen == self.memory.state.seen && (!fought(draft) || self.offers(plan.id).await?) {
            self.memory.count_quiet(self.clock.now());
            return Ok(report);
        }
        let desired = Digest::of(&encode_desired(&draft.complete()?.objects));
        let held = Held { created: self.clock.now(), prepared: draft.prepared(desired)? };
        let mut entries: Vec<_> =
            self.changes(draft, news).map(|body| self.entry(&ring.actor, revision.clone(), body)).into_iter().collect();
        if news {
            let planned = PlannedBody { verdict: draft.verdict().clone(), signer, steps: StepSummary::of(plan) };
            entries.push(self.entry(&ring.actor, revision.clone(), Body::Planned(planned)));
            entries.push(self.closed(&ring.actor, revision, &report));
        }
        for entry in &mut entries {
            entry.plan = Some(plan.id);
        }
        self.tell(Tale { told: Some(told), seen, entries, held: Some(held).filter(|_| !rejected) })
            .await
            .map_err(|error| Refusal::store(&error))?;
        if !news {
            self.memory.count_quiet(self.clock.now());
        }
        Ok(report)
    }

    /// Whether this is the plan that people are offered.
    async fn offers(&self, plan: PlanId) -> Result<bool, Refusal> {
        let offered = self.store.held_plan(&self.name).await.map_err(|error| Refusal::store(&error))?;
        Ok(offered.is_some_and(|offered| offered.prepared.plan.id == plan))
    }
}

/// Returns what decides whether a hold was told before: the plan and what is said of it. What is fought over is another thing with
/// each blow and is one fight, and what else drifts meanwhile is put right by another plan.
fn offered(draft: &Draft) -> Digest {
    let plan = &draft.planned.plan;
    if !fought(draft) {
        return Digest::of_json("trueup/told/v1", &(Outcome::Held, plan.id, draft.verdict()));
    }
    let wanted = plan.steps.iter().filter(|step| step.cause == Cause::Intentional);
    let wanted: Vec<_> = wanted.map(|step| (&step.id, step.action, step.before, step.after)).collect();
    Digest::of_json("trueup/told/v1", &(Outcome::Held, plan.inputs, wanted, draft.verdict()))
}

fn fought(draft: &Draft) -> bool {
    draft.verdict().findings.iter().any(|finding| finding.guard == Guard::Fight && finding.holds())
}
