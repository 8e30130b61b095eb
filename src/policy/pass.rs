use super::Facts;
use crate::model::{Finding, PassedBy};

/// Marks a finding as passed where somebody let it pass.
pub(super) fn pass(finding: &mut Finding, facts: &Facts) {
    match finding.guard.passed_by() {
        PassedBy::Approval => finding.passed = !facts.approvals.is_empty(),
        PassedBy::Acceptance => {
            let people = facts.approvals.iter().filter_map(|approval| approval.actor.person.as_ref());
            finding.passed = people.into_iter().any(|person| facts.acceptors.contains(person));
        }
        // Whether there are enough approvals was seen where the rule was judged.
        PassedBy::Approvals if finding.passed => {}
        PassedBy::BreakGlass | PassedBy::Approvals => force(finding, facts),
        PassedBy::Nothing | PassedBy::LeftOut | PassedBy::Told => {}
    }
}

fn force(finding: &mut Finding, facts: &Facts) {
    let Some(policy) = &finding.policy else { return };
    let over = facts.break_glass.iter().find(|glass| glass.overrides(&facts.application, policy));
    finding.forced_by = over.map(|glass| glass.id.clone());
    finding.passed = finding.forced_by.is_some();
}
