//! What a pull request would change, as its status says it. Pure.

use super::host::State;
use super::markdown::span;
use crate::audit::Redactor;
use crate::model::view::PlanView;
use crate::model::{Decision, Finding, Name, Revision, Waits};

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
            return (State::Failure, format!("{name}: {}", why.map(Finding::said).unwrap_or_default()));
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

    /// Whether there may be a plan another time, though nothing of what is proposed moves.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match &self.fate {
            Fate::Planned(plans) => plans.iter().any(|(_, plan)| plan.as_ref().is_err_and(|why| why.passing)),
            Fate::NotRead(why) => why.passing,
            Fate::Conflict(_) | Fate::NotMerged(_) | Fate::Fork => false,
        }
    }

    /// Whether nobody has to be told, who was told nothing yet: its status says enough.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(&self.fate, Fate::Fork) || matches!(&self.fate, Fate::Planned(plans) if plans.is_empty())
    }
}

impl NotPlanned {
    fn state(&self) -> State {
        if self.passing { State::Error } else { State::Failure }
    }

    pub(super) fn said(&self, redactor: &Redactor) -> String {
        format!("`{}` {}", self.code, span(redactor, &self.message))
    }
}

pub(super) fn waits(plan: &PlanView) -> Option<Waits> {
    if plan.verdict.decision == Decision::Hold {
        Waits::of(&plan.verdict.findings).or(Some(Waits::Other))
    } else {
        None
    }
}

fn applications(count: usize) -> String {
    if count == 1 { "1 application".into() } else { format!("{count} applications") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// No Git host has a limit below this.
    const LIMIT: usize = 65_536;

    fn view(steps: usize, diff: &str, findings: &serde_json::Value, decision: &str) -> PlanView {
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
        let diff = "+a line of a file\n".repeat(2_000);
        for plans in [
            (0..60).map(|_| Ok(view(60, &diff, &json!([]), "go"))).collect::<Vec<_>>(),
            (0..60).map(|_| Ok(view(1, &"`".repeat(50_000), &json!([]), "go"))).collect(),
            vec![Err(NotPlanned { code: "render.x".into(), message: "x".repeat(1 << 16), passing: false })],
        ] {
            let text = planned(plans).comment("<!-- trueup/plan -->", &redactor);
            assert!(text.len() < LIMIT && text.starts_with("<!-- trueup/plan -->\n### "), "{}", text.len());
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        }
        let text = planned(vec![Ok(view(1, &diff, &json!([]), "go"))]).comment("<!-- x -->", &redactor);
        assert!(text.contains("more lines"), "{text}");
        let paths = (0..20).map(|_| "x".repeat(4096)).collect();
        assert!(proposed(Fate::Conflict(paths)).comment("<!-- x -->", &redactor).len() < LIMIT);
    }

    #[test]
    fn a_secret_that_is_like_our_own_markdown_removes_none_of_it() {
        let (marker, fence) = ("<!-- trueup/plan -->", "`".repeat(8));
        let redactor = Redactor::new([fence.as_str(), marker, "</details>", "s3cr3t-of-the-tests"]);
        // Seven backticks want a fence of eight.
        let diff = format!("+{}\n+{fence}\n+{marker}\n+s3cr3t-of-the-tests\n", "`".repeat(7));
        let text = planned(vec![Ok(view(1, &diff, &json!([]), "go"))]).comment(marker, &redactor);
        assert!(text.starts_with(&format!("{marker}\n")) && text.matches(marker).count() == 1, "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with(&fence)).count(), 2, "{text}");
        assert!(text.contains("</details>") && !text.contains("s3cr3t-of-the-tests"), "{text}");
        // Nor is half of one shown where a diff is cut.
        let diff = format!("+{}s3cr3t-of-the-tests\n", "x".repeat(7_990));
        assert!(!planned(vec![Ok(view(1, &diff, &json!([]), "go"))]).comment(marker, &redactor).contains("s3cr"));
    }

    #[test]
    fn the_status_is_green_only_where_everything_may_go() {
        let no = |passing| NotPlanned { code: "render.x".into(), message: "no".into(), passing };
        let finding = |guard: &str| json!([{ "guard": guard, "message": "m", "objects": [] }]);
        let held = |guard: &str| Ok(view(1, "", &finding(guard), "hold"));
        let go = || Ok(view(1, "", &json!([]), "go"));
        let nothing = || Ok(view(0, "", &json!([]), "go"));
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
