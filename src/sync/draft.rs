use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::candidate::{Candidate, Holds};
use super::facts::Judged;
use super::inherited::{Claims, Inherited};
use super::subject::{PATIENCE, Ring, Subject};
use super::{Refusal, Room, fights};
use crate::config::Drift;
use crate::model::{
    Action, After, Complete, Desired, Digest, Inventory, Live, Name, ObjectId, Outcome, Previews, Spec, SyncId,
    Verdict, Walk,
};
use crate::plan::{self, Planned, Seen};
use crate::store;

/// Why a plan is made.
#[derive(Clone)]
pub enum Purpose {
    /// To what the followed ref says.
    Forward(Candidate),
    /// To what was last applied, as this version of trueup sees it and another one did not.
    Upgrade(Candidate),
    /// To what was last applied, while the newest revision is not.
    Keep,
    /// Back to last good, after this sync failed with these objects created.
    RollBack { of: SyncId, created: BTreeSet<ObjectId> },
    /// Away with what was made for an application that is declared no more.
    Destroy,
}

impl Purpose {
    const fn created(&self) -> Option<&BTreeSet<ObjectId>> {
        match self {
            Self::RollBack { created, .. } => Some(created),
            Self::Forward(_) | Self::Upgrade(_) | Self::Keep | Self::Destroy => None,
        }
    }

    /// Returns what the store keeps of it.
    pub(super) fn stored(&self) -> store::Purpose {
        match self {
            Self::Forward(candidate) | Self::Upgrade(candidate) => store::Purpose::Forward {
                revision: candidate.revision.clone(),
                reference: candidate.reference.clone(),
                url: candidate.url.clone(),
                signer: candidate.signer.as_ref().map(ToString::to_string),
            },
            Self::Keep => store::Purpose::Keep,
            Self::RollBack { of, .. } => store::Purpose::RollBack { of: of.clone() },
            Self::Destroy => store::Purpose::Destroy,
        }
    }
}

/// A plan, judged, with what it was made from.
pub struct Draft {
    pub purpose: Purpose,
    pub desired: Arc<Desired>,
    pub previews: Previews,
    pub planned: Planned,
    /// What others made of the objects.
    pub seen: Seen,
    /// It is this plan that tells of what is left as it is.
    pub watches: bool,
    pub(super) judged: Judged,
    /// Where objects go that leave this application.
    pub handed: BTreeMap<ObjectId, Name>,
    /// What comes from applications that are declared no more.
    pub inherited: Inherited,
    /// Handlers that are owed, and that nothing desired names any more.
    pub unnamed: Vec<ObjectId>,
}

impl Subject {
    /// Previews, plans and judges.
    pub async fn draft(
        &mut self,
        purpose: Purpose,
        desired: Arc<Desired>,
        inputs: Digest,
        ring: &Ring,
    ) -> Result<Draft, Refusal> {
        let named = objects(&desired)?;
        if let Some(within) = &self.origin.within {
            within.check(named)?;
        }
        let called = self.owed();
        let unnamed = called.keys().filter(|id| !named.objects.contains_key(*id)).cloned().collect();
        let desired = with_owed(desired, &called);
        let complete = objects(&desired)?;
        let sync = store::new_sync_id().map_err(|error| Refusal::store(&error))?;
        let call = self.call(sync, &ring.actor);
        let Claims { held, inherited } = self.claims(complete).await?;
        let mut owned = Cow::Borrowed(&self.memory.inventory);
        if !inherited.owned.objects.is_empty() {
            owned.to_mut().objects.extend(inherited.owned.objects.clone());
        }
        self.progress.waits("the target's preview", PATIENCE);
        let inside = self.course.enter(Room::Preview);
        let previews = self.target.preview(&call, &desired, &owned).await;
        inside.leave(&previews);
        let previews = previews.map_err(|error| Refusal::target(&error))?;
        let inside = self.course.enter(Room::Plan);
        let (handed, blind) = self.handed(&previews).await;
        let beyond = self.origin.within.as_ref().map(|within| within.beyond(&previews)).unwrap_or_default();
        let mut glasses = self.glasses.in_force(&self.name, self.clock.now(), &self.clock.boot());
        // What judges is put in force whole, or not at all.
        glasses.retain(|glass| glass.live_edit.is_empty() || !matches!(self.origin.holds, Holds::Declarations(_)));
        let left_alone = match purpose {
            Purpose::Keep => self.left_alone(&previews, complete, &owned),
            Purpose::Forward(_) | Purpose::Upgrade(_) | Purpose::RollBack { .. } | Purpose::Destroy => BTreeSet::new(),
        };
        let planned = plan::plan(&plan::Inputs {
            application: &self.name,
            target: &self.target_name,
            inputs,
            desired: complete,
            owned: &owned,
            previews: &previews,
            owed: &called.into_keys().collect(),
            held: &held,
            handed: &handed,
            // What was last applied has nothing to delete: what is there beside it, a failed sync or an adoption left.
            prune: matches!(purpose, Purpose::Destroy) || self.policy.prune && !matches!(purpose, Purpose::Keep),
            no_deletes: blind.as_deref(),
            only_delete: purpose.created(),
            beyond: &beyond,
            ends: matches!(purpose, Purpose::Destroy),
            report_drift: self.policy.drift == Drift::Report && !matches!(purpose, Purpose::RollBack { .. }),
            left_alone: &left_alone,
            glasses: &glasses,
        });
        let mut facts = self.facts(&purpose, complete, &planned).await?;
        facts.owned = owned.objects.len();
        facts.upgrade = self.upgrade(&purpose, &planned, (&previews, &owned), complete);
        if !matches!(purpose, Purpose::RollBack { .. }) {
            facts.fights = fights::fights(&self.memory.state.heals, &previews);
        }
        drop(inside);
        let inside = self.course.enter(Room::Policy);
        let judged = self.judge(&purpose, &planned, facts).await;
        inside.leave(&judged);
        let judged = judged?;
        // What a failed sync changed was changed by us.
        let seen = match purpose {
            Purpose::RollBack { .. } => Seen::default(),
            _ => plan::observed(&planned, &previews, &owned),
        };
        Ok(Draft {
            watches: matches!(purpose, Purpose::Forward(_) | Purpose::Upgrade(_)),
            purpose,
            desired,
            previews,
            planned,
            seen,
            judged,
            handed,
            inherited,
            unnamed,
        })
    }

    /// Returns the handlers that are owed. What the machine has taken out of reach of Git does not run, though it was called before.
    fn owed(&self) -> BTreeMap<ObjectId, Spec> {
        let within = |id: &ObjectId, spec: &Spec| {
            self.origin.within.as_ref().is_none_or(|within| within.refuses(id, spec).is_none())
        };
        self.memory
            .owed
            .iter()
            .filter(|(id, spec)| within(id, spec))
            .map(|(id, spec)| (id.clone(), spec.clone()))
            .collect()
    }

    /// Returns the drift that is not put right while another plan, which waits for a person, is about it.
    fn left_alone(&self, previews: &Previews, complete: &Complete, owned: &Inventory) -> BTreeSet<ObjectId> {
        let mut left_alone = self.unmoved(previews, complete, owned);
        left_alone.extend(fights::fights(&self.memory.state.heals, previews).into_keys());
        left_alone
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
}

pub(super) fn objects(desired: &Desired) -> Result<&Complete, Refusal> {
    match desired {
        Desired::Objects(complete) => Ok(complete),
        Desired::Opaque { .. } => {
            Err(Refusal::new(Outcome::Refused, "render.opaque", "this target names its objects itself"))
        }
    }
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
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.judged.verdict
    }

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

    /// Returns what decides whether what is left as it is was recorded before: each state of it is, once.
    pub(super) fn spared(&self) -> Option<Digest> {
        let states: Vec<_> = self.seen.spared.iter().map(|seen| (&seen.object, seen.now)).collect();
        (!states.is_empty()).then(|| Digest::of_json("trueup/seen/v1", &states))
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
