use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::config::{Declared, Drift};
use crate::model::{
    Action, Actor, Boot, BreakGlass, BreakGlassId, Cause, Digest, Finding, Guard, ObjectId, PassedBy, Risk, Step, Time,
};
use crate::source::Relation;
use crate::store::{Approval, Rejection, Spent};

fn plan(action: Action, count: usize) -> Plan {
    let step = |n| Step {
        id: ObjectId::new("path", &format!("/{n}")),
        action,
        cause: Cause::Intentional,
        before: Digest::of(b"before"),
        after: Digest::ABSENT,
        fingerprint: None,
        risk: Risk::Low,
        wave: 0,
    };
    Plan::new("app".parse().unwrap(), "host".parse().unwrap(), Digest::of(b""), (0..count).map(step).collect())
}

fn facts() -> Facts {
    Facts {
        rendered: 100,
        owned: 100,
        forward: true,
        ..Facts::of("app".parse().unwrap(), "host".parse().unwrap(), "platform".parse().unwrap(), Time(1_000_000))
    }
}

fn guards(verdict: &Verdict) -> Vec<Guard> {
    verdict.findings.iter().map(|finding| finding.guard).collect()
}

/// Each guard with the least that trips it.
fn tripped(guard: Guard) -> (Plan, Rules, Facts) {
    let left_out = |guard| vec![Finding::new(guard, "left out", vec![])];
    let (plan, facts) = match guard {
        Guard::DeleteLimit => (plan(Action::Delete, 11), facts()),
        Guard::EmptyRender => (plan(Action::Delete, 1), Facts { rendered: 0, ..facts() }),
        Guard::ProtectedDelete => {
            let plan = plan(Action::Delete, 1);
            let protected = vec![(plan.steps[0].id.clone(), "a host needs it".to_owned())];
            (plan, Facts { protected, ..facts() })
        }
        Guard::Adoption => (plan(Action::Adopt, 1), facts()),
        Guard::Replace => (plan(Action::Replace, 1), facts()),
        Guard::NotDescendant => (plan(Action::Update, 1), Facts { relation: Some(Relation::Diverged), ..facts() }),
        Guard::AncestryUnknown => (plan(Action::Update, 1), Facts { relation: Some(Relation::Unknown), ..facts() }),
        Guard::Manual => (plan(Action::Update, 1), Facts { automatic: false, ..facts() }),
        Guard::DriftHeld => {
            let mut plan = plan(Action::Update, 1);
            plan.steps[0].cause = Cause::Corrective;
            (plan, Facts { drift: Some(Drift::Hold), ..facts() })
        }
        Guard::MissingWitness | Guard::Claim | Guard::Unknown | Guard::LiveEdit => {
            (plan(Action::Update, 1), Facts { left_out: left_out(guard), ..facts() })
        }
        Guard::DeleteBudget => {
            let spent = Spent { time: Time(999_999), application: "other".parse().unwrap(), deletes: 100 };
            (plan(Action::Delete, 1), Facts { spent: vec![spent], ..facts() })
        }
        Guard::Fight => {
            let mut plan = plan(Action::Update, 1);
            plan.steps[0].cause = Cause::Corrective;
            let fights = BTreeMap::from([(plan.steps[0].id.clone(), Fight { rounds: 5, by: None })]);
            (plan, Facts { fights, ..facts() })
        }
        Guard::Upgrade => {
            let plan = plan(Action::Update, 1);
            let objects = vec![plan.steps[0].id.clone()];
            let upgrade = Some(Upgrade { before: "0.0.9".into(), objects, unclear: None });
            (plan, Facts { upgrade, ..facts() })
        }
        Guard::Destroy => (plan(Action::Delete, 1), Facts { destroys: true, rendered: 0, ..facts() }),
        Guard::Acceptance => (about("policy"), Facts { relation: Some(Relation::Descends), ..facts() }),
        Guard::Rejected => {
            let plan = plan(Action::Update, 1);
            let actor = Actor::unix_user(1000, "ada".into());
            let application = plan.application.clone();
            let rejection = Some(Rejection { plan: plan.id, application, actor, time: Time(0), reason: None });
            (plan, Facts { rejection, ..facts() })
        }
        Guard::PolicyRewound => {
            (about("policy"), Facts { since_accepted: Some(Relation::Behind), accepted_signer: true, ..facts() })
        }
        Guard::PolicyError
        | Guard::Window
        | Guard::Limit
        | Guard::Protect
        | Guard::Approve
        | Guard::Require
        | Guard::Deny
        | Guard::Warn => (plan(Action::Update, 1), facts()),
    };
    (plan, rule_of(guard), facts)
}

/// A policy that finds something of this sort in any update.
fn rule_of(guard: Guard) -> Rules {
    let policy = match guard {
        Guard::PolicyError => json!({ "deny": { "when": "plan.nothing", "message": "no" } }),
        Guard::Window => json!({ "window": { "deny": "* * * * *", "for": "1h" } }),
        Guard::Limit => json!({ "limit": { "objects": 0 } }),
        Guard::Protect => json!({ "protect": { "actions": ["update"] } }),
        Guard::Approve => json!({ "approve": { "people": 2, "from": ["leads"] } }),
        Guard::Require => json!({ "require": { "age": "1h" } }),
        Guard::Deny => json!({ "deny": { "when": "true", "message": "no" } }),
        Guard::Warn => json!({ "warn": { "when": "true", "message": "look twice" } }),
        _ => return Rules::default(),
    };
    let spec = serde_json::from_value(policy).unwrap();
    let person = |who: &str| (who.parse().unwrap(), serde_json::from_value(json!({ "groups": ["leads"] })).unwrap());
    let policies = BTreeMap::from([("rule".parse().unwrap(), Declared { labels: BTreeMap::new(), spec })]);
    Rules::new(&policies, &BTreeMap::from([person("ada"), person("bob")]))
}

/// A plan that changes one declared document.
fn about(kind: &'static str) -> Plan {
    let mut plan = plan(Action::Update, 1);
    plan.steps[0].id = ObjectId::new(kind, "freeze");
    plan
}

#[test]
fn policies_wait_where_it_cannot_be_told_whether_they_go_back() {
    let unknown = Facts { since_accepted: Some(Relation::Unknown), accepted_signer: true, ..facts() };
    let verdict = judge(&about("policy"), &Rules::default(), &unknown);
    assert_eq!((guards(&verdict), verdict.decision), (vec![Guard::AncestryUnknown], Decision::Hold));
    assert_eq!(judge(&about("application"), &Rules::default(), &unknown).decision, Decision::Go);
}

#[test]
fn policies_go_back_by_no_word_of_anybody_and_forward_by_a_signature_too() {
    for relation in [Relation::Behind, Relation::Diverged] {
        let (plan, facts) =
            (about("person"), Facts { since_accepted: Some(relation), accepted_signer: true, ..facts() });
        for act in Act::ALL {
            let verdict = judge(&plan, &Rules::default(), &act.done(&plan, &facts));
            assert!(guards(&verdict).contains(&Guard::PolicyRewound));
            assert_eq!(verdict.decision, Decision::Hold, "{act:?}");
        }
    }
    let signed = Facts { relation: Some(Relation::Descends), accepted_signer: true, ..facts() };
    assert_eq!(judge(&about("policy"), &Rules::default(), &signed).decision, Decision::Go);
    assert_eq!(
        judge(&about("application"), &Rules::default(), &Facts { accepted_signer: false, ..signed }).decision,
        Decision::Go
    );
}

/// What a person, or the machine's own file, can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Nothing,
    /// An approval of exactly this plan, by somebody.
    Approval,
    /// As many as a policy asks for, by people of its groups.
    Approvals,
    /// One by a person whom the machine names for changes of policies.
    Acceptance,
    /// Break-glass that names the policy.
    BreakGlass,
    /// Break-glass that names another policy.
    OtherGlass,
}

impl Act {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Approval, Self::Approvals, Self::Acceptance, Self::BreakGlass, Self::OtherGlass];

    fn done(self, plan: &Plan, facts: &Facts) -> Facts {
        let approval = |person: &str| Approval {
            plan: plan.id,
            actor: Actor { person: person.parse().ok(), ..Actor::unix_user(1000, person.into()) },
            time: facts.now,
            expires: facts.now.plus_seconds(60),
        };
        let facts = Facts { acceptors: BTreeSet::from(["root-of-trust".parse().unwrap()]), ..facts.clone() };
        match self {
            Self::Nothing => facts,
            Self::Approval => Facts { approvals: vec![approval("ada")], ..facts },
            Self::Approvals => Facts { approvals: vec![approval("ada"), approval("bob")], ..facts },
            Self::Acceptance => Facts { approvals: vec![approval("root-of-trust")], ..facts },
            Self::BreakGlass => Facts { break_glass: vec![glass("rule")], ..facts },
            Self::OtherGlass => Facts { break_glass: vec![glass("another")], ..facts },
        }
    }

    /// The table of `docs/design.md`, section 6, act by act.
    fn passes(self, guard: Guard) -> bool {
        match guard.passed_by() {
            PassedBy::Approval => matches!(self, Self::Approval | Self::Approvals | Self::Acceptance),
            PassedBy::Acceptance => self == Self::Acceptance,
            PassedBy::BreakGlass => self == Self::BreakGlass,
            PassedBy::Approvals => matches!(self, Self::Approvals | Self::BreakGlass),
            PassedBy::Nothing => false,
            PassedBy::LeftOut | PassedBy::Told => true,
        }
    }
}

fn glass(policy: &str) -> BreakGlass {
    BreakGlass {
        id: BreakGlassId("0123456789abcdef".into()),
        applications: vec!["app".parse().unwrap()],
        policies: vec![policy.parse().unwrap()],
        live_edit: vec![],
        reason: "the site is down".into(),
        ticket: None,
        request: None,
        by: Actor::unix_user(0, "root".into()),
        opened: Time(0),
        boot: Boot { id: "one".into(), elapsed: 0 },
        lasts: 3600,
        needs: 0,
    }
}

#[test]
fn the_table_of_what_passes_which_guard_holds_cell_by_cell() {
    let mut cells = 0;
    for guard in Guard::ALL {
        let (plan, rules, facts) = tripped(guard);
        for act in Act::ALL {
            let verdict = judge(&plan, &rules, &act.done(&plan, &facts));
            assert_eq!(guards(&verdict), [guard], "{act:?}");
            let expected = match act {
                Act::BreakGlass if act.passes(guard) && !Act::Nothing.passes(guard) => Decision::Forced,
                _ if act.passes(guard) => Decision::Go,
                _ => Decision::Hold,
            };
            assert_eq!(verdict.decision, expected, "{guard:?} {act:?}");
            cells += 1;
        }
    }
    assert_eq!(cells, Guard::ALL.len() * Act::ALL.len());
}

#[test]
fn the_table_is_the_one_that_people_read() {
    let page = include_str!("../../docs/design.md");
    for guard in Guard::ALL {
        let passed = match guard.passed_by() {
            PassedBy::Approval => "an approval",
            PassedBy::Acceptance => "an approval by whom the machine names",
            PassedBy::BreakGlass => "break-glass",
            PassedBy::Approvals => "its approvals, or break-glass",
            PassedBy::Nothing => "nothing",
            PassedBy::LeftOut => "left out of the plan",
            PassedBy::Told => "told",
        };
        let row = page.lines().find(|line| line.contains(&format!("| `{}` |", guard.code())));
        let row = row.unwrap_or_else(|| panic!("docs/design.md has no row for {}", guard.code()));
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        assert!(cell == passed || cell.starts_with(&format!("{passed},")), "{}: {cell}", guard.code());
    }
}

#[test]
fn an_ordinary_plan_goes() {
    let verdict =
        judge(&plan(Action::Update, 50), &Rules::default(), &Facts { relation: Some(Relation::Descends), ..facts() });
    let nothing = Verdict { decision: Decision::Go, findings: vec![], forced_by: vec![], changes_at: None };
    assert_eq!(verdict, nothing);
}

#[test]
fn a_revision_without_one_of_its_paths_waits_where_its_plan_does_anything() {
    let missing = Facts { missing_paths: vec!["roles/web".into()], ..facts() };
    let judged = |count| judge(&plan(Action::Update, count), &Rules::default(), &missing);
    assert_eq!((guards(&judged(1)), judged(1).decision), (vec![Guard::EmptyRender], Decision::Hold));
    assert_eq!(judged(0).decision, Decision::Go);
}

#[test]
fn the_delete_limit_is_ten_or_a_fifth_from_three_on() {
    let held = |deletes, owned| {
        judge(&plan(Action::Delete, deletes), &Rules::default(), &Facts { owned, ..facts() }).decision == Decision::Hold
    };
    assert!(!held(10, 100));
    assert!(held(11, 1000));
    assert!(!held(2, 2 * 4));
    assert!(held(3, 14));
    assert!(!held(3, 15));
}

#[test]
fn taking_back_what_a_failed_sync_created_counts_against_no_limit() {
    let plan = plan(Action::Delete, 50);
    let uncounted = plan.steps.iter().map(|step| step.id.clone()).collect();
    let back = Facts { uncounted, rendered: 0, takes_back: true, ..facts() };
    assert_eq!(judge(&plan, &Rules::default(), &back).decision, Decision::Go);
}

#[test]
fn a_render_to_nothing_waits_though_all_of_it_would_only_be_let_go_of() {
    let verdict = judge(&plan(Action::Release, 3), &Rules::default(), &Facts { rendered: 0, ..facts() });
    assert_eq!((verdict.decision, verdict.findings[0].guard), (Decision::Hold, Guard::EmptyRender));
}

#[test]
fn taking_back_undoes_a_replacement_and_a_protected_file_that_were_approved_once() {
    let (replaced, _, facts) = tripped(Guard::Replace);
    assert_eq!(judge(&replaced, &Rules::default(), &Facts { takes_back: true, ..facts }).decision, Decision::Go);
    let (protected, _, facts) = tripped(Guard::ProtectedDelete);
    assert_eq!(judge(&protected, &Rules::default(), &Facts { takes_back: true, ..facts }).decision, Decision::Go);
}

#[test]
fn a_rewound_ref_whose_plan_does_nothing_is_not_held() {
    let facts = Facts { relation: Some(Relation::Behind), ..facts() };
    assert_eq!(judge(&plan(Action::Update, 0), &Rules::default(), &facts).decision, Decision::Go);
}
