//! Plan + rules + facts → [`Verdict`]. A pure function. The table of what passes a guard or rule is
//! [`crate::model::Guard::passed_by`].

mod bounds;
mod explain;
mod facts;
mod guards;
mod pass;
mod people;
mod rights;
mod rules;

use std::sync::{Arc, PoisonError, RwLock};

use crate::model::{Decision, Finding, Plan, Verdict};

pub use bounds::{Bounds, DeleteBound, bounds};
pub use explain::explain;
pub use facts::{Commits, Facts, Fight, Upgrade};
pub use guards::{FEWEST_DELETES_HELD, MOST_DELETES, MOST_DELETES_PERCENT};
pub use people::{Authors, People};
pub use rights::{Labels, Rights, Roles};
pub use rules::{NoOverride, Rules};

/// The rules that are in force now, for whoever judges. A clone is the same.
#[derive(Clone, Default)]
pub struct InForce(Arc<RwLock<Rules>>);

impl InForce {
    #[must_use]
    pub fn get(&self) -> Rules {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }
}

/// Judges a plan: everything that holds it is found, and what an approval or break-glass passes is marked as passed.
#[must_use]
pub fn judge(plan: &Plan, rules: &Rules, facts: &Facts) -> Verdict {
    let mut findings = guards::findings(plan, facts);
    if !plan.steps.is_empty() {
        findings.extend(rules.findings(plan, facts));
    }
    for finding in &mut findings {
        pass::pass(finding, facts);
    }
    let mut forced_by: Vec<_> = findings.iter().filter_map(|finding| finding.forced_by.clone()).collect();
    forced_by.sort_unstable();
    forced_by.dedup();
    let decision = match forced_by.as_slice() {
        _ if findings.iter().any(Finding::holds) => Decision::Hold,
        [] => Decision::Go,
        _ => Decision::Forced,
    };
    let changes_at = findings.iter().filter(|finding| finding.holds()).filter_map(|finding| finding.changes_at).min();
    Verdict { decision, findings, forced_by, changes_at }
}

#[cfg(test)]
mod tests;
