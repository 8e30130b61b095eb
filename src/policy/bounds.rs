use super::guards::{BUDGET_SECONDS, MOST_DELETES_TOGETHER};
use super::{Facts, Rules};
use crate::model::{Plan, Time};

/// What must still hold in the very transaction in which a plan begins: others begin at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// So many plans may be carried out at once, this one included.
    pub at_once: Option<u64>,
    /// Since when so much may be deleted over the whole daemon, this plan included.
    pub deletes: Vec<(Time, u64)>,
}

/// Returns the bounds of a plan that goes by itself. One that somebody let through has none.
#[must_use]
pub fn bounds(plan: &Plan, rules: &Rules, facts: &Facts) -> Bounds {
    let mut bounds = rules.bounds(plan, facts);
    bounds.deletes.push((facts.now.plus_seconds(-BUDGET_SECONDS), MOST_DELETES_TOGETHER));
    bounds
}
