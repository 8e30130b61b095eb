//! What the guards may know of a plan, and what they say of it.

use super::Refusal;
use super::candidate::Candidate;
use super::draft::Purpose;
use super::subject::Subject;
use crate::model::{Action, Complete, Revision, Verdict, host};
use crate::plan::Planned;
use crate::policy::{self, Facts};
use crate::source::{Relation, SourceError};
use crate::store::{Applied, Approval, LONGEST_BUDGET, StoreError};

/// A verdict, and what carrying out the plan will use up.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// The approvals that let it through.
    pub(super) approvals: Vec<Approval>,
    /// How many objects it deletes though nobody said so.
    pub(super) deletes: u64,
}

impl Subject {
    pub(super) async fn facts(
        &self,
        purpose: &Purpose,
        complete: &Complete,
        planned: &Planned,
    ) -> Result<Facts, Refusal> {
        let repository = self.origin.application.source.repository.clone();
        let mut facts = Facts {
            rendered: complete.objects.keys().filter(|id| !host::is_run(id)).count(),
            automatic: self.policy.automatic,
            protected: planned.protected.clone(),
            left_out: planned.left_out.clone(),
            labels: self.labels.clone(),
            ..Facts::of(self.name.clone(), self.target_name.clone(), repository, self.clock.now())
        };
        match purpose {
            Purpose::Forward(candidate) => {
                facts.missing_paths.clone_from(&candidate.missing);
                facts.drift = Some(self.policy.drift);
                if !planned.plan.steps.is_empty() {
                    facts.relation = self.relation(candidate).await.map_err(|error| Refusal::source(&error))?;
                }
            }
            Purpose::Keep => facts.drift = Some(self.policy.drift),
            Purpose::Destroy => facts.destroys = true,
            // What a failed sync changed was changed by us: taking it back is no drift, and waits for nobody.
            Purpose::RollBack { created, .. } => {
                facts.takes_back = true;
                facts.automatic = true;
                facts.uncounted.clone_from(created);
            }
        }
        Ok(facts)
    }

    /// Returns how the candidate stands to what was last applied; `None` where the ref, the pin or the URL was changed in the
    /// configuration, which is a person's word and no rewind.
    async fn relation(&self, candidate: &Candidate) -> Result<Option<Relation>, SourceError> {
        let Some(applied) = &self.memory.state.applied else { return Ok(None) };
        if !follows_same(applied, candidate) {
            return Ok(None);
        }
        let (from, to): (&Revision, &Revision) = (&applied.revision, &candidate.revision);
        self.origin.source.source().relation(from, to).await.map(Some)
    }

    pub(super) async fn judge(&self, planned: &Planned, mut facts: Facts) -> Result<Judged, Refusal> {
        // A plan without a step is not asked about: a steady round asks the store nothing.
        if !planned.plan.steps.is_empty() {
            self.people(planned, &mut facts).await.map_err(|error| Refusal::store(&error))?;
        }
        let verdict = policy::judge(&planned.plan, &facts);
        let attended = verdict.findings.iter().any(|finding| finding.passed && finding.forced_by.is_none());
        let approvals = if attended { facts.approvals } else { vec![] };
        let deletes = if attended || facts.takes_back { 0 } else { planned.plan.count(Action::Delete) as u64 };
        Ok(Judged { verdict, approvals, deletes })
    }

    /// Adds what people said, and what the rest of the daemon does.
    async fn people(&self, planned: &Planned, facts: &mut Facts) -> Result<(), StoreError> {
        facts.approvals = self.store.approvals(&planned.plan.id, facts.now).await?;
        facts.rejection = self.store.rejection(&planned.plan.id).await?;
        facts.spent = self.store.spent(facts.now.plus_seconds(-LONGEST_BUDGET)).await?;
        facts.break_glass = self.glasses.in_force(&self.name, facts.now, &self.clock.boot());
        Ok(())
    }
}

fn follows_same(applied: &Applied, candidate: &Candidate) -> bool {
    applied.reference == candidate.reference && applied.url == candidate.url
}
