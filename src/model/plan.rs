use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Digest, Fingerprint, Name, ObjectId, ParseDigestError};

/// The whole of what would change, as immutable data. Nothing is left to choose when it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    pub id: PlanId,
    pub application: Name,
    pub target: Name,
    /// Digest of what was rendered: tree ids of all paths, the application's own definition, tool versions.
    pub inputs: Digest,
    /// In the order in which they run.
    pub steps: Vec<Step>,
}

/// One act in a plan, with what was there and what comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    pub id: ObjectId,
    pub action: Action,
    pub cause: Cause,
    /// Digest of the normalised state before; all zeros where nothing is there.
    pub before: Digest,
    pub after: Digest,
    pub fingerprint: Option<Fingerprint>,
    pub risk: Risk,
    pub wave: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Update,
    /// What lies there is of another sort and makes room.
    Replace,
    Delete,
    /// A handler or a check.
    Run,
    /// Takes what others made, and makes it what Git says.
    Adopt,
    /// Leaves it as it is and forgets it.
    Release,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Git changed.
    Intentional,
    /// Git did not change, the target did.
    Corrective,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    Low,
    /// Something that people rely on may be interrupted or lost.
    High,
}

/// SHA-256 over what a plan is: application, target, inputs and normalised contents before and after. Never over a commit id,
/// a time, a fingerprint or a verdict, so that the plan that was shown is the plan that runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PlanId(pub Digest);

impl Plan {
    /// Makes a plan of steps that are already in order, and gives it its id.
    #[must_use]
    pub fn new(application: Name, target: Name, inputs: Digest, steps: Vec<Step>) -> Self {
        let acts: Vec<_> = steps.iter().map(|s| (&s.id, s.action, s.cause, s.before, s.after, s.wave)).collect();
        let id = PlanId(Digest::of_json("trueup/plan/v1", &(&application, &target, inputs, acts)));
        Self { id, application, target, inputs, steps }
    }

    #[must_use]
    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }
}

impl PlanId {
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for PlanId {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Run => "run",
            Self::Adopt => "adopt",
            Self::Release => "release",
        })
    }
}

/// One execution of a plan. Content recurs, so each execution has its own; a resumed plan keeps it. 128 random bits in
/// hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SyncId(pub Box<str>);

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
