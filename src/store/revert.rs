use serde::{Deserialize, Serialize};

use super::BadInputs;
use crate::model::{Actor, Digest, PlanId, Revision, SyncId, Time};

/// A commit that takes out of Git what failed, from when it is owed until Git has gone on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revert {
    /// What failed: because of it one commit is made at most.
    pub inputs: Digest,
    /// The revision that it came with.
    pub bad: Revision,
    /// What is gone back to; nothing, where no revision was good yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Revision>,
    /// The sync that failed, and its plan.
    pub sync: SyncId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    pub reason: String,
    /// The date of the commit.
    pub since: Time,
    /// The person who asked for it, where nothing had failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<MadeCommit>,
    /// The branch that it is pushed to, where the followed one does not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    pub stage: RevertStage,
    /// Why it is not further: a stable code, and words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where people can let it through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A commit that was made, and may have been pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeCommit {
    pub commit: Revision,
    /// Its parent: where the branch was.
    pub tip: Revision,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevertStage {
    Owed,
    /// It is made, and about to be pushed.
    Made,
    Pushed,
    /// It lies in a branch of its own, for people to let through.
    Proposed,
    /// It is not made, or not taken: people were told.
    Refused,
}

impl Revert {
    /// Returns the commit that this failure asks for.
    #[must_use]
    pub fn owed(bad: &BadInputs, good: Option<Revision>, since: Time) -> Self {
        Self {
            inputs: bad.inputs,
            bad: bad.revision.clone(),
            good,
            sync: bad.sync.clone(),
            plan: bad.plan,
            reason: bad.reason.clone(),
            since,
            asked: None,
            made: None,
            beside: None,
            stage: RevertStage::Owed,
            code: None,
            message: None,
            link: None,
        }
    }

    /// Whether there is something left to do for the daemon.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        matches!(self.stage, RevertStage::Owed | RevertStage::Made)
    }

    /// Whether people were told that it does not come.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.stage, RevertStage::Refused)
    }

    /// Whether Git has it, somewhere.
    #[must_use]
    pub const fn is_out(&self) -> bool {
        matches!(self.stage, RevertStage::Pushed | RevertStage::Proposed)
    }
}

impl RevertStage {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Made => "made",
            Self::Pushed => "pushed",
            Self::Proposed => "proposed",
            Self::Refused => "refused",
        }
    }
}
