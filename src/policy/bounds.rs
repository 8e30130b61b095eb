use std::collections::BTreeSet;

use super::guards::{BUDGET_SECONDS, MOST_DELETES_TOGETHER, counted_deletes};
use super::{Facts, Rules};
use crate::model::{Name, Plan, Time};

/// What must still hold in the very transaction in which a plan begins: others begin at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// So many plans may be carried out at once, this one included.
    pub at_once: Option<u64>,
    /// The applications whose plans count there.
    pub among: BTreeSet<Name>,
    pub deletes: Vec<DeleteBound>,
}

/// Deletes over the whole daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteBound {
    /// Since when they count.
    pub since: Time,
    pub most: u64,
    /// How many of this plan count.
    pub more: u64,
}

/// Returns the bounds of a plan that may go. `attended`: a person let it through, which no built-in budget stands against.
#[must_use]
pub fn bounds(plan: &Plan, rules: &Rules, facts: &Facts, attended: bool) -> Bounds {
    // What takes back a failed sync is not asked about limits.
    if facts.takes_back {
        return Bounds::default();
    }
    let mut bounds = rules.bounds(plan, facts);
    if !attended {
        let since = facts.now.plus_seconds(-BUDGET_SECONDS);
        let more = counted_deletes(plan, facts).count() as u64;
        bounds.deletes.push(DeleteBound { since, most: MOST_DELETES_TOGETHER, more });
    }
    bounds
}
