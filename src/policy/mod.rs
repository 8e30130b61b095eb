//! Plan + facts → [`Verdict`]. A pure function; the built-in guards live here, and the table of what passes them in
//! [`Guard::passed_by`].

use std::collections::BTreeSet;

use crate::config::Drift;
use crate::model::{Action, Cause, Decision, Finding, Guard, ObjectId, PassedBy, Plan, Verdict};
use crate::source::Relation;

/// More deletes than this in one plan wait for a person.
pub const MOST_DELETES: usize = 10;
/// So does a larger share of the inventory than this, in per cent …
pub const MOST_DELETES_PERCENT: usize = 20;
/// … but never fewer deletes than this.
pub const FEWEST_DELETES_HELD: usize = 3;

/// All that the guards may know.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How the revision stands to the last applied one; `None` where that is no question (first sync, corrective plan, a ref
    /// or URL changed in the configuration).
    pub relation: Option<Relation>,
    /// How many objects were rendered.
    pub rendered: usize,
    /// How many are in the inventory.
    pub owned: usize,
    /// Layers that the revision does not have.
    pub missing_paths: Vec<String>,
    pub automatic: bool,
    pub drift: Option<Drift>,
    /// Deletes that an adapter wants a person's yes for.
    pub protected: Vec<(ObjectId, String)>,
    /// The plan takes back a failed sync: undoing what was allowed once is not asked about again.
    pub takes_back: bool,
    /// Created by the failed sync that this plan takes back: deleting them counts against no limit.
    pub uncounted: BTreeSet<ObjectId>,
    /// What planning left out, and why.
    pub left_out: Vec<Finding>,
    /// A person approved exactly this plan.
    pub approved: bool,
}

/// Judges a plan: everything that holds it is found, and what an approval passes is marked as passed.
#[must_use]
pub fn judge(plan: &Plan, facts: &Facts) -> Verdict {
    let mut findings = facts.left_out.clone();
    findings.extend(revision(plan, facts));
    findings.extend(deletes(plan, facts));
    findings.extend(steps_of(plan, Action::Adopt, Guard::Adoption, "exists and differs; adopt it to let Git decide"));
    if !facts.takes_back {
        findings.extend(steps_of(plan, Action::Replace, Guard::Replace, "is of another sort and would be replaced"));
    }
    findings.extend(people(plan, facts));
    let mut decision = Decision::Go;
    for finding in &mut findings {
        match finding.guard.passed_by() {
            PassedBy::Approval => finding.passed = facts.approved,
            PassedBy::Nothing => {}
            PassedBy::LeftOut => continue,
        }
        if !finding.passed {
            decision = Decision::Hold;
        }
    }
    Verdict { decision, findings }
}

fn finding(guard: Guard, message: String, objects: Vec<ObjectId>) -> Finding {
    Finding { guard, message, objects, passed: false }
}

/// Forward only: a revision that does not descend from the last applied one is held, where its plan does anything.
fn revision(plan: &Plan, facts: &Facts) -> Option<Finding> {
    if plan.steps.is_empty() {
        return None;
    }
    let (guard, message) = match facts.relation? {
        Relation::Same | Relation::Descends => return None,
        Relation::Behind => (Guard::NotDescendant, "the ref was rewound behind the last applied revision"),
        Relation::Diverged => (Guard::NotDescendant, "the ref does not descend from the last applied revision"),
        Relation::Unknown => {
            (Guard::AncestryUnknown, "whether the ref descends from the last applied revision is unknown")
        }
    };
    Some(finding(guard, message.into(), vec![]))
}

fn deletes(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let deleted: Vec<_> = plan.steps.iter().filter(|step| step.action == Action::Delete).map(|step| &step.id).collect();
    let counted: Vec<_> = deleted.iter().filter(|id| !facts.uncounted.contains(**id)).map(|id| (*id).clone()).collect();
    let mut findings = vec![];
    let removes = plan.steps.iter().any(|step| matches!(step.action, Action::Delete | Action::Release));
    if !facts.missing_paths.is_empty() && !plan.steps.is_empty() {
        let message = format!("the revision has no {}", facts.missing_paths.join(", "));
        findings.push(finding(Guard::EmptyRender, message, vec![]));
    } else if facts.rendered == 0 && removes && !deleted.iter().all(|id| facts.uncounted.contains(*id)) {
        findings.push(finding(Guard::EmptyRender, "the revision renders to nothing".into(), vec![]));
    }
    let share = counted.len() * 100 > facts.owned * MOST_DELETES_PERCENT && counted.len() >= FEWEST_DELETES_HELD;
    if counted.len() > MOST_DELETES || share {
        let message = format!("{} of {} objects would be deleted", counted.len(), facts.owned);
        findings.push(finding(Guard::DeleteLimit, message, counted));
    }
    let protected = facts.protected.iter().filter(|(id, _)| deleted.contains(&id) && !facts.takes_back);
    findings.extend(protected.map(|(id, reason)| {
        finding(Guard::ProtectedDelete, format!("{id} would be deleted: {reason}"), vec![id.clone()])
    }));
    findings
}

fn steps_of(plan: &Plan, action: Action, guard: Guard, what: &str) -> Option<Finding> {
    let objects: Vec<_> = plan.steps.iter().filter(|step| step.action == action).map(|step| step.id.clone()).collect();
    let message = match objects.as_slice() {
        [] => return None,
        [one] => format!("{one} {what}"),
        [first, rest @ ..] => format!("{first} and {} more: each {what}", rest.len()),
    };
    Some(finding(guard, message, objects))
}

/// What the application's own definition leaves to people.
fn people(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let of = |cause| plan.steps.iter().filter(move |step| step.cause == cause).map(|step| step.id.clone()).collect();
    let intentional: Vec<ObjectId> = of(Cause::Intentional);
    let corrective: Vec<ObjectId> = of(Cause::Corrective);
    let mut findings = vec![];
    if !facts.automatic && !intentional.is_empty() {
        findings.push(finding(Guard::Manual, "the application is not synced automatically".into(), vec![]));
    }
    if facts.drift == Some(Drift::Hold) && !corrective.is_empty() {
        findings.push(finding(Guard::DriftHeld, "the target drifted, and drift is held".into(), corrective));
    }
    findings
}

#[cfg(test)]
mod tests;
