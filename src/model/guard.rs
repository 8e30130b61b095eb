use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BreakGlassId, Name, ObjectId, Time};

/// May this plan run, and why or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    pub decision: Decision,
    pub findings: Vec<Finding>,
    /// Break-glass that let something through which nothing else did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced_by: Vec<BreakGlassId>,
    /// When it may be another one with nobody doing anything: a window opens or closes, a commit is old enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<Time>,
}

impl Verdict {
    /// Returns the finding that matters most: one that holds the plan, else one that left something out of it.
    #[must_use]
    pub fn reason(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.holds()).or_else(|| self.left_out())
    }

    /// Returns the first finding that left something out of the plan.
    #[must_use]
    pub fn left_out(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| !finding.passed && finding.guard.passed_by() == PassedBy::LeftOut)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    Go,
    Hold,
    /// It goes because break-glass says so, and would be held without it.
    Forced,
}

/// One reason to hold a plan, or one that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub guard: Guard,
    /// Whose rule it is; `None` where the guard is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Name>,
    /// What was found, as a sentence without a full stop.
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectId>,
    /// An approval of this plan, or break-glass, let it through.
    #[serde(default)]
    pub passed: bool,
    /// The break-glass that did, where no approval did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_by: Option<BreakGlassId>,
    /// When it may pass by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<Time>,
}

impl Finding {
    /// Returns what a built-in guard found.
    #[must_use]
    pub fn new(guard: Guard, message: impl Into<String>, objects: Vec<ObjectId>) -> Self {
        let message = message.into();
        Self { guard, policy: None, message, objects, passed: false, forced_by: None, changes_at: None }
    }

    /// Returns what a rule of a policy found.
    #[must_use]
    pub fn of_policy(policy: &Name, guard: Guard, message: impl Into<String>, objects: Vec<ObjectId>) -> Self {
        Self { policy: Some(policy.clone()), ..Self::new(guard, message, objects) }
    }

    /// Returns what was found, with the policy whose rule it is.
    #[must_use]
    pub fn said(&self) -> String {
        self.policy.as_ref().map_or_else(|| self.message.clone(), |policy| format!("policy {policy}: {}", self.message))
    }

    /// Whether the plan waits because of it.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.passed && !matches!(self.guard.passed_by(), PassedBy::LeftOut | PassedBy::Told)
    }
}

/// What a plan waits for that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// People: approvals of exactly this plan let it through.
    Approval,
    /// Nobody: what no approval passes may pass by itself then.
    Until(Time),
    /// Something that neither an approval nor time brings: break-glass, or another state.
    Other,
}

impl Waits {
    /// Returns what a plan with these findings waits for; `None` where none of them holds it.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Option<Self> {
        let holding: Vec<_> = findings.iter().filter(|finding| finding.holds()).collect();
        if holding.is_empty() {
            return None;
        }
        let approved = |finding: &Finding| {
            matches!(finding.guard.passed_by(), PassedBy::Approval | PassedBy::Acceptance | PassedBy::Approvals)
        };
        let times = holding.iter().filter(|finding| !approved(finding)).map(|finding| finding.changes_at);
        let times: Option<Vec<_>> = times.collect();
        Some(match times.map(|times| times.into_iter().max()) {
            Some(None) => Self::Approval,
            Some(Some(last)) => Self::Until(last),
            None => Self::Other,
        })
    }
}

/// What may hold a plan: the built-in rules, and the rules of policies by their sort. Each carries the act that passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    DeleteLimit,
    /// More deletes over the whole daemon, in so short a time, than somebody can have meant.
    DeleteBudget,
    EmptyRender,
    ProtectedDelete,
    Adoption,
    Replace,
    NotDescendant,
    Manual,
    DriftHeld,
    /// Somebody else changes an object again each time that it is put right.
    Fight,
    /// This version of trueup would change what its predecessor left alone, on the same inputs.
    Upgrade,
    /// What was made for an application that is declared no more would go.
    Destroy,
    /// Policies, people or what they are declared by would change, and nobody whom the machine names has said yes.
    Acceptance,
    AncestryUnknown,
    /// A revision that does not descend from the accepted one would change policies.
    PolicyRewound,
    /// A person said no to exactly this plan.
    Rejected,
    MissingWitness,
    Claim,
    Unknown,
    /// A person works on it under break-glass.
    LiveEdit,
    /// A policy that cannot be evaluated, or does not evaluate to true or false.
    PolicyError,
    Window,
    Limit,
    Protect,
    Approve,
    Require,
    Deny,
    Warn,
}

/// What lets a plan through in spite of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedBy {
    /// An approval of exactly this plan.
    Approval,
    /// An approval of exactly this plan by a person whom the machine's own file names for it.
    Acceptance,
    /// Break-glass that names the policy.
    BreakGlass,
    /// As many approvals of exactly this plan as the policy asks for, or break-glass that names it.
    Approvals,
    /// Nothing that a person can say: the state itself must change.
    Nothing,
    /// It does not hold the plan: the objects were left out of it.
    LeftOut,
    /// It does not hold the plan: people are told.
    Told,
}

impl Guard {
    pub const ALL: [Self; 28] = [
        Self::DeleteLimit,
        Self::DeleteBudget,
        Self::EmptyRender,
        Self::ProtectedDelete,
        Self::Adoption,
        Self::Replace,
        Self::NotDescendant,
        Self::Manual,
        Self::DriftHeld,
        Self::Fight,
        Self::Upgrade,
        Self::Destroy,
        Self::Acceptance,
        Self::AncestryUnknown,
        Self::PolicyRewound,
        Self::Rejected,
        Self::MissingWitness,
        Self::Claim,
        Self::Unknown,
        Self::LiveEdit,
        Self::PolicyError,
        Self::Window,
        Self::Limit,
        Self::Protect,
        Self::Approve,
        Self::Require,
        Self::Deny,
        Self::Warn,
    ];

    /// The stable code of a plan that this guard holds, as `status`, records and the API carry it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// Which act passes this guard.
    #[must_use]
    pub const fn passed_by(self) -> PassedBy {
        self.row().1
    }

    /// The one table of guards, their codes, and the acts that pass them: `docs/design.md`, section 6.
    const fn row(self) -> (&'static str, PassedBy) {
        match self {
            Self::DeleteLimit => ("guard.delete-limit", PassedBy::Approval),
            Self::DeleteBudget => ("guard.delete-budget", PassedBy::Approval),
            Self::EmptyRender => ("guard.empty-render", PassedBy::Approval),
            Self::ProtectedDelete => ("guard.protected-delete", PassedBy::Approval),
            Self::Adoption => ("guard.adoption", PassedBy::Approval),
            Self::Replace => ("guard.replace", PassedBy::Approval),
            Self::NotDescendant => ("guard.not-descendant", PassedBy::Approval),
            Self::Manual => ("guard.manual", PassedBy::Approval),
            Self::DriftHeld => ("guard.drift-held", PassedBy::Approval),
            Self::Fight => ("guard.fight", PassedBy::Approval),
            Self::Upgrade => ("guard.upgrade", PassedBy::Approval),
            Self::Destroy => ("guard.destroy", PassedBy::Approval),
            Self::Acceptance => ("guard.acceptance", PassedBy::Acceptance),
            Self::AncestryUnknown => ("guard.ancestry-unknown", PassedBy::Nothing),
            Self::PolicyRewound => ("guard.policy-rewound", PassedBy::Nothing),
            Self::Rejected => ("guard.rejected", PassedBy::Nothing),
            Self::MissingWitness => ("guard.missing-witness", PassedBy::LeftOut),
            Self::Claim => ("guard.claim", PassedBy::LeftOut),
            Self::Unknown => ("guard.unknown", PassedBy::LeftOut),
            Self::LiveEdit => ("guard.live-edit", PassedBy::LeftOut),
            Self::PolicyError => ("policy.error", PassedBy::BreakGlass),
            Self::Window => ("policy.window", PassedBy::BreakGlass),
            Self::Limit => ("policy.limit", PassedBy::BreakGlass),
            Self::Protect => ("policy.protect", PassedBy::BreakGlass),
            Self::Approve => ("policy.approve", PassedBy::Approvals),
            Self::Require => ("policy.require", PassedBy::BreakGlass),
            Self::Deny => ("policy.deny", PassedBy::BreakGlass),
            Self::Warn => ("policy.warn", PassedBy::Told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_asked_only_where_their_yes_is_enough() {
        let found = |guard| Finding::new(guard, "", vec![]);
        let at = |guard, time| Finding { changes_at: Some(Time(time)), ..found(guard) };
        let passed = |guard| Finding { passed: true, ..found(guard) };
        assert_eq!(Waits::of(&[]), None);
        assert_eq!(Waits::of(&[passed(Guard::Manual), found(Guard::Claim), found(Guard::Warn)]), None);
        let people = [found(Guard::DeleteLimit), found(Guard::Approve), found(Guard::Acceptance), passed(Guard::Deny)];
        assert_eq!(Waits::of(&people), Some(Waits::Approval));
        let later = [found(Guard::DeleteLimit), at(Guard::Window, 5), at(Guard::Require, 9)];
        assert_eq!(Waits::of(&later), Some(Waits::Until(Time(9))));
        for other in [Guard::Deny, Guard::Protect, Guard::Rejected, Guard::AncestryUnknown, Guard::PolicyError] {
            assert_eq!(Waits::of(&[at(Guard::Window, 5), found(other)]), Some(Waits::Other), "{other:?}");
        }
    }
}
