use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a sync ended: the same word in the trail, the API, the log and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to do.
    Unchanged,
    /// Every step is done and healthy.
    Applied,
    /// Done as far as could be known: some objects could not be examined and were left out.
    Degraded,
    /// The plan waits for a person.
    Held,
    /// Nothing was planned: Git, the render or the configuration does not allow it.
    Refused,
    /// A step failed; what follows is told in its own record.
    Failed,
    /// It failed, and the application is back at its last good state.
    RolledBack,
    /// The target moved under the plan; planned anew.
    Stale,
    /// Stopped between two steps by a person or a shutdown; resumed at the next start.
    Stopped,
    /// A person told trueup to leave the application alone.
    Suspended,
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Applied => "applied",
            Self::Degraded => "degraded",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Stale => "stale",
            Self::Stopped => "stopped",
            Self::Suspended => "suspended",
        }
    }

    /// Whether the application is as Git says: what decides between exit status 0 and 1.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Unchanged | Self::Applied)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
