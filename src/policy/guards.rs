//! The guards that are built in.

use std::collections::BTreeSet;

use super::{Facts, Upgrade};
use crate::config::Drift;
use crate::model::{Action, Cause, Finding, Guard, Name, ObjectId, Plan, declared};
use crate::source::Relation;

/// More deletes than this in one plan wait for a person.
pub const MOST_DELETES: usize = 10;
/// So does a larger share of the inventory than this, in per cent …
pub const MOST_DELETES_PERCENT: usize = 20;
/// … but never fewer deletes than this.
pub const FEWEST_DELETES_HELD: usize = 3;
/// More deletes than this over the whole daemon, within [`BUDGET_SECONDS`], wait for a person, whatever plans they are in.
pub(super) const MOST_DELETES_TOGETHER: u64 = 100;
pub(super) const BUDGET_SECONDS: i64 = 60 * 60;

/// Returns everything that a built-in guard finds, passed or not.
pub(super) fn findings(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut findings = facts.left_out.clone();
    findings.extend(rejected(plan, facts));
    // Before what an approval of anybody passes: it is what a person is told first.
    findings.extend(acceptance(plan, facts));
    findings.extend(revision(plan, facts));
    findings.extend(deletes(plan, facts));
    findings.extend(budget(plan, facts));
    findings.extend(steps_of(plan, Action::Adopt, Guard::Adoption, "exists and differs; adopt it to let Git decide"));
    if !facts.takes_back {
        findings.extend(steps_of(plan, Action::Replace, Guard::Replace, "is of another sort and would be replaced"));
    }
    findings.extend(people(plan, facts));
    findings.extend(fights(plan, facts));
    findings.extend(upgrade(plan, facts));
    findings.extend(destroy(plan, facts));
    findings
}

fn rejected(plan: &Plan, facts: &Facts) -> Option<Finding> {
    let rejection = facts.rejection.as_ref().filter(|_| !plan.steps.is_empty())?;
    let why = rejection.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Some(Finding::new(Guard::Rejected, format!("{} said no to this plan{why}", rejection.actor), vec![]))
}

/// Forward only: a revision that does not descend from the last applied one is held, where its plan does anything.
fn revision(plan: &Plan, facts: &Facts) -> Option<Finding> {
    if plan.steps.is_empty() {
        return None;
    }
    if facts.asked.is_some() {
        let message = "a person asked to go back behind the last applied revision";
        return Some(Finding::new(Guard::NotDescendant, message, vec![]));
    }
    let (guard, message) = match facts.relation? {
        Relation::Same | Relation::Descends => return None,
        Relation::Behind => (Guard::NotDescendant, "the ref was rewound behind the last applied revision"),
        Relation::Diverged => (Guard::NotDescendant, "the ref does not descend from the last applied revision"),
        Relation::Unknown => {
            (Guard::AncestryUnknown, "whether the ref descends from the last applied revision is unknown")
        }
    };
    Some(Finding::new(guard, message, vec![]))
}

fn deletes(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let deleted: Vec<_> = plan.steps.iter().filter(|step| step.action == Action::Delete).map(|step| &step.id).collect();
    let counted: Vec<_> = counted_deletes(plan, facts).cloned().collect();
    let mut findings = vec![];
    let undone = facts.takes_back && deleted.iter().all(|id| facts.uncounted.contains(*id));
    let removes = plan.steps.iter().any(|step| matches!(step.action, Action::Delete | Action::Release));
    if !facts.missing_paths.is_empty() && !plan.steps.is_empty() {
        let message = format!("the revision has no {}", facts.missing_paths.join(", "));
        findings.push(Finding::new(Guard::EmptyRender, message, vec![]));
    } else if facts.rendered == 0 && removes && !facts.destroys && !undone {
        findings.push(Finding::new(Guard::EmptyRender, "the revision renders to nothing", vec![]));
    }
    let share = counted.len() * 100 > facts.owned * MOST_DELETES_PERCENT && counted.len() >= FEWEST_DELETES_HELD;
    if counted.len() > MOST_DELETES || share {
        let message = format!("{} of {} objects would be deleted", counted.len(), facts.owned);
        findings.push(Finding::new(Guard::DeleteLimit, message, counted));
    }
    let protected = facts.protected.iter().filter(|(id, _)| deleted.contains(&id) && !facts.takes_back);
    findings.extend(protected.map(|(id, reason)| {
        Finding::new(Guard::ProtectedDelete, format!("{id} would be deleted: {reason}"), vec![id.clone()])
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
    Some(Finding::new(guard, message, objects))
}

/// What the application's own definition leaves to people.
fn people(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let of = |cause| plan.steps.iter().filter(move |step| step.cause == cause).map(|step| step.id.clone()).collect();
    let intentional: Vec<ObjectId> = of(Cause::Intentional);
    let corrective: Vec<ObjectId> = of(Cause::Corrective);
    let mut findings = vec![];
    if !facts.automatic && !intentional.is_empty() {
        findings.push(Finding::new(Guard::Manual, "the application is not synced automatically", vec![]));
    }
    if facts.drift == Some(Drift::Hold) && !corrective.is_empty() {
        findings.push(Finding::new(Guard::DriftHeld, "the target drifted, and drift is held", corrective));
    }
    findings
}

/// A breaker over the whole daemon: each plan may be small, and all of them together be what nobody meant.
fn budget(plan: &Plan, facts: &Facts) -> Option<Finding> {
    let since = facts.now.plus_seconds(-BUDGET_SECONDS);
    let before: u64 = facts.spent.iter().filter(|spent| spent.time > since).map(|spent| spent.deletes).sum();
    let more = counted_deletes(plan, facts).count() as u64;
    if more == 0 || before + more <= MOST_DELETES_TOGETHER {
        return None;
    }
    let message = format!("{} objects would be deleted within an hour, by all applications together", before + more);
    Some(Finding::new(Guard::DeleteBudget, message, vec![]))
}

/// Returns what the plan deletes, without what a failed sync had created.
pub(super) fn counted_deletes<'a>(plan: &'a Plan, facts: &'a Facts) -> impl Iterator<Item = &'a ObjectId> {
    let deleted = plan.steps.iter().filter(|step| step.action == Action::Delete).map(|step| &step.id);
    deleted.filter(|id| !facts.uncounted.contains(*id))
}

fn fights(plan: &Plan, facts: &Facts) -> Option<Finding> {
    let corrective = plan.steps.iter().filter(|step| step.cause == Cause::Corrective);
    let fought: Vec<_> = corrective.filter_map(|step| Some((&step.id, facts.fights.get(&step.id)?))).collect();
    let rounds = fought.iter().map(|(_, fight)| fight.rounds).max()?;
    let what = if let [(one, _)] = fought.as_slice() { one.to_string() } else { format!("{} objects", fought.len()) };
    let known: BTreeSet<&str> = fought.iter().filter_map(|(_, fight)| fight.by.as_deref()).collect();
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    let who = if known.is_empty() { String::new() } else { format!(" ({known})") };
    let message = format!("somebody else{who} changes {what} again each time, {rounds} times lately: left as it is");
    Some(Finding::new(Guard::Fight, message, fought.into_iter().map(|(id, _)| id.clone()).collect()))
}

fn upgrade(plan: &Plan, facts: &Facts) -> Option<Finding> {
    let Upgrade { before, objects, unclear } = facts.upgrade.as_ref()?;
    let before = if before.is_empty() { "an earlier version of trueup".into() } else { format!("trueup {before}") };
    let message = match unclear {
        Some(why) if !plan.steps.is_empty() => {
            format!("{before} left this as it is, and what this version sees otherwise cannot be told: {why}")
        }
        None if !objects.is_empty() => format!("{before} would not have changed this on the same inputs"),
        _ => return None,
    };
    Some(Finding::new(Guard::Upgrade, message, objects.clone()))
}

/// What nobody declares any more goes by a person's word alone, however little it is.
fn destroy(plan: &Plan, facts: &Facts) -> Option<Finding> {
    if !facts.destroys || plan.steps.is_empty() {
        return None;
    }
    let (goes, stays) = (plan.count(Action::Delete), plan.count(Action::Release));
    let message = format!(
        "{} is declared no more: {goes} of its objects would be deleted, {stays} left as they are",
        plan.application
    );
    Some(Finding::new(Guard::Destroy, message, vec![]))
}

/// What judges others changes only by the word of whom the machine names.
fn acceptance(plan: &Plan, facts: &Facts) -> Option<Finding> {
    let judging = plan.steps.iter().map(|step| &step.id).filter(|id| declared::judges(&id.kind));
    let objects: Vec<_> = judging.cloned().collect();
    if objects.is_empty() || facts.takes_back {
        return None;
    }
    match facts.since_accepted {
        Some(Relation::Behind | Relation::Diverged) => {
            let message = "policies or people would be those of a revision that does not descend from the one that was accepted last";
            return Some(Finding::new(Guard::PolicyRewound, message, objects));
        }
        Some(Relation::Unknown) => {
            let message = "whether the revision descends from the one whose policies were accepted last is unknown";
            return Some(Finding::new(Guard::AncestryUnknown, message, objects));
        }
        Some(Relation::Same | Relation::Descends) | None => {}
    }
    if facts.accepted_signer {
        return None;
    }
    let people: Vec<_> = facts.acceptors.iter().map(Name::as_str).collect();
    let who = if people.is_empty() { "nobody".to_owned() } else { people.join(", ") };
    let message = format!(
        "policies or people would change, and the revision is not signed by whom the machine names for that; \
         by its word {who} may approve it"
    );
    Some(Finding::new(Guard::Acceptance, message, objects))
}
