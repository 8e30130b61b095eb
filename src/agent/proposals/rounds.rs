//! What is remembered between two looks at the pull requests of a repository.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::PATIENCE;
use crate::agent::Agent;
use crate::audit::{self, Filter, Kind};
use crate::forge::Pull;
use crate::model::{Digest, Name, Revision};
use crate::store::StoreError;

/// Kinds of records after which a plan may be another one.
const MOVING: [Kind; 4] = [Kind::Closed, Kind::Observed, Kind::Act, Kind::BreakGlass];

/// What is known between two rounds; a restart plans all anew, and writes only what is another.
#[derive(Default)]
pub(super) struct Rounds {
    pub seen: BTreeMap<u64, Seen>,
    /// How often something was recorded of each application.
    pub moved: BTreeMap<Name, u64>,
    /// Up to where the trail was read.
    read: u64,
    /// Whose account the token is.
    pub login: Option<String>,
    /// A pull request was told of that cannot be had yet.
    pub again: bool,
    /// How often in a row that was so.
    pub waited: u32,
    /// At which heads the host does not give what it tells of, and how often in a row that was so.
    pub pending: BTreeMap<u64, (Revision, u32)>,
    /// What the log was last told of those that are not planned: how many are left out, and how many are odd.
    pub told: (usize, usize),
    /// The last round did not come to its end: nothing is asked of the host before its time.
    pub down: bool,
}

/// What a pull request was planned from.
pub(super) struct Seen {
    pub from: Basis,
    /// How often something was recorded of each application that it touches.
    pub touched: BTreeMap<Name, u64>,
    pub comment: Option<(u64, String)>,
    /// When it is planned anew though nothing has moved.
    pub until: Instant,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Basis {
    pub head: Revision,
    pub onto: Revision,
    /// What judges, and what is kept true.
    pub declared: Digest,
}

impl Rounds {
    /// Returns the first one, which knows the trail up to a record.
    pub(super) fn from(read: u64) -> Self {
        Self { read, ..Self::default() }
    }

    /// Counts that one is not given yet. Returns whether it was so for so long that it has to be said.
    pub(super) fn waits_in_vain(&mut self, pull: &Pull) -> bool {
        let (head, times) = self.pending.entry(pull.number).or_insert_with(|| (pull.head.sha.clone(), 0));
        if *head != pull.head.sha {
            (*head, *times) = (pull.head.sha.clone(), 0);
        }
        *times = times.saturating_add(1);
        *times > PATIENCE
    }

    /// Takes note of what was recorded since the last look. Returns whether it may change a plan that is shown.
    pub(super) async fn note(&mut self, agent: &Agent) -> Result<bool, StoreError> {
        let newest = audit::head(&agent.inner.store).await?.size;
        let filter = Filter {
            kinds: MOVING.to_vec(),
            after: Some(self.read),
            before: Some(newest + 1),
            limit: u32::MAX,
            ..Filter::default()
        };
        let mut moved = false;
        for (_, record) in audit::each(&agent.inner.store, &filter).await? {
            let application = record.ok().and_then(|record| record.application);
            let concerned: Vec<Name> = match application {
                Some(application) => vec![application],
                // It may concern any.
                None => self.seen.values().flat_map(|seen| seen.touched.keys().cloned()).collect(),
            };
            for name in concerned {
                moved |= self.seen.values().any(|seen| seen.touched.contains_key(&name));
                *self.moved.entry(name).or_default() += 1;
            }
        }
        self.read = newest;
        Ok(moved)
    }
}

impl Seen {
    /// Whether all that it was planned from is as it was.
    pub(super) fn holds(&self, from: &Basis, moved: &BTreeMap<Name, u64>) -> bool {
        let still = |(name, count): (&Name, &u64)| moved.get(name).copied().unwrap_or(0) == *count;
        self.from == *from && self.touched.iter().all(still) && Instant::now() < self.until
    }
}
