//! What a person is shown before they say yes, and what `--json` prints.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::followed::Followed;
use super::remote::Remote;
use crate::cli::show::{self, printable};
use crate::model::view::{PlanView, SharedFiles, Status};
use crate::model::{Action, Name, ObjectId, Revision};
use crate::source::SetBack;

/// More files than these are only counted.
const SHOWN: usize = 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    application: Name,
    /// The followed branch.
    branch: String,
    from: Revision,
    to: Revision,
    paths: Vec<String>,
    /// What changes in the repository; nothing where it is all the same already.
    files: Vec<String>,
    shared: Vec<SharedFiles>,
    lasting: Vec<Lasting>,
    /// As the daemon says it; `null` where nothing changes.
    plan: Option<Value>,
    #[serde(skip)]
    view: Option<PlanView>,
    pub commit: Option<String>,
    /// The branch that has the commit now.
    pub pushed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
}

/// A step that no further rollback takes back.
#[derive(Serialize)]
struct Lasting {
    action: Action,
    object: ObjectId,
}

impl Told {
    pub(super) fn new(followed: &Followed, remote: &Remote, to: &Revision, change: &SetBack, status: &Status) -> Self {
        Self {
            application: followed.application.clone(),
            branch: followed.branch.clone(),
            from: remote.tip.clone(),
            to: to.clone(),
            paths: followed.paths.clone(),
            files: change.files.clone(),
            shared: followed.shared(status, &change.files),
            lasting: vec![],
            plan: None,
            view: None,
            commit: None,
            pushed: None,
            patch: None,
        }
    }

    /// Takes note of the plan that the same tree gives at the revision that is gone back to.
    pub(super) fn planned(&mut self, answer: Value, view: PlanView) {
        let lasting = view.plan.steps.iter().filter(|step| words(step.action).is_some());
        self.lasting = lasting.map(|step| Lasting { action: step.action, object: step.id.clone() }).collect();
        (self.plan, self.view) = (Some(answer), Some(view));
    }

    /// Returns what is asked about; `end` for what became of it.
    pub(super) fn text(&self, end: bool) -> String {
        if self.files.is_empty() {
            let (name, to) = (&self.application, self.to.short());
            return format!("nothing to do: {name} is in {} as it was at {to}\n", printable(&self.branch));
        }
        if end { self.ended() } else { self.asked() }
    }

    fn asked(&self) -> String {
        let mut text = self.view.as_ref().map(show::plan).unwrap_or_default();
        let (from, to) = (self.from.short(), self.to.short());
        let _ = writeln!(text, "\nset back in Git, from {from} on {} to {to}", printable(&self.branch));
        for file in self.files.iter().take(SHOWN) {
            let _ = writeln!(text, "  {}", printable(file));
        }
        if let Some(more) = self.files.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {more} more");
        }
        if !self.shared.is_empty() {
            text.push_str("\nset back with it: these applications have some of the files too\n");
        }
        for one in &self.shared {
            let _ = writeln!(text, "  {}: {}", one.application, printable(&one.paths.join(", ")));
        }
        if !self.lasting.is_empty() {
            text.push_str("\nnot to be undone by another commit\n");
        }
        for one in &self.lasting {
            let words = words(one.action).unwrap_or_default();
            let _ = writeln!(text, "  {}: {words}", printable(&one.object.to_string()));
        }
        text
    }

    fn ended(&self) -> String {
        match (&self.commit, &self.pushed) {
            (Some(commit), Some(branch)) => {
                format!("\npushed {} to {}\n", commit.get(..10).unwrap_or(commit), printable(branch))
            }
            _ => "\nnothing was pushed\n".into(),
        }
    }

    /// Says what comes next, after the push.
    pub(super) fn way_on(&self) -> String {
        let name = &self.application;
        match &self.pushed {
            Some(pushed) if *pushed != self.branch => {
                let (pushed, branch) = (printable(pushed), printable(&self.branch));
                format!("open a merge request from {pushed} into {branch}: nothing goes live before")
            }
            _ => format!("`trueup status` says when it is live; `trueup sync {name}` does not wait for the next look"),
        }
    }
}

/// Says why a step is there to stay; `None` where a later one takes it back.
const fn words(action: Action) -> Option<&'static str> {
    match action {
        Action::Run => Some("is run, and what it does stays done"),
        Action::Delete => Some("is deleted: what it held is kept for `trueup restore` as far as that goes"),
        Action::Replace => Some("makes room: what it held is kept for `trueup restore` as far as that goes"),
        Action::Create | Action::Update | Action::Adopt | Action::Release => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::model::{Cause, Decision, Digest, Plan, Risk, Step, Verdict};

    fn told(actions: &[(Action, &'static str)], files: Vec<String>) -> Told {
        let step = |(action, name): &(Action, &'static str)| Step {
            id: ObjectId::new("path", name),
            action: *action,
            cause: Cause::Intentional,
            before: Digest::ABSENT,
            after: Digest::ABSENT,
            fingerprint: None,
            risk: Risk::Low,
            wave: 0,
        };
        let (name, digest) = (|text: &str| text.parse::<Name>().unwrap(), Digest::ABSENT);
        let plan = Plan::new(name("web"), name("host"), digest, actions.iter().map(step).collect());
        let verdict = Verdict { decision: Decision::Go, findings: vec![], forced_by: vec![], changes_at: None };
        let view = PlanView { plan, revision: None, commit: None, verdict, changes: vec![], matched: 0 };
        let revision = |digit: &str| digit.repeat(40).parse::<Revision>().unwrap();
        let shared = vec![SharedFiles { application: name("db"), paths: vec!["common".into(), "a\u{7}".into()] }];
        let mut told = Told {
            application: name("web"),
            branch: "main".into(),
            from: revision("b"),
            to: revision("a"),
            paths: vec!["common".into(), "web".into()],
            shared: if files.len() > 1 { shared } else { vec![] },
            files,
            lasting: vec![],
            plan: None,
            view: None,
            commit: None,
            pushed: None,
            patch: None,
        };
        told.planned(Value::Null, view);
        told
    }

    #[test]
    fn what_is_asked_about_reads_from_the_plan_to_what_stays() {
        let actions =
            [(Action::Create, "/a"), (Action::Delete, "/b\u{1b}[2J"), (Action::Run, "/c"), (Action::Update, "/d")];
        let told = told(&actions, vec!["common/x".into(), "web/\u{202e}y".into()]);
        let text = strip_str(&told.text(false)).to_string();
        let (_, text) = text.split_once("; go\n").unwrap();
        let expected = r"
set back in Git, from bbbbbbbbbb on main to aaaaaaaaaa
  common/x
  web/\u{202e}y

set back with it: these applications have some of the files too
  db: common, a\u{7}

not to be undone by another commit
  path /b\u{1b}[2J: is deleted: what it held is kept for `trueup restore` as far as that goes
  path /c: is run, and what it does stays done
";
        assert_eq!(text, expected);
        assert_eq!(told.text(true), "\nnothing was pushed\n");
    }

    #[test]
    fn what_is_shared_by_none_and_leaves_nothing_behind_is_not_spoken_of_and_many_files_are_counted() {
        let mut told = told(&[(Action::Update, "/d")], vec!["web/x".into()]);
        assert!(told.text(false).ends_with(" to aaaaaaaaaa\n  web/x\n"), "{}", told.text(false));
        told.files = (0..=SHOWN).map(|number| format!("web/{number}")).collect();
        assert!(told.text(false).ends_with("  web/19\n  and 1 more\n"), "{}", told.text(false));
        (told.commit, told.pushed) = (Some("c".repeat(40)), Some("main".into()));
        assert_eq!(told.text(true), "\npushed cccccccccc to main\n");
        assert!(told.way_on().contains("`trueup status`"), "{}", told.way_on());
        told.pushed = Some("fix\u{7}".into());
        assert_eq!(told.way_on(), r"open a merge request from fix\u{7} into main: nothing goes live before");
        told.files.clear();
        assert_eq!(told.text(true), "nothing to do: web is in main as it was at aaaaaaaaaa\n");
    }
}
