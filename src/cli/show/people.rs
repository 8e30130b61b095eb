use std::fmt::Write;

use super::plan::{changed, code_of};
use super::table::Table;
use super::{printable, when};
use crate::model::view::{BreakGlassAsked, BreakGlassView, Edits, PolicyListed, PolicyRule, PolicyView};
use crate::model::{Name, Time};

/// Returns a table of the policies in force.
#[must_use]
pub fn policies(all: &[PolicyListed]) -> String {
    if all.is_empty() {
        return "no policy is declared\n".into();
    }
    let mut table = Table::new(&["POLICY", "RULES", "BINDS", "BREAK-GLASS"]);
    for one in all {
        let rules: Vec<_> = one.rules.iter().map(|guard| code_of(*guard)).collect();
        let binds = if one.applications.is_empty() { "nothing now".into() } else { listed(&one.applications) };
        let over = overriding(one.overridden_by.as_deref(), one.override_people);
        table.row([one.name.as_str(), &rules.join(", "), &binds, &over]);
    }
    table.render()
}

/// Returns each policy, with what it says of an application.
#[must_use]
pub fn explained(views: &[PolicyView]) -> String {
    if views.is_empty() {
        return "no policy is declared; the built-in guards are all there is\n".into();
    }
    let mut text = String::new();
    for view in views {
        if let Some(because) = &view.because {
            let _ = writeln!(text, "{}: does not bind: {}", view.name, printable(because));
            continue;
        }
        let over = overriding(view.overridden_by.as_deref(), view.override_people);
        let _ = writeln!(text, "{}: break-glass: {over}", view.name);
        text.extend(view.rules.iter().map(rule));
        for id in &view.break_glass {
            let _ = writeln!(text, "  overridden by break-glass {id}");
        }
    }
    text
}

fn rule(rule: &PolicyRule) -> String {
    let word = match rule.holds {
        Some(true) => "holds",
        Some(false) | None => "lets go",
    };
    format!("  {}: {word}: {}\n", code_of(rule.guard), printable(&rule.says))
}

/// Returns a table of break-glass, those that ended included.
#[must_use]
pub fn break_glass(all: &[BreakGlassView], now: Time) -> String {
    if all.is_empty() {
        return "no break-glass is open, and none was lately\n".into();
    }
    let mut table = Table::new(&["ID", "STATE", "BY", "APPLICATIONS", "OVER", "USED", "REASON"]);
    for one in all {
        let opening = &one.opening;
        let over = over(&opening.policies, &opening.live_edit);
        let reason = why(&opening.reason, opening.ticket.as_deref());
        let (by, used) = (opening.by.to_string(), one.used.to_string());
        let state = state(one, now);
        table.row([&opening.id.0, &state, &by, &listed(&opening.applications), &over, &used, &reason]);
    }
    table.render()
}

/// Returns what is asked for in Git.
#[must_use]
pub fn requests(all: &[BreakGlassAsked]) -> String {
    if all.is_empty() {
        return "Git asks for no break-glass\n".into();
    }
    let mut table = Table::new(&["REQUEST", "APPLICATIONS", "OVER", "FOR", "REASON"]);
    for one in all {
        let name = one.request.as_ref().map_or("", Name::as_str);
        let over = over(&one.policies, &one.live_edit);
        let reason = why(&one.reason, one.ticket.as_deref());
        table.row([name, &listed(&one.applications), &over, &when::length(u64::from(one.seconds)), &reason]);
    }
    table.render()
}

fn over(policies: &[Name], live_edit: &[String]) -> String {
    if live_edit.is_empty() { listed(policies) } else { live_edit.join(", ") }
}

fn why(reason: &str, ticket: Option<&str>) -> String {
    ticket.map_or_else(|| reason.to_owned(), |ticket| format!("{reason} ({ticket})"))
}

fn state(one: &BreakGlassView, now: Time) -> String {
    if let Some(end) = one.end {
        return end.as_str().to_owned();
    }
    let missing = one.opening.needs.saturating_sub(one.agreed.len());
    if missing > 0 {
        return format!("waits for {missing} more");
    }
    if one.in_force { format!("open, {} left", when::length(one.until.since(now).as_secs())) } else { "ending".into() }
}

/// Returns what was edited by hand, as differences from what was applied.
#[must_use]
pub fn edits(all: &[Edits]) -> String {
    if all.iter().all(|one| one.changes.is_empty()) {
        return "nothing was edited\n".into();
    }
    let mut text = String::new();
    for one in all {
        let _ = writeln!(text, "{}: put right by plan {}", one.application, one.plan.short());
        text.extend(one.changes.iter().map(changed));
    }
    text
}

fn overriding(groups: Option<&[Name]>, further: u32) -> String {
    let who = match groups {
        None => "whoever may act".into(),
        Some([]) => return "nobody".into(),
        Some(groups) => listed(groups),
    };
    if further == 0 { who } else { format!("{who}, and {further} more to agree") }
}

fn listed(names: &[Name]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
