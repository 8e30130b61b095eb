use std::fmt;

use serde::{Deserialize, Serialize};

use super::body::{
    ActBody, BreakGlassBody, ClosedBody, DaemonBody, IntentBody, ObservedBody, OutcomeBody, PlannedBody, QuietBody,
    ResumedBody, RevertBody, TrailBody,
};
use crate::model::{Actor, Name, PlanId, Revision, SyncId};

/// Something to be written in the trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub application: Option<Name>,
    pub revision: Option<Revision>,
    pub plan: Option<PlanId>,
    pub sync: Option<SyncId>,
    pub actor: Actor,
    pub body: Body,
}

/// What is told. Its sort is the record's [`Kind`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    Planned(PlannedBody),
    Intent(IntentBody),
    Outcome(OutcomeBody),
    Closed(ClosedBody),
    Observed(ObservedBody),
    Act(ActBody),
    BreakGlass(BreakGlassBody),
    Quiet(QuietBody),
    Revert(RevertBody),
    Resumed(ResumedBody),
    Started(DaemonBody),
    Stopped(DaemonBody),
    Trail(TrailBody),
}

/// Gives a plain enum its public words: the same in the CLI, the API, the log and the trail.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$inner])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// The sort of a record.
    Kind {
        Planned = "planned",
        /// Written before the act it tells of.
        Intent = "intent",
        Outcome = "outcome",
        /// How a sync ended; alone, where it was refused before there was a plan.
        Closed = "closed",
        /// What others did to the target.
        Observed = "observed",
        /// A person did something.
        Act = "act",
        /// A rule of policy was overridden, or may be.
        BreakGlass = "break-glass",
        /// Syncs that found nothing to do.
        Quiet = "quiet",
        /// What became of a commit that takes a failed change out of Git.
        Revert = "revert",
        /// A restart took up an open sync.
        Resumed = "resumed",
        Started = "started",
        Stopped = "stopped",
        /// Something was done to the trail itself.
        Trail = "trail",
    }
}

words! {
    /// How one step ended.
    StepResult {
        Done = "done",
        /// It was already as it should be when we came to it.
        Already = "already",
        Failed = "failed",
        /// An earlier step failed.
        Skipped = "skipped",
    }
}

words! {
    /// What a person did.
    Act {
        Sync = "sync",
        Approve = "approve",
        Reject = "reject",
        Adopt = "adopt",
        Suspend = "suspend",
        Resume = "resume",
        Destroy = "destroy",
        /// To go back to what was live before, while the Git host cannot be reached.
        Rollback = "rollback",
        /// Contents that were overwritten, deleted or edited by hand were handed out.
        Read = "read",
        /// A test message to a sink.
        Test = "test",
        CreateToken = "create-token",
        RevokeToken = "revoke-token",
    }
}

words! {
    /// What became of a break-glass.
    GlassEvent {
        Opened = "opened",
        /// A further person said that it is right.
        Agreed = "agreed",
        /// A plan went that a policy would have held.
        Used = "used",
        /// People were told that it is about to end.
        Reminded = "reminded",
        /// A person ended it.
        Closed = "closed",
        /// It ended by itself.
        Expired = "expired",
    }
}

words! {
    /// What became of a commit that takes a failed change out of Git.
    RevertEvent {
        /// A person asked for it while the Git host could not be reached.
        Queued = "queued",
        /// It is made, and about to be pushed.
        Made = "made",
        /// The followed branch has it.
        Pushed = "pushed",
        /// The followed branch does not take it: it lies in a branch of its own.
        Proposed = "proposed",
        /// It cannot be made or pushed now, and is tried again.
        Delayed = "delayed",
        /// It is not made, or not taken, and not tried again by itself.
        Refused = "refused",
        /// What failed is in the branch no more: it is not needed.
        Dropped = "dropped",
    }
}

impl Body {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Planned(_) => Kind::Planned,
            Self::Intent(_) => Kind::Intent,
            Self::Outcome(_) => Kind::Outcome,
            Self::Closed(_) => Kind::Closed,
            Self::Observed(_) => Kind::Observed,
            Self::Act(_) => Kind::Act,
            Self::BreakGlass(_) => Kind::BreakGlass,
            Self::Quiet(_) => Kind::Quiet,
            Self::Revert(_) => Kind::Revert,
            Self::Resumed(_) => Kind::Resumed,
            Self::Started(_) => Kind::Started,
            Self::Stopped(_) => Kind::Stopped,
            Self::Trail(_) => Kind::Trail,
        }
    }
}
