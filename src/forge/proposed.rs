//! What a pull request would change, as its status and its comment say it. Pure.

use super::host::State;
use super::markdown::{block, span};
use crate::audit::Redactor;
use crate::model::view::{Change, PlanView};
use crate::model::{Action, Decision, Name, Revision, Risk, Waits};

/// A comment has at most so many bytes: a page that people read, and less than any Git host's limit.
const LONGEST: usize = 50_000;

/// Of one diff so many bytes are shown.
const LONGEST_DIFF: usize = 8_000;

/// So many applications, findings and steps of one application are told one by one.
const MOST: usize = 50;

/// What merging a pull request would change.
pub struct Proposed {
    pub head: Revision,
    /// The short name of the branch that it goes to.
    pub onto: String,
    pub fate: Fate,
}

/// What came of planning it.
pub enum Fate {
    /// The applications that it is about, by name.
    Planned(Vec<(Name, Result<PlanView, NotPlanned>)>),
    /// Somebody has to choose at these paths first.
    Conflict(Vec<String>),
    /// It cannot be told what a merge would give.
    NotMerged(&'static str),
    /// It could not be had, or must not be read.
    NotRead(NotPlanned),
    /// It comes from a fork, and nobody allowed those.
    Fork,
}

/// Why there is no plan.
pub struct NotPlanned {
    /// Stable.
    pub code: String,
    pub message: String,
    /// It is no fault of what is proposed: another time there may be a plan.
    pub passing: bool,
}

impl Proposed {
    /// Returns how the head of the pull request shows it.
    #[must_use]
    pub fn state(&self) -> (State, String) {
        let plans = match &self.fate {
            Fate::Planned(plans) => plans,
            Fate::Conflict(_) => return (State::Failure, format!("it conflicts with {}", self.onto)),
            Fate::NotMerged(why) => return (State::Failure, format!("it cannot be merged here: {why}")),
            Fate::NotRead(why) => return (why.state(), why.message.clone()),
            Fate::Fork => return (State::Error, "it comes from a fork, which is not planned (forge.forks)".into()),
        };
        let failed = plans.iter().find_map(|(name, plan)| Some((name, plan.as_ref().err()?)));
        if let Some((name, why)) = failed {
            return (why.state(), format!("{name}: {}", why.message));
        }
        let found: Vec<_> = plans.iter().filter_map(|(name, plan)| Some((name, plan.as_ref().ok()?))).collect();
        let stuck = found.iter().find(|(_, plan)| waits(plan) == Some(Waits::Other));
        if let Some((name, plan)) = stuck {
            let why = plan.verdict.findings.iter().find(|finding| finding.holds());
            return (State::Failure, format!("{name}: {}", why.map(|why| why.said()).unwrap_or_default()));
        }
        let waiting = found.iter().filter(|(_, plan)| waits(plan).is_some()).count();
        let changing = found.iter().filter(|(_, plan)| !plan.plan.steps.is_empty()).count();
        let held = if waiting == 0 { String::new() } else { format!(", {waiting} after a yes or at their time") };
        (
            State::Success,
            if changing == 0 {
                "nothing changes".into()
            } else {
                format!("{} would change{held}", applications(changing))
            },
        )
    }

    /// Whether nobody has to be told, who was told nothing yet: its status says enough.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(&self.fate, Fate::Fork) || matches!(&self.fate, Fate::Planned(plans) if plans.is_empty())
    }

    /// Returns the comment, which begins with `marker`, a line that nobody sees.
    #[must_use]
    pub fn comment(&self, marker: &str, redactor: &Redactor) -> String {
        let head = self.head.short();
        let mut text = format!("{marker}\n### What merging `{head}` into {} changes\n\n", span(redactor, &self.onto));
        match &self.fate {
            Fate::Planned(plans) if plans.is_empty() => {
                text.push_str("Nothing: it touches no application of this daemon.\n")
            }
            Fate::Planned(plans) => planned(&mut text, plans, head, redactor),
            Fate::Conflict(paths) => {
                text.push_str("Nothing yet: it conflicts with that branch. Somebody has to choose at:\n\n");
                paths.iter().for_each(|path| text.push_str(&format!("- {}\n", span(redactor, path))));
            }
            Fate::NotMerged(why) => text.push_str(&format!("It could not be told: {why}.\n")),
            Fate::NotRead(why) => text.push_str(&format!("It could not be planned: {}\n", why.said(redactor))),
            Fate::Fork => text.push_str("It comes from a fork, and those are not planned here.\n"),
        }
        redactor.mask(&text).into_owned()
    }
}

impl NotPlanned {
    fn state(&self) -> State {
        if self.passing { State::Error } else { State::Failure }
    }

    fn said(&self, redactor: &Redactor) -> String {
        format!("`{}` {}", self.code, span(redactor, &self.message))
    }
}

fn waits(plan: &PlanView) -> Option<Waits> {
    if plan.verdict.decision == Decision::Hold {
        Waits::of(&plan.verdict.findings).or(Some(Waits::Other))
    } else {
        None
    }
}

fn applications(count: usize) -> String {
    if count == 1 { "1 application".into() } else { format!("{count} applications") }
}

fn planned(text: &mut String, plans: &[(Name, Result<PlanView, NotPlanned>)], head: &str, redactor: &Redactor) {
    text.push_str("| application | plan | creates | updates | deletes | other | risk | then |\n|---|---|--:|--:|--:|--:|---|---|\n");
    for (name, plan) in plans.iter().take(MOST) {
        text.push_str(&row(name, plan));
    }
    if plans.len() > MOST {
        text.push_str(&format!("\nand {} more\n", plans.len() - MOST));
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
        text.push_str(&format!("- `{}`{passed} {}\n", finding.guard.code(), span(redactor, &finding.said())));
        for object in finding.objects.iter().take(MOST) {
            text.push_str(&format!("  - {}\n", span(redactor, &object.to_string())));
        }
    }
    for change in view.changes.iter().take(MOST) {
        text.push_str(&step(change, redactor));
    }
    if view.changes.len() > MOST {
        text.push_str(&format!("\nand {} more steps\n", view.changes.len() - MOST));
    }
    text + "\n</details>\n"
}

fn step(change: &Change, redactor: &Redactor) -> String {
    let risk = if change.step.risk == Risk::High { ", **high risk**" } else { "" };
    let mut text = format!("\n**{}** {}{risk}\n\n", change.step.action, span(redactor, &change.step.id.to_string()));
    for (name, before, after) in &change.attributes {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        let said = format!("{name}: {} → {}", value(before), value(after));
        text.push_str(&format!("- {}\n", span(redactor, &said)));
    }
    if let Some(note) = &change.note {
        text.push_str(&format!("{}\n", span(redactor, note)));
    }
    if let Some(diff) = &change.diff {
        let shown = cut(diff);
        text.push_str(&format!("\n{}", block(redactor, "diff", shown)));
        if shown.len() < diff.len() {
            let more = diff[shown.len()..].lines().count();
            text.push_str(&format!("\nand {more} more lines\n"));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// No Git host has a limit below this.
    const LIMIT: usize = 65_536;

    fn view(steps: usize, diff: &str, findings: serde_json::Value, decision: &str) -> PlanView {
        let digest = "0".repeat(64);
        let step = json!({
            "id": { "kind": "path", "namespace": "", "name": format!("/etc/{}", "x".repeat(200)) }, "action": "update",
            "cause": "intentional", "before": digest, "after": digest, "fingerprint": "", "risk": "high", "wave": 0,
        });
        let change = json!({ "step": step, "diff": diff, "place": "web/x:1:1" });
        let plan = json!({ "id": digest, "application": "web", "target": "host", "inputs": digest, "steps": vec![step; steps] });
        let verdict = json!({ "decision": decision, "findings": findings });
        let view =
            json!({ "plan": plan, "revision": null, "verdict": verdict, "changes": vec![change; steps], "matched": 0 });
        serde_json::from_value(view).unwrap()
    }

    fn proposed(fate: Fate) -> Proposed {
        Proposed { head: "a".repeat(40).parse().unwrap(), onto: "main".into(), fate }
    }

    fn planned(plans: Vec<Result<PlanView, NotPlanned>>) -> Proposed {
        let name = |number: usize| format!("app-{number}").parse().unwrap();
        proposed(Fate::Planned(plans.into_iter().enumerate().map(|(number, plan)| (name(number), plan)).collect()))
    }

    #[test]
    fn a_comment_has_an_end_whatever_is_proposed() {
        let redactor = Redactor::new(["s3cr3t-of-the-tests"]);
        let diff = "+a line of a file\n".repeat(20_000);
        for plans in [
            (0..200).map(|_| Ok(view(60, &diff, json!([]), "go"))).collect::<Vec<_>>(),
            (0..200).map(|_| Ok(view(1, &"`".repeat(200_000), json!([]), "go"))).collect(),
            vec![Err(NotPlanned { code: "render.x".into(), message: "x".repeat(1 << 20), passing: false })],
        ] {
            let text = planned(plans).comment("<!-- trueup/plan -->", &redactor);
            assert!(text.len() < LIMIT && text.starts_with("<!-- trueup/plan -->\n### "), "{}", text.len());
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        }
        let text = planned(vec![Ok(view(1, &diff, json!([]), "go"))]).comment("<!-- x -->", &redactor);
        assert!(text.contains("more lines"), "{text}");
        let paths = (0..20).map(|_| "x".repeat(4096)).collect();
        assert!(proposed(Fate::Conflict(paths)).comment("<!-- x -->", &redactor).len() < LIMIT);
    }

    #[test]
    fn the_status_is_green_only_where_everything_may_go() {
        let no = |passing| NotPlanned { code: "render.x".into(), message: "no".into(), passing };
        let finding = |guard: &str| json!([{ "guard": guard, "message": "m", "objects": [] }]);
        let held = |guard: &str| Ok(view(1, "", finding(guard), "hold"));
        let go = || Ok(view(1, "", json!([]), "go"));
        let nothing = || Ok(view(0, "", json!([]), "go"));
        for (proposed, state, said) in [
            (planned(vec![]), State::Success, "nothing changes"),
            (planned(vec![nothing()]), State::Success, "nothing changes"),
            (planned(vec![go(), nothing()]), State::Success, "1 application would change"),
            (
                planned(vec![go(), held("adoption")]),
                State::Success,
                "2 applications would change, 1 after a yes or at their time",
            ),
            (planned(vec![go(), held("ancestry-unknown")]), State::Failure, "app-1: m"),
            (planned(vec![go(), Err(no(false))]), State::Failure, "app-1: no"),
            (planned(vec![Err(no(true)), go()]), State::Error, "app-0: no"),
            (proposed(Fate::Conflict(vec!["x".into()])), State::Failure, "it conflicts with main"),
            (proposed(Fate::NotRead(no(true))), State::Error, "no"),
            (proposed(Fate::Fork), State::Error, "it comes from a fork, which is not planned (forge.forks)"),
        ] {
            assert_eq!(proposed.state(), (state, said.to_owned()));
        }
    }
}
