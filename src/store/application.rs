use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Revert;
use crate::model::{Actor, Digest, Name, ObjectId, PlanId, Revision, SyncId, Time, pairs};

/// What is remembered of one application between syncs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationState {
    /// The revision whose plan was last carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The last sync that closed with every step done and healthy: what a failed one goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good: Option<Good>,
    /// What was good before that, as long as it differs: what a person can go back to while Git cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Good>,
    /// A person asked to go back to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_back: Option<AskedBack>,
    /// Inputs that failed half-way; not tried again until they change or a person says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_inputs: Option<BadInputs>,
    /// Inputs that failed before, oldest first, though something else went live since: where Git comes back to them, they are not
    /// tried again by themselves either.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marked: Vec<BadInputs>,
    /// The commit that takes out of Git what failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revert: Option<Revert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspended>,
    /// The revision that was last come across, and when: how long it has been known is no word of its author's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
    /// Digest of what was last told about a hold, refusal, failure or observation, so that it is told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Digest>,
    /// Digest of the drift that was last recorded and left as it is, so that each state of it is recorded once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Digest>,
    /// Objects that were put right lately, or so often that it is a fight.
    #[serde(with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub heals: BTreeMap<ObjectId, Heals>,
    /// The last revision that changed policies or people: only one that descends from it changes them again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// What was left out of what was applied, and is still to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// How it was declared last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Definition>,
}

/// How often an object was put right, each time shortly after the time before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heals {
    pub count: u32,
    pub last: Time,
}

/// Objects that were left as they are while the rest of a revision was applied: what Git wants of them is as new as it was, for
/// whoever asks by which commits it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What was applied before the first of them was left out; nothing, at first contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Revision>,
    pub objects: BTreeSet<ObjectId>,
}

/// A revision that what judges was taken from, and where it lay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub revision: Revision,
    pub reference: String,
    pub url: String,
}

/// What must be known of an application once it is declared no more: by which rules its end is judged, and where its files lay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub labels: BTreeMap<String, String>,
    pub repository: Name,
    /// Its paths in the repository, lowest first.
    pub layers: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub revision: Revision,
    pub inputs: Digest,
    /// Plain digest of the stored [`crate::model::Desired`] in the content store.
    pub desired: Digest,
    /// The ref and the repository that were followed then: another one now is a change of configuration, not a rewind.
    pub reference: String,
    pub url: String,
    /// The version of trueup that planned it, or has shown since that it would plan nothing else; empty where that was not
    /// written down yet.
    #[serde(default)]
    pub version: String,
}

/// What a failed sync goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// `None` before the first sync that closed well: then it is what adoption found on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    pub inputs: Digest,
    /// Plain digest of the stored [`crate::model::Desired`] in the content store.
    pub desired: Digest,
}

/// A person's word to go back to an earlier state, for as long as that is neither done nor refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedBack {
    pub by: Actor,
    pub to: Good,
    /// When: it does not wait for ever.
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadInputs {
    pub inputs: Digest,
    pub revision: Revision,
    pub reason: String,
    /// The sync that failed.
    pub sync: SyncId,
    /// What it created, for as long as it is not taken back: the way back to last good is owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<BTreeSet<ObjectId>>,
    /// The plan that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// The commit that took it out of Git: because of these inputs there is no other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverted: Option<Revision>,
}

/// So many inputs that failed are remembered beside the last ones.
const MOST_MARKED: usize = 32;

impl ApplicationState {
    /// Returns what is known of inputs that failed.
    #[must_use]
    pub fn mark(&self, inputs: &Digest) -> Option<&BadInputs> {
        self.bad_inputs.iter().chain(&self.marked).find(|bad| bad.inputs == *inputs)
    }

    /// Marks these inputs as those that failed last, and nothing where there are none; what failed before stays marked.
    pub fn mark_bad(&mut self, bad: Option<BadInputs>) {
        let before = std::mem::replace(&mut self.bad_inputs, bad);
        self.marked.extend(before.map(|bad| BadInputs { created: None, ..bad }));
        let now = self.bad_inputs.as_ref().map(|bad| bad.inputs);
        let mut seen = now.into_iter().collect::<BTreeSet<_>>();
        // Of what is there twice the newest counts.
        self.marked.reverse();
        self.marked.retain(|bad| seen.insert(bad.inputs));
        self.marked.truncate(MOST_MARKED);
        self.marked.reverse();
    }

    /// Forgets that these inputs failed.
    pub fn unmark(&mut self, inputs: &Digest) {
        self.marked.retain(|bad| bad.inputs != *inputs);
        self.bad_inputs = self.bad_inputs.take().filter(|bad| bad.inputs != *inputs);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub revision: Revision,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    pub by: Actor,
    pub at: Time,
    pub reason: String,
}
