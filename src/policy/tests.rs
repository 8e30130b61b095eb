use super::*;
use crate::model::{Digest, Risk, Step};

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
    Facts { rendered: 100, owned: 100, automatic: true, ..Facts::default() }
}

fn guards(verdict: &Verdict) -> Vec<Guard> {
    verdict.findings.iter().map(|finding| finding.guard).collect()
}

/// Each guard with the least that trips it.
fn tripped(guard: Guard) -> (Plan, Facts) {
    let left_out = |guard| vec![finding(guard, "left out".into(), vec![])];
    match guard {
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
        Guard::MissingWitness | Guard::Claim | Guard::Unknown => {
            (plan(Action::Update, 1), Facts { left_out: left_out(guard), ..facts() })
        }
    }
}

const ALL: [Guard; 12] = [
    Guard::DeleteLimit,
    Guard::EmptyRender,
    Guard::ProtectedDelete,
    Guard::Adoption,
    Guard::Replace,
    Guard::NotDescendant,
    Guard::Manual,
    Guard::MissingWitness,
    Guard::Claim,
    Guard::AncestryUnknown,
    Guard::Unknown,
    Guard::DriftHeld,
];

#[test]
fn the_table_of_what_passes_which_guard_holds_cell_by_cell() {
    for guard in ALL {
        let (plan, facts) = tripped(guard);
        let unapproved = judge(&plan, &facts);
        let approved = judge(&plan, &Facts { approved: true, ..facts });
        assert_eq!(guards(&unapproved), [guard]);
        let (before, after) = match guard.passed_by() {
            PassedBy::Approval => (Decision::Hold, Decision::Go),
            PassedBy::Nothing => (Decision::Hold, Decision::Hold),
            PassedBy::LeftOut => (Decision::Go, Decision::Go),
        };
        assert_eq!((unapproved.decision, approved.decision), (before, after), "{guard:?}");
    }
}

#[test]
fn an_ordinary_plan_goes() {
    let verdict = judge(&plan(Action::Update, 50), &Facts { relation: Some(Relation::Descends), ..facts() });
    assert_eq!(verdict, Verdict { decision: Decision::Go, findings: vec![] });
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
    let (replaced, facts) = tripped(Guard::Replace);
    assert_eq!(judge(&replaced, &Facts { takes_back: true, ..facts }).decision, Decision::Go);
    let (protected, facts) = tripped(Guard::ProtectedDelete);
    assert_eq!(judge(&protected, &Facts { takes_back: true, ..facts }).decision, Decision::Go);
}

#[test]
fn a_rewound_ref_whose_plan_does_nothing_is_not_held() {
    let facts = Facts { relation: Some(Relation::Behind), ..facts() };
    assert_eq!(judge(&plan(Action::Update, 0), &facts).decision, Decision::Go);
}
