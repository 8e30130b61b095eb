use serde_json::{Value, json};

use super::Case;
use super::matching::branch;
use crate::expression::Variables;
use crate::model::{Action, Plan, Step};
use crate::policy::{Commits, Facts};
use crate::source::Commit;

/// What the expressions of a policy see: `docs/policies.md` has the table.
pub(super) struct Values(Variables);

impl Values {
    pub(super) fn of(case: &Case<'_>) -> Self {
        let mut values = Variables::new();
        values.set("plan", &plan(case.plan, &case.steps, case.facts));
        values.set("application", &application(case.facts));
        values.set("target", &json!({ "name": case.facts.target }));
        values.set_time("now", case.facts.now);
        let commits: Vec<_> = match &case.facts.commits {
            Commits::New(commits) => commits.iter().map(|one| commit(one, case)).collect(),
            Commits::None | Commits::Unknown => vec![],
        };
        values.set("commit", commits.first().unwrap_or(&Value::Null));
        values.set("commits", &Value::Array(commits));
        Self(values)
    }

    pub(super) const fn whole(&self) -> &Variables {
        &self.0
    }

    pub(super) fn with(&self, one: &Step) -> Variables {
        let mut values = self.0.clone();
        values.set("step", &step(one));
        values
    }
}

fn plan(plan: &Plan, steps: &[&Step], facts: &Facts) -> Value {
    let count = |action: Action| steps.iter().filter(|step| step.action == action).count();
    json!({
        "id": plan.id,
        "steps": steps.iter().map(|one| step(one)).collect::<Vec<_>>(),
        "creates": count(Action::Create),
        "updates": count(Action::Update),
        "replaces": count(Action::Replace),
        "deletes": count(Action::Delete),
        "runs": count(Action::Run),
        "adopts": count(Action::Adopt),
        "releases": count(Action::Release),
        "takesBack": facts.takes_back,
    })
}

fn step(step: &Step) -> Value {
    json!({
        "kind": step.id.kind,
        "namespace": step.id.namespace,
        "name": step.id.name,
        "action": step.action,
        "cause": step.cause,
        "risk": step.risk,
        "wave": step.wave,
    })
}

fn application(facts: &Facts) -> Value {
    json!({
        "name": facts.application,
        "labels": facts.labels,
        "repository": facts.repository,
        "branch": branch(&facts.reference),
        "objects": facts.owned,
    })
}

fn commit(commit: &Commit, case: &Case<'_>) -> Value {
    let signer = commit.signer.as_ref().and_then(|signed| case.people.signer(signed));
    let time = commit.time.map(|time| time.to_string());
    json!({
        "id": commit.revision,
        "author": commit.author,
        "email": commit.email,
        "committer": commit.committer,
        "committerEmail": commit.committer_email,
        "subject": commit.subject(),
        "message": commit.message,
        "time": time,
        "signed": commit.signer.is_some(),
        "signer": signer,
    })
}
