use serde::{Deserialize, Serialize};

use super::ObjectId;

/// May this plan run, and why or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub decision: Decision,
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Returns the finding that matters most: one that holds the plan, else one that left something out of it.
    #[must_use]
    pub fn reason(&self) -> Option<&Finding> {
        let holds = |finding: &&Finding| !finding.passed && finding.guard.passed_by() != PassedBy::LeftOut;
        self.findings.iter().find(holds).or_else(|| self.findings.iter().find(|finding| !finding.passed))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    Go,
    Hold,
}

/// One reason to hold a plan, or one that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub guard: Guard,
    /// What was found, as a sentence without a full stop.
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectId>,
    /// An approval of this plan let it through.
    #[serde(default)]
    pub passed: bool,
}

/// The built-in rules that hold a plan. Each carries the act that passes it: the table of `docs/design.md`, section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    DeleteLimit,
    EmptyRender,
    ProtectedDelete,
    Adoption,
    Replace,
    NotDescendant,
    Manual,
    MissingWitness,
    Claim,
    AncestryUnknown,
    Unknown,
    DriftHeld,
}

/// What lets a plan through in spite of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedBy {
    /// An approval of exactly this plan.
    Approval,
    /// Nothing that a person can say: the state itself must change.
    Nothing,
    /// It does not hold the plan: the objects were left out of it.
    LeftOut,
}

impl Guard {
    /// The stable code of a plan that this guard holds, as `status`, records and the API carry it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::DeleteLimit => "guard.delete-limit",
            Self::EmptyRender => "guard.empty-render",
            Self::ProtectedDelete => "guard.protected-delete",
            Self::Adoption => "guard.adoption",
            Self::Replace => "guard.replace",
            Self::NotDescendant => "guard.not-descendant",
            Self::Manual => "guard.manual",
            Self::MissingWitness => "guard.missing-witness",
            Self::Claim => "guard.claim",
            Self::AncestryUnknown => "guard.ancestry-unknown",
            Self::Unknown => "guard.unknown",
            Self::DriftHeld => "guard.drift-held",
        }
    }

    /// The one table of which act passes which guard.
    #[must_use]
    pub const fn passed_by(self) -> PassedBy {
        match self {
            Self::DeleteLimit
            | Self::EmptyRender
            | Self::ProtectedDelete
            | Self::Adoption
            | Self::Replace
            | Self::NotDescendant
            | Self::Manual
            | Self::DriftHeld => PassedBy::Approval,
            Self::AncestryUnknown => PassedBy::Nothing,
            Self::MissingWitness | Self::Claim | Self::Unknown => PassedBy::LeftOut,
        }
    }
}
