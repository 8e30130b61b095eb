//! Plan + rules + facts → [`Verdict`]. A pure function. The built-in guards live here; the table of what passes them, and the
//! rules of policies, in [`crate::model::Guard::passed_by`].

mod facts;
mod guards;
mod pass;

use crate::model::{Decision, Plan, Verdict};

pub use facts::{Commits, Facts, Fight, Upgrade};
pub use guards::{FEWEST_DELETES_HELD, MOST_DELETES, MOST_DELETES_PERCENT};

/// Judges a plan: everything that holds it is found, and what an approval or break-glass passes is marked as passed.
#[must_use]
pub fn judge(plan: &Plan, facts: &Facts) -> Verdict {
    let mut findings = guards::findings(plan, facts);
    for finding in &mut findings {
        pass::pass(finding, facts);
    }
    let mut forced_by: Vec<_> = findings.iter().filter_map(|finding| finding.forced_by.clone()).collect();
    forced_by.sort_unstable();
    forced_by.dedup();
    let decision = match forced_by.as_slice() {
        _ if findings.iter().any(crate::model::Finding::holds) => Decision::Hold,
        [] => Decision::Go,
        _ => Decision::Forced,
    };
    let changes_at = findings.iter().filter(|finding| finding.holds()).filter_map(|finding| finding.changes_at).min();
    Verdict { decision, findings, forced_by, changes_at }
}

#[cfg(test)]
mod tests;
