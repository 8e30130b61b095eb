use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::Drift;
use crate::model::{Action, Actor, Cause, Digest, Finding, Guard, ObjectId, PassedBy, Risk, Step, Time};
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
        ..Facts::of("app".parse().unwrap(), "host".parse().unwrap(), "platform".parse().unwrap(), Time(1_000_000))
    }
}

fn guards(verdict: &Verdict) -> Vec<Guard> {
    verdict.findings.iter().map(|finding| finding.guard).collect()
}

/// Each guard with the least that trips it.
fn tripped(guard: Guard) -> Option<(Plan, Facts)> {
    let left_out = |guard| vec![Finding::new(guard, "left out", vec![])];
    Some(match guard {
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
            let fights = BTreeMap::from([(plan.steps[0].id.clone(), 5)]);
            (plan, Facts { fights, ..facts() })
        }
        Guard::Upgrade => {
            let plan = plan(Action::Update, 1);
            let upgrade = Some(("0.0.9".to_owned(), vec![plan.steps[0].id.clone()]));
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
        _ => return None,
    })
}

/// A plan that changes one declared document.
fn about(kind: &'static str) -> Plan {
    let mut plan = plan(Action::Update, 1);
    plan.steps[0].id = ObjectId::new(kind, "freeze");
    plan
}

#[test]
fn policies_go_back_by_no_word_of_anybody_and_forward_by_a_signature_too() {
    for relation in [Relation::Behind, Relation::Diverged] {
        let (plan, facts) = (about("person"), Facts { relation: Some(relation), accepted_signer: true, ..facts() });
        for act in Act::ALL {
            let verdict = judge(&plan, &act.done(&plan, &facts));
            assert!(guards(&verdict).contains(&Guard::PolicyRewound));
            assert_eq!(verdict.decision, Decision::Hold, "{act:?}");
        }
    }
    let signed = Facts { relation: Some(Relation::Descends), accepted_signer: true, ..facts() };
    assert_eq!(judge(&about("policy"), &signed).decision, Decision::Go);
    assert_eq!(judge(&about("application"), &Facts { accepted_signer: false, ..signed }).decision, Decision::Go);
}

/// What a person, or the machine's own file, can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Nothing,
    /// An approval of exactly this plan, by somebody.
    Approval,
    /// One by a person whom the machine names for changes of policies.
    Acceptance,
}

impl Act {
    const ALL: [Self; 3] = [Self::Nothing, Self::Approval, Self::Acceptance];

    fn done(self, plan: &Plan, facts: &Facts) -> Facts {
        let approval = |person: &str| Approval {
            plan: plan.id,
            actor: Actor { person: person.parse().ok(), ..Actor::unix_user(1000, person.into()) },
            time: facts.now,
            expires: facts.now.plus_seconds(60),
        };
        let facts = facts.clone();
        match self {
            Self::Nothing => facts,
            Self::Approval => Facts { approvals: vec![approval("ada")], ..facts },
            Self::Acceptance => {
                let acceptors = BTreeSet::from(["root-of-trust".parse().unwrap()]);
                Facts { approvals: vec![approval("root-of-trust")], acceptors, ..facts }
            }
        }
    }

    /// The table of `docs/design.md`, section 6, written down once more.
    fn passes(self, guard: Guard) -> bool {
        match guard.passed_by() {
            PassedBy::Approval => self != Self::Nothing,
            PassedBy::Acceptance => self == Self::Acceptance,
            PassedBy::LeftOut | PassedBy::Told => true,
            PassedBy::BreakGlass | PassedBy::Approvals | PassedBy::Nothing => false,
        }
    }
}

#[test]
fn the_table_of_what_passes_which_guard_holds_cell_by_cell() {
    for guard in Guard::ALL {
        let Some((plan, facts)) = tripped(guard) else { continue };
        for act in Act::ALL {
            let verdict = judge(&plan, &act.done(&plan, &facts));
            assert_eq!(guards(&verdict), [guard], "{guard:?}");
            let expected = if act.passes(guard) { Decision::Go } else { Decision::Hold };
            assert_eq!(verdict.decision, expected, "{guard:?} {act:?}");
        }
    }
}

#[test]
fn an_ordinary_plan_goes() {
    let verdict = judge(&plan(Action::Update, 50), &Facts { relation: Some(Relation::Descends), ..facts() });
    let nothing = Verdict { decision: Decision::Go, findings: vec![], forced_by: vec![], changes_at: None };
    assert_eq!(verdict, nothing);
}

#[test]
fn the_delete_limit_is_ten_or_a_fifth_from_three_on() {
    let held =
        |deletes, owned| judge(&plan(Action::Delete, deletes), &Facts { owned, ..facts() }).decision == Decision::Hold;
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
    assert_eq!(judge(&plan, &Facts { uncounted, rendered: 0, ..facts() }).decision, Decision::Go);
}

#[test]
fn taking_back_undoes_a_replacement_and_a_protected_file_that_were_approved_once() {
    let (replaced, facts) = tripped(Guard::Replace).unwrap();
    assert_eq!(judge(&replaced, &Facts { takes_back: true, ..facts }).decision, Decision::Go);
    let (protected, facts) = tripped(Guard::ProtectedDelete).unwrap();
    assert_eq!(judge(&protected, &Facts { takes_back: true, ..facts }).decision, Decision::Go);
}

#[test]
fn a_rewound_ref_whose_plan_does_nothing_is_not_held() {
    let facts = Facts { relation: Some(Relation::Behind), ..facts() };
    assert_eq!(judge(&plan(Action::Update, 0), &facts).decision, Decision::Go);
}
