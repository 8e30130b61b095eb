//! Fixed structs, with hostile text where others write.

use serde_json::{Value, json};
use trueup::model::view::{
    ApplicationStatus, BreakGlassAsked, BreakGlassView, Change, Edits, NotificationStatus, PlanView, PolicyListed,
    PolicyRule, PolicyView, RepositoryStatus, Status, StepReport, SyncReport,
};
use trueup::model::{
    Action, Actor, Boot, BreakGlass, BreakGlassEnd, BreakGlassId, Cause, Decision, Digest, Finding, Guard, Name,
    ObjectId, Outcome, Plan, Revision, Risk, Step, Time, Verdict,
};

pub(crate) const NOW: Time = Time(1_795_000_000_000_000);

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn revision(digit: char) -> Revision {
    String::from(digit).repeat(40).parse().unwrap()
}

fn step(action: Action, kind: &'static str, name: &str) -> Step {
    Step {
        id: ObjectId::new(kind, name),
        action,
        cause: Cause::Intentional,
        before: Digest::ABSENT,
        after: Digest::of(name.as_bytes()),
        fingerprint: None,
        risk: Risk::Low,
        wave: 0,
    }
}

fn change(step: Step) -> Change {
    Change { step, attributes: vec![], diff: None, note: None, place: None }
}

pub(crate) fn plan() -> PlanView {
    let changes = vec![
        Change {
            attributes: vec![("mode".into(), None, Some("0644".into())), ("owner".into(), None, Some("root".into()))],
            diff: Some("@@ -0,0 +1,2 @@\n+server {\n+\tlisten 80;\u{1b}[2J\n".into()),
            place: Some("roles/web/site.yaml:3:1".into()),
            ..change(step(Action::Create, "path", "/etc/nginx/conf.d/site.conf"))
        },
        Change {
            attributes: vec![("mode".into(), Some("0644".into()), Some("0600".into()))],
            note: Some("changed, content hidden".into()),
            ..change(Step { cause: Cause::Corrective, ..step(Action::Update, "path", "/etc/token") })
        },
        change(Step { risk: Risk::High, ..step(Action::Replace, "path", "/etc/was-a-folder") }),
        change(step(Action::Delete, "path", "/etc/old\u{202e}cod")),
        change(step(Action::Run, "handler", "/usr/sbin/nginx -s reload")),
    ];
    let steps = changes.iter().map(|change| change.step.clone()).collect();
    let finding = |guard, message: &str, passed| Finding { passed, ..Finding::new(guard, message, vec![]) };
    let findings = vec![
        finding(Guard::Replace, "1 object is replaced by one of another sort", false),
        finding(Guard::DeleteLimit, "1 of 2 objects would be deleted", true),
        Finding {
            objects: vec![ObjectId::new("path", "/etc/other")],
            ..finding(Guard::Claim, "another application holds it", false)
        },
    ];
    PlanView {
        plan: Plan::new(name("nginx"), name("web-1"), Digest::of(b"inputs"), steps),
        revision: Some(revision('a')),
        commit: Some("Ada: raise\u{7} the limit".into()),
        verdict: Verdict { decision: Decision::Hold, findings, forced_by: vec![], changes_at: None },
        changes,
        matched: 3,
    }
}

pub(crate) fn empty_plan() -> PlanView {
    let plan = Plan::new(name("nginx"), name("web-1"), Digest::of(b"inputs"), vec![]);
    let verdict = Verdict { decision: Decision::Go, findings: vec![], forced_by: vec![], changes_at: None };
    PlanView { plan, revision: None, commit: None, verdict, changes: vec![], matched: 0 }
}

pub(crate) fn applications() -> Vec<ApplicationStatus> {
    let good = ApplicationStatus {
        name: name("nginx"),
        labels: [].into(),
        target: name("web-1"),
        repository: name("platform"),
        paths: vec!["web".into()],
        outcome: Some(Outcome::Applied),
        syncing: false,
        room: None,
        since: Some(Time(NOW.0 - 125_000_000)),
        code: None,
        message: None,
        findings: vec![],
        changes_at: None,
        plan: None,
        applied: Some(revision('a')),
        good: Some(revision('a')),
        bad: None,
        revert: None,
        objects: 12,
        syncs: 3,
        suspended: None,
    };
    let held = ApplicationStatus {
        name: name("motd"),
        outcome: Some(Outcome::Held),
        since: Some(Time(NOW.0 - 7_200_000_000)),
        message: Some("12 of 14 objects\r would be deleted".into()),
        findings: vec![Finding::new(Guard::DeleteLimit, "12 of 14 objects\r would be deleted", vec![])],
        plan: Some(plan().plan.id),
        applied: None,
        objects: 14,
        ..good.clone()
    };
    vec![good, held]
}

pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        started: Time(NOW.0 - 3 * 86_400_000_000),
        rejected_configuration: vec![],
        left_out: vec![],
        orphans: vec![],
        trail: trueup::model::view::TrailStatus::default(),
        repositories: vec![RepositoryStatus {
            name: name("platform"),
            url: "https://git.example.org/ops/platform.git".into(),
            reference: "refs/heads/main".into(),
            head: Some(revision('b')),
            state: "source.unreachable".into(),
            message: Some("could not reach git.example.org".into()),
            polled: Some(Time(NOW.0 - 12_000_000)),
        }],
        applications: applications(),
        notifications: vec![NotificationStatus {
            name: name("ops-chat"),
            kind: "slack".into(),
            state: "notify.denied".into(),
            message: Some("it answered 403 Forbidden: no\u{1b}[2J_service".into()),
            delivered: Some(Time(NOW.0 - 3_600_000_000)),
            waiting: 3,
            dropped: 1,
            last_dropped: Some(41),
        }],
    }
}

pub(crate) fn report(application: &str, outcome: Outcome, message: &str) -> SyncReport {
    SyncReport {
        application: application.parse().unwrap_or_else(|_| name("x")),
        outcome,
        revision: Some(revision('a')),
        plan: Some(plan().plan.id),
        code: Some("sample.code".into()),
        message: Some(message.into()),
        findings: vec![],
        changes_at: None,
        steps: vec![StepReport {
            id: ObjectId::new("path", "/etc/motd"),
            action: Action::Update,
            result: "done".into(),
            message: None,
        }],
        corrective: 1,
        milliseconds: 42,
    }
}

fn actor(index: usize) -> Value {
    match index {
        0 => json!({ "kind": "daemon", "subject": "trueup", "display": "poll" }),
        _ => json!({ "kind": "unix-user", "subject": "0", "display": "ro\u{1b}ot" }),
    }
}

pub(crate) fn records() -> Vec<Value> {
    let step = json!({ "object": { "kind": "path", "name": "/etc/motd" } });
    let bodies = [
        json!({ "kind": "planned", "verdict": { "decision": "go" }, "steps": [step, step] }),
        json!({ "kind": "intent", "steps": [step] }),
        json!({ "kind": "outcome", "outcomes": [{ "result": "failed" }] }),
        json!({ "kind": "closed", "outcome": "applied" }),
    ];
    let records = bodies.iter().enumerate().map(|(index, body)| {
        json!({
            "seq": index + 1,
            "time": NOW.0,
            "kind": body["kind"],
            "application": "nginx",
            "revision": revision('a'),
            "actor": actor(index),
            "body": body,
        })
    });
    records.collect()
}

pub(crate) fn policy() -> PolicyListed {
    PolicyListed {
        name: name("freeze"),
        rules: vec![Guard::Window, Guard::Approve],
        applications: vec![name("nginx")],
        overridden_by: Some(vec![name("oncall")]),
        override_people: 1,
    }
}

pub(crate) fn explained() -> Vec<PolicyView> {
    let rule = |guard, says: &str, holds| PolicyRule { guard, says: says.into(), holds, changes_at: None };
    let binding = PolicyView {
        name: name("freeze"),
        binds: true,
        because: None,
        rules: vec![
            rule(Guard::Window, "changes wait until Mon\u{7}day", Some(true)),
            rule(Guard::Deny, "no", Some(false)),
        ],
        overridden_by: Some(vec![]),
        override_people: 0,
        break_glass: vec![BreakGlassId("0123456789abcdef".into())],
    };
    let other = PolicyView {
        name: name("other"),
        binds: false,
        because: Some("its match.labels name other applications".into()),
        rules: vec![],
        overridden_by: None,
        ..binding.clone()
    };
    vec![binding, other]
}

pub(crate) fn requests() -> Vec<BreakGlassAsked> {
    let asked = BreakGlassAsked {
        request: Some(name("mend")),
        applications: vec![name("nginx")],
        live_edit: vec!["/etc/nginx/*".into()],
        reason: "the site is down".into(),
        ticket: Some("OPS-1".into()),
        seconds: 3600,
        ..BreakGlassAsked::default()
    };
    vec![asked]
}

pub(crate) fn break_glass() -> Vec<BreakGlassView> {
    let opening = BreakGlass {
        id: BreakGlassId("0123456789abcdef".into()),
        applications: vec![name("nginx")],
        policies: vec![name("freeze")],
        live_edit: vec![],
        reason: "the site is down".into(),
        ticket: Some("OPS-1".into()),
        request: None,
        by: Actor::unix_user(0, "root".into()),
        opened: Time(NOW.0 - 60_000_000),
        boot: Boot { id: "one".into(), elapsed: 0 },
        lasts: 3600,
        needs: 0,
    };
    let (until, agreed) = (opening.until(), vec![]);
    let open = BreakGlassView { opening, until, in_force: true, agreed, used: 2, ended: None, end: None };
    let edit =
        BreakGlass { live_edit: vec!["/etc/nginx/*".into()], policies: vec![], ticket: None, ..open.opening.clone() };
    let ended = BreakGlassView {
        opening: edit,
        in_force: false,
        ended: Some(NOW),
        end: Some(BreakGlassEnd::Closed),
        ..open.clone()
    };
    let waits =
        BreakGlassView { opening: BreakGlass { needs: 1, ..open.opening.clone() }, in_force: false, ..open.clone() };
    vec![open, ended, waits]
}

pub(crate) fn edits() -> Edits {
    let view = plan();
    let change = view.changes.into_iter().find(|change| change.diff.is_some()).unwrap();
    Edits { application: name("nginx"), plan: view.plan.id, changes: vec![change] }
}
