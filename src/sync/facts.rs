//! What the guards may know of a plan, and what they say of it.

use super::Refusal;
use super::candidate::Candidate;
use super::draft::Purpose;
use super::subject::Subject;
use crate::model::{Complete, Decision, Revision, Verdict, host};
use crate::plan::Planned;
use crate::policy::{self, Facts};
use crate::source::{Relation, SourceError};
use crate::store::Applied;

impl Subject {
    pub(super) async fn facts(
        &self,
        purpose: &Purpose,
        complete: &Complete,
        planned: &Planned,
    ) -> Result<Facts, Refusal> {
        let mut facts = Facts {
            rendered: complete.objects.keys().filter(|id| !host::is_run(id)).count(),
            automatic: self.policy.automatic,
            protected: planned.protected.clone(),
            left_out: planned.left_out.clone(),
            ..Facts::default()
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
            // What a failed sync changed was changed by us: taking it back is no drift, and waits for nobody.
            Purpose::RollBack { created, .. } => {
                facts.automatic = true;
                facts.takes_back = true;
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

    pub(super) async fn judge(&self, planned: &Planned, mut facts: Facts) -> Result<Verdict, Refusal> {
        let verdict = policy::judge(&planned.plan, &facts);
        if verdict.decision == Decision::Go {
            return Ok(verdict);
        }
        let now = self.clock.now();
        let approval = self.store.approval(&planned.plan.id, now).await.map_err(|error| Refusal::store(&error))?;
        facts.approved = approval.is_some();
        Ok(policy::judge(&planned.plan, &facts))
    }
}

fn follows_same(applied: &Applied, candidate: &Candidate) -> bool {
    applied.reference == candidate.reference && applied.url == candidate.url
}
