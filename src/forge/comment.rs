//! The comment on a pull request. Pure.

use std::fmt::Write;

use super::markdown::{block, span};
use super::proposed::{Fate, NotPlanned, Proposed, waits};
use crate::audit::Redactor;
use crate::model::view::{Change, PlanView};
use crate::model::{Action, Decision, Name, Risk, Waits};

/// A comment has at most so many bytes: a page that people read, and less than any Git host's limit.
const LONGEST: usize = 50_000;

/// Of one diff so many bytes are shown.
const LONGEST_DIFF: usize = 8_000;

/// So many applications, findings and steps of one application are told one by one.
const MOST: usize = 50;

impl Proposed {
    /// Returns the comment, which begins with `marker`, a line that nobody sees.
    #[must_use]
    pub fn comment(&self, marker: &str, redactor: &Redactor) -> String {
        let head = self.head.short();
        let mut text = format!("{marker}\n### What merging `{head}` into {} changes\n\n", span(redactor, &self.onto));
        match &self.fate {
            Fate::Planned(plans) if plans.is_empty() => {
                text.push_str("Nothing: it touches no application of this daemon.\n");
            }
            Fate::Planned(plans) => planned(&mut text, plans, head, redactor),
            Fate::Conflict(paths) => {
                text.push_str("Nothing yet: it conflicts with that branch. Somebody has to choose at:\n\n");
                for path in paths {
                    let _ = writeln!(text, "- {}", span(redactor, path));
                }
            }
            Fate::NotMerged(why) => {
                let _ = writeln!(text, "It could not be told: {why}.");
            }
            Fate::NotRead(why) => {
                let _ = writeln!(text, "It could not be planned: {}", why.said(redactor));
            }
            Fate::Fork => text.push_str("It comes from a fork, and those are not planned here.\n"),
        }
        // What is not ours was masked as it was put in: what is, the fences and the marker, is no secret, whatever it is like.
        text
    }
}

fn planned(text: &mut String, plans: &[(Name, Result<PlanView, NotPlanned>)], head: &str, redactor: &Redactor) {
    text.push_str("| application | plan | creates | updates | deletes | other | risk | then |\n|---|---|--:|--:|--:|--:|---|---|\n");
    for (name, plan) in plans.iter().take(MOST) {
        text.push_str(&row(name, plan));
    }
    if plans.len() > MOST {
        let _ = writeln!(text, "\nand {} more", plans.len() - MOST);
    }
    text.push_str("\nEach plan id names the plan that runs after the merge, unless something moves before.\n");
    for (name, plan) in plans.iter().take(MOST) {
        let section = section(name, plan, redactor);
        if text.len() + section.len() <= LONGEST {
            text.push_str(&section);
        } else {
            let short = format!("\n**{name}**: too long to be shown here; `trueup plan {name} --revision {head}`\n");
            // Each may be told in one line, for all lines together are far from filling the rest.
            text.push_str(&short);
        }
    }
}

fn row(name: &Name, plan: &Result<PlanView, NotPlanned>) -> String {
    let view = match plan {
        Ok(view) => view,
        Err(why) => return format!("| **{name}** | none | | | | | | refused: `{}` |\n", why.code),
    };
    let plan = &view.plan;
    let [creates, updates, deletes] = [Action::Create, Action::Update, Action::Delete].map(|action| plan.count(action));
    let other = plan.steps.len() - creates - updates - deletes;
    let risk = if plan.steps.iter().any(|step| step.risk == Risk::High) { "**high**" } else { "low" };
    let then = match waits(view) {
        _ if plan.steps.is_empty() => "nothing to do".to_owned(),
        None if view.verdict.decision == Decision::Forced => "goes live, forced by break-glass".to_owned(),
        None => "goes live by itself".to_owned(),
        Some(Waits::Approval) => "waits for a yes".to_owned(),
        Some(Waits::Until(time)) => format!("waits until {time}"),
        Some(Waits::Other) => "**is not let through**".to_owned(),
    };
    format!("| **{name}** | `{}` | {creates} | {updates} | {deletes} | {other} | {risk} | {then} |\n", plan.id.short())
}

fn section(name: &Name, plan: &Result<PlanView, NotPlanned>, redactor: &Redactor) -> String {
    let view = match plan {
        Ok(view) => view,
        Err(why) => return format!("\n**{name}**: {}\n", why.said(redactor)),
    };
    let mut text = format!("\n<details><summary><b>{name}</b></summary>\n\nPlan `{}`\n\n", view.plan.id);
    for finding in view.verdict.findings.iter().take(MOST) {
        let passed = if finding.passed { " (passed)" } else { "" };
        let _ = writeln!(text, "- `{}`{passed} {}", finding.guard.code(), span(redactor, &finding.said()));
        for object in finding.objects.iter().take(MOST) {
            let _ = writeln!(text, "  - {}", span(redactor, &object.to_string()));
        }
    }
    for change in view.changes.iter().take(MOST) {
        text.push_str(&step(change, redactor));
    }
    if view.changes.len() > MOST {
        let _ = writeln!(text, "\nand {} more steps", view.changes.len() - MOST);
    }
    text + "\n</details>\n"
}

fn step(change: &Change, redactor: &Redactor) -> String {
    let risk = if change.step.risk == Risk::High { ", **high risk**" } else { "" };
    let mut text = format!("\n**{}** {}{risk}\n\n", change.step.action, span(redactor, &change.step.id.to_string()));
    for (name, before, after) in &change.attributes {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        let said = format!("{name}: {} → {}", value(before), value(after));
        let _ = writeln!(text, "- {}", span(redactor, &said));
    }
    if let Some(note) = &change.note {
        let _ = writeln!(text, "{}", span(redactor, note));
    }
    if let Some(diff) = &change.diff {
        // Before it is cut: of a secret that stands where it ends, half would be shown.
        let diff = &*redactor.mask(diff);
        let shown = cut(diff);
        let _ = write!(text, "\n{}", block(redactor, "diff", shown));
        if shown.len() < diff.len() {
            let more = diff[shown.len()..].lines().count();
            let _ = writeln!(text, "\nand {more} more lines");
        }
    }
    text
}

/// Returns whole lines from the beginning, as many as are shown.
fn cut(diff: &str) -> &str {
    if diff.len() <= LONGEST_DIFF {
        return diff;
    }
    let end = diff.floor_char_boundary(LONGEST_DIFF);
    &diff[..diff[..end].rfind('\n').map_or(end, |line| line + 1)]
}
