//! What the journal says, in memory: previews given and not yet used, acts begun and ended, syncs that are spent.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::{Action, Digest, ObjectId, SyncId};
use crate::target::protocol::message::{Failure, Finished};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub(super) enum Entry {
    /// Previews were given that would change something.
    Offered { offers: Vec<Offer> },
    /// A step is about to be carried out, and uses up its preview.
    Intent(Intent),
    /// How it ended.
    Outcome { sync: SyncId, number: usize, done: Option<Finished>, error: Option<Failure> },
    /// The highest fence that acted.
    Fence { fence: u64 },
    /// Syncs of which nothing more is kept than that they were.
    Spent { syncs: Vec<SyncId> },
}

/// A preview that would change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub(super) object: ObjectId,
    pub(super) change: Change,
    pub(super) before: Digest,
    pub(super) after: Digest,
    /// Digest of what it should be; `None` for a delete.
    pub(super) spec: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    Create,
    Update,
    /// What lies there is of another sort.
    Replace,
    Delete,
    Run,
}

impl Change {
    /// Whether an action is this change. Whose a thing is, the root half cannot know: to adopt is to write over it.
    pub(super) const fn is(self, action: Action) -> bool {
        matches!(
            (self, action),
            (Self::Create, Action::Create)
                | (Self::Update, Action::Update | Action::Adopt)
                | (Self::Replace, Action::Replace | Action::Adopt)
                | (Self::Delete, Action::Delete)
                | (Self::Run, Action::Run)
        )
    }
}

/// A step about to be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) sync: SyncId,
    pub(super) number: usize,
    /// Digest of all that the step says.
    pub(super) content: Digest,
    pub(super) plan: Digest,
    pub(super) action: Action,
    pub(super) actor: String,
    /// Microseconds since 1970.
    pub(super) time: i64,
    /// The preview that it uses up.
    pub(super) offer: Offer,
}

/// An act that has begun.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) intent: Intent,
    pub(super) outcome: Option<Result<Finished, Failure>>,
}

/// How many syncs are remembered step by step; of older ones only that they were.
const SYNCS: usize = 256;
/// Steps that are remembered in all: as many as a front half may ask for at once.
const ACTS: usize = 100_000;
/// Previews of one object that may wait: several revisions may be looked at while one is carried out.
const PER_OBJECT: usize = 8;
/// Previews that may wait in all; the oldest objects go first.
const OFFERS: usize = 100_000;
/// How often one preview that was given again and again may be used.
const TIMES: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) fence: u64,
    syncs: HashMap<SyncId, BTreeMap<usize, Pair>>,
    order: VecDeque<SyncId>,
    spent: HashSet<SyncId>,
    offers: HashMap<ObjectId, Waiting>,
    count: usize,
    clock: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each with how often it was given and not used.
    offers: VecDeque<(Offer, u32)>,
    last: u64,
}

impl Ledger {
    pub(super) fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Offered { offers } => offers.iter().for_each(|offer| self.offer(offer)),
            Entry::Intent(intent) => self.begin(intent),
            Entry::Outcome { sync, number, done, error } => {
                let outcome = match (done, error) {
                    (Some(done), _) => Ok(done.clone()),
                    (None, Some(error)) => Err(error.clone()),
                    (None, None) => return,
                };
                if let Some(pair) = self.syncs.get_mut(sync).and_then(|acts| acts.get_mut(number)) {
                    pair.outcome = Some(outcome);
                }
            }
            Entry::Fence { fence } => self.fence = self.fence.max(*fence),
            Entry::Spent { syncs } => self.spent.extend(syncs.iter().cloned()),
        }
    }

    /// Counts a preview that is known already once more, and returns whether it was.
    pub(super) fn again(&mut self, offer: &Offer) -> bool {
        self.clock += 1;
        let Some(waiting) = self.offers.get_mut(&offer.object) else { return false };
        waiting.last = self.clock;
        let known = waiting.offers.iter_mut().find(|(known, _)| known == offer);
        known.map(|(_, times)| *times = (*times + 1).min(TIMES)).is_some()
    }

    fn offer(&mut self, offer: &Offer) {
        if self.again(offer) {
            return;
        }
        let waiting = self.offers.entry(offer.object.clone()).or_default();
        waiting.last = self.clock;
        waiting.offers.push_back((offer.clone(), 1));
        if waiting.offers.len() > PER_OBJECT {
            waiting.offers.pop_front();
        } else {
            self.count += 1;
        }
        if self.count > OFFERS {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let mut ages: Vec<u64> = self.offers.values().map(|waiting| waiting.last).collect();
        let middle = ages.len() / 2;
        let (_, limit, _) = ages.select_nth_unstable(middle);
        let limit = *limit;
        self.offers.retain(|_, waiting| waiting.last > limit);
        self.count = self.offers.values().map(|waiting| waiting.offers.len()).sum();
    }

    /// Returns the preview that a step would use up.
    pub(super) fn offered(&self, object: &ObjectId, wanted: impl Fn(&Offer) -> bool) -> Option<&Offer> {
        let waiting = self.offers.get(object)?;
        waiting.offers.iter().map(|(offer, _)| offer).find(|offer| wanted(offer))
    }

    fn begin(&mut self, intent: &Intent) {
        if let Some(waiting) = self.offers.get_mut(&intent.offer.object) {
            let before = waiting.offers.len();
            for (offer, times) in &mut waiting.offers {
                if *offer == intent.offer {
                    *times = times.saturating_sub(1);
                }
            }
            waiting.offers.retain(|(_, times)| *times > 0);
            self.count -= before - waiting.offers.len();
            if waiting.offers.is_empty() {
                self.offers.remove(&intent.offer.object);
            }
        }
        if !self.syncs.contains_key(&intent.sync) {
            self.order.push_back(intent.sync.clone());
        }
        let acts = self.syncs.entry(intent.sync.clone()).or_default();
        acts.insert(intent.number, Pair { intent: intent.clone(), outcome: None });
    }

    pub(super) fn is_spent(&self, sync: &SyncId) -> bool {
        self.spent.contains(sync)
    }

    pub(super) fn pair(&self, sync: &SyncId, number: usize) -> Option<&Pair> {
        self.syncs.get(sync)?.get(&number)
    }

    /// Forgets the steps of all but the newest syncs, and returns the entries that say what is left.
    pub(super) fn compacted(&mut self) -> Vec<Entry> {
        let mut acts: usize = self.syncs.values().map(BTreeMap::len).sum();
        while self.order.len() > SYNCS || acts > ACTS {
            let Some(oldest) = self.order.pop_front() else { break };
            acts -= self.syncs.remove(&oldest).map_or(0, |steps| steps.len());
            self.spent.insert(oldest);
        }
        let mut entries = vec![Entry::Fence { fence: self.fence }];
        let spent: Vec<_> = self.spent.iter().cloned().collect();
        entries.extend(spent.chunks(1000).map(|syncs| Entry::Spent { syncs: syncs.to_vec() }));
        for sync in &self.order {
            for (number, pair) in self.syncs.get(sync).into_iter().flatten() {
                entries.push(Entry::Intent(pair.intent.clone()));
                if let Some(outcome) = &pair.outcome {
                    let (done, error) = (outcome.as_ref().ok().cloned(), outcome.as_ref().err().cloned());
                    entries.push(Entry::Outcome { sync: sync.clone(), number: *number, done, error });
                }
            }
        }
        // After the intents, which would use them up.
        let mut waiting: Vec<_> = self.offers.values().collect();
        waiting.sort_by_key(|waiting| waiting.last);
        let offers: Vec<_> =
            waiting.iter().flat_map(|waiting| waiting.offers.iter().map(|(offer, _)| offer.clone())).collect();
        entries.extend(offers.chunks(1000).map(|offers| Entry::Offered { offers: offers.to_vec() }));
        entries
    }
}
