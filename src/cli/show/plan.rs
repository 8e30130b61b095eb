use std::fmt::Write;

use super::paint::{self, BOLD, CYAN, DIM, GREEN, PLAIN, RED, YELLOW, paint};
use super::{printable, printable_content};
use crate::model::view::{Change, PlanView};
use crate::model::{Action, Cause, Decision, Finding, Guard, Name, PassedBy, Plan, PlanId, Risk, Verdict, Waits};

/// In the order in which a reader wants them.
const GROUPS: [(Action, &str, &str); 7] = [
    (Action::Create, "+", "to create"),
    (Action::Update, "~", "to change"),
    (Action::Replace, "±", "to replace"),
    (Action::Delete, "-", "to delete"),
    (Action::Adopt, "*", "to adopt"),
    (Action::Release, "/", "to release"),
    (Action::Run, ">", "to run"),
];

/// Said in the summary though their number be 0.
const ALWAYS: [Action; 3] = [Action::Create, Action::Update, Action::Delete];

/// Returns a plan as people read it: grouped by action, then findings, then one line that sums it up.
#[must_use]
pub fn plan(view: &PlanView) -> String {
    let mut text = head(view);
    for (action, sign, words) in GROUPS {
        let changes: Vec<_> = view.changes.iter().filter(|change| change.step.action == action).collect();
        if changes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{}", paint(BOLD, words));
        text.extend(changes.iter().map(|change| one_change(change, sign)));
    }
    if !view.verdict.findings.is_empty() {
        let _ = write!(text, "\n{}\n{}", paint(BOLD, "findings"), findings(&view.verdict.findings));
    }
    let _ = writeln!(text, "\n{}", summary(view));
    text
}

/// Returns only the differences of a plan.
#[must_use]
pub fn diff(view: &PlanView) -> String {
    let shown = view.changes.iter().filter(|change| change.step.action != Action::Run);
    shown.map(|change| one_change(change, sign(change.step.action))).collect()
}

/// Returns what somebody changed by hand at one object.
pub(super) fn changed(change: &Change) -> String {
    let gone = change.step.action == Action::Create;
    one_change(change, if gone { "-" } else { "~" })
}

/// Returns what a plan comes to, in one line.
#[must_use]
pub fn summary(view: &PlanView) -> String {
    let matched = match view.matched {
        0 => String::new(),
        count => format!("; {count} found as Git says"),
    };
    if view.plan.steps.is_empty() {
        let words =
            if view.verdict.decision == Decision::Hold { verdict(&view.verdict) } else { "nothing to do".into() };
        return format!("Plan {}: {words}{matched}", view.plan.id.short());
    }
    format!("Plan {}: {}{matched}; {}", view.plan.id.short(), counts(&view.plan), verdict(&view.verdict))
}

/// Returns one line for each finding, with the objects that it is about.
#[must_use]
pub fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let guard = code(finding);
        let (style, word) = match (finding.passed, finding.guard.passed_by()) {
            (true, _) if finding.forced_by.is_some() => (YELLOW, "forced"),
            (true, _) => (DIM, "passed"),
            (false, PassedBy::LeftOut) => (YELLOW, "left out"),
            (false, PassedBy::Told) => (YELLOW, "warning"),
            (false, _) => (YELLOW, "held"),
        };
        let _ = writeln!(text, "  {}: {guard}: {}", paint(style, word), printable(&finding.message));
        for object in &finding.objects {
            let _ = writeln!(text, "      {}", printable(&object.to_string()));
        }
    }
    text
}

/// Says what lets a held plan through; `None` where its findings say all there is to say.
#[must_use]
pub fn way_on(application: &Name, plan: PlanId, findings: &[Finding]) -> Option<String> {
    // What is declared no more has no rules that could be explained.
    let of_policy = |finding: &Finding| finding.holds() && finding.policy.is_some();
    let policy = findings.iter().any(of_policy) && findings.iter().all(|finding| finding.guard != Guard::Destroy);
    let explains = format!("`trueup policy explain {application}` says what holds it");
    match Waits::of(findings)? {
        Waits::Approval => Some(format!("`trueup approve {}` lets exactly this plan through", plan.short())),
        Waits::Until(time) if policy => Some(format!("it waits until {time}, and {explains}")),
        Waits::Until(time) => Some(format!("it waits until {time}")),
        Waits::Other => policy.then_some(explains),
    }
}

fn head(view: &PlanView) -> String {
    let revision = view.revision.as_ref().map_or_else(String::new, |revision| format!(" at {}", revision.short()));
    let commit = view.commit.as_deref().map_or_else(String::new, |commit| format!("  {}", printable(commit)));
    format!("{}{revision} on {}{}\n", paint(BOLD, &view.plan.application), view.plan.target, paint(DIM, commit))
}

fn one_change(change: &Change, sign: &str) -> String {
    let step = &change.step;
    let mut notes = Vec::new();
    if step.cause == Cause::Corrective && step.action != Action::Run {
        notes.push("drifted".to_owned());
    }
    if step.risk == Risk::High {
        notes.push("high risk".into());
    }
    notes.extend(change.place.as_deref().map(|place| printable(place).into_owned()));
    let notes = if notes.is_empty() { String::new() } else { paint(DIM, format!("  ({})", notes.join(", "))) };
    let id = step.id.to_string();
    let mut text = format!("  {} {}{notes}\n", paint(paint::of_action(step.action), sign), printable(&id));
    text.push_str(&attributes(change));
    if let Some(note) = &change.note {
        let _ = writeln!(text, "        {}", printable(note));
    }
    text.extend(change.diff.iter().flat_map(|diff| diff.lines()).map(diff_line));
    text
}

fn attributes(change: &Change) -> String {
    let width = change.attributes.iter().map(|(name, ..)| printable(name).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, before, after) in &change.attributes {
        let name = printable(name);
        let value = match (before, after) {
            (Some(before), Some(after)) => format!("{} → {}", printable(before), printable(after)),
            (None, Some(after)) => printable(after).into_owned(),
            (Some(before), None) => format!("{} → (none)", printable(before)),
            (None, None) => continue,
        };
        let _ = writeln!(text, "        {name:width$}  {value}");
    }
    text
}

fn diff_line(line: &str) -> String {
    let style = match line.as_bytes().first() {
        _ if line.starts_with("+++") || line.starts_with("---") => BOLD,
        Some(b'+') => GREEN,
        Some(b'-') => RED,
        Some(b'@') => CYAN,
        _ => PLAIN,
    };
    format!("      {}\n", paint(style, printable_content(line)))
}

fn counts(plan: &Plan) -> String {
    let count = |(action, _, words): &(Action, &str, &str)| match plan.count(*action) {
        0 if !ALWAYS.contains(action) => None,
        count => Some(format!("{count} {words}")),
    };
    GROUPS.iter().filter_map(count).collect::<Vec<_>>().join(", ")
}

fn verdict(verdict: &Verdict) -> String {
    match verdict.decision {
        Decision::Go => "go".into(),
        Decision::Forced => {
            let ids: Vec<_> = verdict.forced_by.iter().map(ToString::to_string).collect();
            format!("go, by break-glass {}", ids.join(", "))
        }
        Decision::Hold => {
            let guards: Vec<_> = verdict.findings.iter().filter(|finding| finding.holds()).map(code).collect();
            format!("held: {}", guards.join(", "))
        }
    }
}

fn sign(action: Action) -> &'static str {
    GROUPS.iter().find(|group| group.0 == action).map_or(" ", |group| group.1)
}

/// Returns the word that records and the API use for a guard.
pub(super) fn code_of(guard: Guard) -> String {
    serde_json::to_value(guard).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Returns that word, with the policy whose rule it is.
fn code(finding: &Finding) -> String {
    let guard = code_of(finding.guard);
    finding.policy.as_ref().map_or_else(|| guard.clone(), |policy| format!("{guard} ({policy})"))
}
