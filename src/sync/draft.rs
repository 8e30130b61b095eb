use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Refusal;
use super::candidate::Candidate;
use super::subject::{Ring, Subject};
use crate::config::Drift;
use crate::model::{
    Action, After, Complete, Decision, Desired, Digest, Guard, Inventory, Live, Name, ObjectId, Outcome, Previews,
    Revision, Spec, SyncId, Verdict, Walk, host,
};
use crate::plan::{self, Planned};
use crate::policy::{self, Facts};
use crate::source::{Relation, SourceError};
use crate::store::{self, Applied};

/// Why a plan is made.
#[derive(Clone)]
pub enum Purpose {
    /// To what the followed ref says.
    Forward(Candidate),
    /// To what was last applied, while the newest revision is not.
    Keep,
    /// Back to last good, after this sync failed with these objects created.
    RollBack { of: SyncId, created: BTreeSet<ObjectId> },
}

impl Purpose {
    const fn created(&self) -> Option<&BTreeSet<ObjectId>> {
        match self {
            Self::RollBack { created, .. } => Some(created),
            Self::Forward(_) | Self::Keep => None,
        }
    }

    /// Returns what the store keeps of it.
    pub(super) fn stored(&self) -> store::Purpose {
        match self {
            Self::Forward(candidate) => store::Purpose::Forward {
                revision: candidate.revision.clone(),
                reference: candidate.reference.clone(),
                url: candidate.url.clone(),
            },
            Self::Keep => store::Purpose::Keep,
            Self::RollBack { of, .. } => store::Purpose::RollBack { of: of.clone() },
        }
    }
}

/// A plan, judged, with what it was made from.
pub struct Draft {
    pub purpose: Purpose,
    pub desired: Arc<Desired>,
    pub previews: Previews,
    pub planned: Planned,
    pub verdict: Verdict,
    /// Where objects go that leave this application.
    pub handed: BTreeMap<ObjectId, Name>,
}

impl Subject {
    /// Previews, plans and judges.
    pub async fn draft(
        &self,
        purpose: Purpose,
        desired: Arc<Desired>,
        inputs: Digest,
        ring: &Ring,
    ) -> Result<Draft, Refusal> {
        let desired = with_owed(desired, &self.memory.owed);
        let complete = objects(&desired)?;
        let sync = store::new_sync_id().map_err(|error| Refusal::store(&error))?;
        let call = self.call(sync, &ring.actor);
        let previews = self.target.preview(&call, &desired, &self.memory.inventory).await;
        let previews = previews.map_err(|error| Refusal::target(&error))?;
        let (handed, blind) = self.handed(&previews).await;
        let planned = plan::plan(&plan::Inputs {
            application: &self.name,
            target: &self.target_name,
            inputs,
            desired: complete,
            owned: &self.memory.inventory,
            previews: &previews,
            owed: &self.memory.owed.keys().cloned().collect(),
            held: &self.held(complete).await?,
            handed: &handed,
            prune: self.policy.prune,
            no_deletes: blind.as_deref(),
            only_delete: purpose.created(),
            report_drift: self.policy.drift == Drift::Report,
        });
        let facts = self.facts(&purpose, complete, &planned).await?;
        let verdict = self.judge(&planned, facts, ring).await?;
        Ok(Draft { purpose, desired, previews, planned, verdict, handed })
    }

    /// Returns which objects leave for another application; or why that cannot be told.
    async fn handed(&self, previews: &Previews) -> (BTreeMap<ObjectId, Name>, Option<String>) {
        let gone = |preview: &&crate::model::Preview| matches!(preview.after, After::Absent);
        let leaving: Vec<_> = previews.items.iter().filter(gone).map(|preview| preview.id.clone()).collect();
        if leaving.is_empty() {
            return (BTreeMap::new(), None);
        }
        match self.neighbours.desire(&leaving, &self.target_name, &self.name).await {
            Ok(handed) => (handed, None),
            Err(name) => (BTreeMap::new(), Some(format!("application {name} cannot be rendered"))),
        }
    }

    /// Returns which desired objects another application holds. Asks the store only about what is not ours.
    async fn held(&self, complete: &Complete) -> Result<BTreeMap<ObjectId, Name>, Refusal> {
        let mut owned = Walk::new(&self.memory.inventory.objects);
        let mut ours = |id: &ObjectId| owned.find(id).is_some() || host::is_run(id);
        let new: Vec<_> = complete.objects.keys().filter(|id| !ours(id)).cloned().collect();
        if new.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut held = self.store.holders(&self.target_name, &new).await.map_err(|error| Refusal::store(&error))?;
        held.retain(|_, holder| *holder != self.name);
        Ok(held)
    }

    async fn facts(&self, purpose: &Purpose, complete: &Complete, planned: &Planned) -> Result<Facts, Refusal> {
        let mut facts = Facts {
            rendered: complete.objects.keys().filter(|id| !host::is_run(id)).count(),
            owned: self.memory.inventory.objects.len(),
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

    async fn judge(&self, planned: &Planned, mut facts: Facts, ring: &Ring) -> Result<Verdict, Refusal> {
        let verdict = policy::judge(&planned.plan, &facts);
        if verdict.decision == Decision::Go {
            return Ok(verdict);
        }
        let passed_by_adopt = |guard| {
            matches!(guard, Guard::Adoption | Guard::Manual | Guard::MissingWitness | Guard::Claim | Guard::Unknown)
        };
        let adopts = ring.adopt && verdict.findings.iter().all(|finding| passed_by_adopt(finding.guard));
        let now = self.clock.now();
        let approval = self.store.approval(&planned.plan.id, now).await.map_err(|error| Refusal::store(&error))?;
        facts.approved = adopts || approval.is_some();
        Ok(policy::judge(&planned.plan, &facts))
    }
}

fn objects(desired: &Desired) -> Result<&Complete, Refusal> {
    match desired {
        Desired::Objects(complete) => Ok(complete),
        Desired::Opaque { .. } => {
            Err(Refusal::new(Outcome::Refused, "render.opaque", "this target names its objects itself"))
        }
    }
}

fn follows_same(applied: &Applied, candidate: &Candidate) -> bool {
    applied.reference == candidate.reference && applied.url == candidate.url
}

/// Adds the handlers that an earlier plan owes and this revision may no longer name.
fn with_owed(desired: Arc<Desired>, owed: &BTreeMap<ObjectId, Spec>) -> Arc<Desired> {
    match desired.as_ref() {
        Desired::Objects(complete) if owed.keys().any(|id| !complete.objects.contains_key(id)) => {
            let mut complete = complete.clone();
            for (id, spec) in owed {
                complete.objects.entry(id.clone()).or_insert_with(|| spec.clone());
            }
            Arc::new(Desired::Objects(complete))
        }
        _ => desired,
    }
}

/// What an adoption found on the target.
pub struct Found {
    pub id: ObjectId,
    pub spec: Spec,
    pub content: Option<Arc<[u8]>>,
}

impl Draft {
    pub fn complete(&self) -> Result<&Complete, Refusal> {
        objects(&self.desired)
    }

    /// Returns what would have to be desired to get back what the plan's adoptions found.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        let adopted: BTreeSet<_> =
            self.planned.plan.steps.iter().filter(|step| step.action == Action::Adopt).map(|step| &step.id).collect();
        let found = self.previews.items.iter().filter(|preview| adopted.contains(&preview.id));
        found
            .filter_map(|preview| match &preview.live {
                Live::Known(state) => {
                    let (spec, content) = (state.spec.clone()?, state.content.clone());
                    Some(Found { id: preview.id.clone(), spec, content })
                }
                Live::Absent | Live::Unknown(_) => None,
            })
            .collect()
    }

    /// Returns the objects whose fingerprint moved though nothing else did.
    #[must_use]
    pub fn moved_fingerprints(&self, inventory: &Inventory) -> Vec<(ObjectId, crate::model::Fingerprint)> {
        let same = self.previews.items.iter().filter(|preview| matches!(preview.after, After::Same));
        let mut ours = Walk::new(&inventory.objects);
        same.filter_map(|preview| {
            let Live::Known(state) = &preview.live else { return None };
            let owned = ours.find(&preview.id)?;
            let moved = owned.left.state == state.digest && owned.left.fingerprint != state.fingerprint;
            moved.then(|| (preview.id.clone(), state.fingerprint.clone()))
        })
        .collect()
    }
}
