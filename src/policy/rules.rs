//! The rules of declared policies. All that match a plan bind it: the strictest wins, since each can only hold.

mod approve;
mod condition;
mod limit;
pub(super) mod matching;
mod protect;
mod require;
mod values;
pub(super) mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Bounds, DeleteBound, Facts, People, explain};
use crate::config::{Declared, Person, Policy};
use crate::expression::{Expression, Pattern};
use crate::model::view::PolicyListed;
use crate::model::{Action, Actor, Finding, Guard, Name, Plan, Step};
use crate::schedule::Recurrence;

/// Every policy in force, ready to be asked, and the people that they speak of. A clone is the same.
#[derive(Clone, Default)]
pub struct Rules(Arc<Inner>);

#[derive(Default)]
struct Inner {
    policies: BTreeMap<Name, Bound>,
    people: People,
}

/// One policy, with all that is compiled of it.
pub(super) struct Bound {
    pub(super) name: Name,
    pub(super) policy: Policy,
    windows: Vec<Recurrence>,
    deny: Option<Expression>,
    warn: Option<Expression>,
    ticket: Option<Pattern>,
}

/// What a rule of a policy looks at.
pub(super) struct Case<'a> {
    pub(super) bound: &'a Bound,
    pub(super) plan: &'a Plan,
    pub(super) facts: &'a Facts,
    pub(super) people: &'a People,
    /// The steps that the policy chooses, of whatever cause it names.
    pub(super) steps: Vec<&'a Step>,
}

/// Why somebody may not break the glass over a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoOverride {
    Unknown,
    /// Nobody may.
    Forbidden,
    /// These groups may.
    Others(Vec<Name>),
    /// It takes several people, and this is nobody who is declared: they could be one of the others.
    Undeclared,
}

impl Rules {
    /// Makes rules of declared documents. One that cannot be compiled holds whatever it would bind: a loaded configuration has none.
    #[must_use]
    pub fn new(policies: &BTreeMap<Name, Declared<Policy>>, people: &BTreeMap<Name, Person>) -> Self {
        let bound = |(name, declared): (&Name, &Declared<Policy>)| (name.clone(), Bound::new(name, &declared.spec));
        let policies = policies.iter().map(bound).collect();
        Self(Arc::new(Inner { policies, people: People::new(people) }))
    }

    #[must_use]
    pub fn people(&self) -> &People {
        &self.0.people
    }

    /// Whether any policy that binds this application asks about commits: they are read only then.
    #[must_use]
    pub fn asks_for_commits(&self, facts: &Facts) -> bool {
        self.binding(facts).any(|bound| {
            let named = |rule: &Expression| rule.names("commit") || rule.names("commits");
            let policy = &bound.policy;
            policy.approve.is_some()
                || policy
                    .require
                    .as_ref()
                    .is_some_and(|require| !require.signed_by.is_empty() || require.ticket.is_some())
                || [&bound.deny, &bound.warn].into_iter().flatten().any(named)
        })
    }

    /// Returns what the policies find.
    pub(super) fn findings(&self, plan: &Plan, facts: &Facts) -> Vec<Finding> {
        let people = &self.0.people;
        let mut findings = vec![];
        for bound in self.binding(facts) {
            let steps = matching::steps(&bound.policy.matches, plan);
            if !steps.is_empty() {
                findings.extend(Case { bound, plan, facts, people, steps }.findings());
            }
        }
        findings
    }

    pub(super) fn bounds(&self, plan: &Plan, facts: &Facts) -> Bounds {
        let overridden =
            |bound: &&Bound| facts.break_glass.iter().any(|glass| glass.overrides(&facts.application, &bound.name));
        let mut bounds = Bounds::default();
        for bound in self.binding(facts).filter(|bound| !overridden(bound)) {
            let steps = matching::steps(&bound.policy.matches, plan);
            let Some(limit) = bound.policy.limit.as_ref().filter(|_| !steps.is_empty()) else { continue };
            bounds.at_once = bounds.at_once.into_iter().chain(limit.applications).min();
            let more = Case { bound, plan, facts, people: &self.0.people, steps }.of(Action::Delete).len() as u64;
            let budget = limit.budget.as_ref();
            bounds.deletes.extend(budget.map(|budget| DeleteBound {
                since: limit::since(budget, facts.now),
                most: budget.deletes,
                more,
            }));
        }
        bounds
    }

    /// Whether these are the very same: none was changed, added or taken out between.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns how many further people must agree before break-glass of `actor` over a policy counts.
    ///
    /// # Errors
    /// Says why they may not open one.
    pub fn may_override(&self, policy: &Name, actor: &Actor) -> Result<usize, NoOverride> {
        let bound = self.0.policies.get(policy).ok_or(NoOverride::Unknown)?;
        let further = usize::try_from(bound.policy.override_people).unwrap_or(usize::MAX);
        if further > 0 && bound.policy.overrides.as_ref().is_none_or(|groups| !groups.is_empty()) {
            self.people().person(actor).ok_or(NoOverride::Undeclared)?;
        }
        match bound.policy.overrides.as_deref() {
            None => Ok(further),
            Some([]) => Err(NoOverride::Forbidden),
            Some(groups) => {
                let people = self.people();
                let may = people.person(actor).is_some_and(|person| people.is_in(person, groups));
                if may { Ok(further) } else { Err(NoOverride::Others(groups.to_vec())) }
            }
        }
    }

    /// Whether a policy binds an application.
    #[must_use]
    pub fn binds(&self, policy: &Name, facts: &Facts) -> bool {
        let bound = self.0.policies.get(policy);
        bound.is_some_and(|bound| matching::binds(&bound.policy.matches, facts).is_ok())
    }

    /// Returns every policy, for people; which applications it binds is for the caller to say.
    pub fn listed(&self) -> impl Iterator<Item = PolicyListed> {
        self.all().map(|bound| PolicyListed {
            name: bound.name.clone(),
            rules: explain::sorts(&bound.policy).map(|(guard, _)| guard).collect(),
            applications: vec![],
            overridden_by: bound.policy.overrides.clone(),
            override_people: bound.policy.override_people,
        })
    }

    /// Returns the names of all policies.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.policies.keys()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Bound> {
        self.0.policies.values()
    }

    fn binding<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = &'a Bound> {
        self.all().filter(|bound| matching::binds(&bound.policy.matches, facts).is_ok())
    }
}

impl Bound {
    fn new(name: &Name, policy: &Policy) -> Self {
        let windows = policy.window.as_ref().and_then(|window| window.recurrences().ok()).unwrap_or_default();
        let compiled = |condition: &Option<crate::config::Condition>| condition.as_ref()?.expression().ok();
        Self {
            name: name.clone(),
            windows,
            deny: compiled(&policy.deny),
            warn: compiled(&policy.warn),
            ticket: policy.require.as_ref().and_then(|require| require.ticket().ok().flatten()),
            policy: policy.clone(),
        }
    }

    pub(super) fn windows(&self) -> &[Recurrence] {
        &self.windows
    }

    /// Whether a part of it could not be compiled.
    fn is_broken(&self) -> bool {
        let ticket = self.policy.require.as_ref().is_some_and(|require| require.ticket.is_some());
        self.policy.window.is_some() && self.windows.is_empty()
            || self.policy.deny.is_some() != self.deny.is_some()
            || self.policy.warn.is_some() != self.warn.is_some()
            || ticket != self.ticket.is_some()
    }
}

impl Case<'_> {
    fn findings(&self) -> Vec<Finding> {
        let mut findings = vec![];
        if self.bound.is_broken() {
            findings.push(self.finding(Guard::PolicyError, "a part of it cannot be read".into()));
        }
        // Taking back what was let through once is not asked about again, but by what forbids in so many words.
        if !self.facts.takes_back {
            findings.extend(self.window());
            findings.extend(self.limit());
            findings.extend(self.approve());
            findings.extend(self.require());
        }
        findings.extend(self.protect());
        findings.extend(self.conditions());
        findings
    }

    pub(super) fn finding(&self, guard: Guard, message: String) -> Finding {
        Finding::of_policy(&self.bound.name, guard, message, vec![])
    }

    /// Returns the steps that are judged by a rule about what people do, not about what heals: intentional ones, unless the policy
    /// names causes itself.
    fn deliberate(&self) -> impl Iterator<Item = &Step> {
        let all = !self.bound.policy.matches.causes.is_empty();
        self.steps.iter().copied().filter(move |step| all || step.cause == crate::model::Cause::Intentional)
    }
}

#[cfg(test)]
mod tests;
