//! Which policies bind an application, what each says now, and when that changes.

use super::rules::{Bound, matching, window};
use super::{Facts, Rules};
use crate::config::Policy;
use crate::model::view::{PolicyRule, PolicyView};
use crate::model::{Finding, Guard, Verdict};

/// Returns every policy with what it says of an application; `verdict` is that over the plan that would run now.
#[must_use]
pub fn explain(rules: &Rules, facts: &Facts, verdict: &Verdict) -> Vec<PolicyView> {
    rules.all().map(|bound| view(bound, facts, verdict)).collect()
}

fn view(bound: &Bound, facts: &Facts, verdict: &Verdict) -> PolicyView {
    let binds = matching::binds(&bound.policy.matches, facts);
    let findings: Vec<_> =
        verdict.findings.iter().filter(|finding| finding.policy.as_ref() == Some(&bound.name)).cloned().collect();
    let glass = facts.break_glass.iter().filter(|glass| glass.overrides(&facts.application, &bound.name));
    PolicyView {
        name: bound.name.clone(),
        binds: binds.is_ok(),
        because: binds.err().map(|part| format!("its match.{part} name other applications")),
        rules: rules_of(bound, facts, &findings),
        overridden_by: bound.policy.overrides.clone(),
        override_people: bound.policy.override_people,
        break_glass: glass.map(|glass| glass.id.clone()).collect(),
    }
}

/// Returns the sorts of rules that a policy has, and what each is about.
pub(super) fn sorts(policy: &Policy) -> impl Iterator<Item = (Guard, &'static str)> {
    let all = [
        (Guard::Window, policy.window.is_some(), "when changes go"),
        (Guard::Limit, policy.limit.is_some(), "how much may change at once"),
        (Guard::Protect, policy.protect.is_some(), "what may not be touched"),
        (Guard::Approve, policy.approve.is_some(), "whose yes it takes"),
        (Guard::Require, policy.require.is_some(), "what commits have to be"),
        (Guard::Deny, policy.deny.is_some(), "what an expression forbids"),
        (Guard::Warn, policy.warn.is_some(), "what an expression warns of"),
    ];
    all.into_iter().filter(|(_, there, _)| *there).map(|(guard, _, says)| (guard, says))
}

/// Returns one line for each rule that the policy has.
fn rules_of(bound: &Bound, facts: &Facts, findings: &[Finding]) -> Vec<PolicyRule> {
    let policy = &bound.policy;
    let window = policy.window.as_ref().map(|declared| {
        let state = window::state(bound.windows(), declared.deny.is_some(), facts.now);
        let (now, then) = if state.closed { ("changes wait", "they go") } else { ("changes go", "they wait") };
        let told = state.until.map(|until| format!("{now} until {until}, then {then}"));
        let says = told.unwrap_or_else(|| format!("{now}, and will for years"));
        PolicyRule { guard: Guard::Window, says, holds: None, changes_at: state.until }
    });
    let others = sorts(policy).filter(|(guard, _)| *guard != Guard::Window);
    let others = others.map(|(guard, says)| PolicyRule { guard, says: says.into(), holds: None, changes_at: None });
    let found = |rule: PolicyRule| {
        // An expression that has no answer is told of under its own guard.
        let its = |finding: &&Finding| finding.guard == rule.guard;
        match findings.iter().find(its) {
            Some(finding) => PolicyRule {
                says: finding.message.clone(),
                holds: Some(finding.holds()),
                changes_at: finding.changes_at.or(rule.changes_at),
                ..rule
            },
            None => PolicyRule { holds: Some(false), ..rule },
        }
    };
    let errors = findings.iter().filter(|finding| finding.guard == Guard::PolicyError).map(|finding| PolicyRule {
        guard: finding.guard,
        says: finding.message.clone(),
        holds: Some(finding.holds()),
        changes_at: None,
    });
    window.into_iter().chain(others).map(found).chain(errors).collect()
}
