use std::time::Duration;

use crate::model::chain;
use crate::source::{SourceError, SourceErrorKind};

/// Why a notification was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// What went wrong, as a sentence without a full stop. It may hold what the other side said.
    pub(super) message: String,
    /// The other side asks not to be tried again before this has passed.
    pub(super) wait: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// No answer, or none that says anything about the notification.
    Unreachable,
    /// Its certificate is not to be trusted.
    Tls,
    /// Our own secret for it cannot be read.
    Credentials,
    /// It asks for patience.
    Busy,
    /// It would have nothing from us: a wrong password, address, room.
    Denied,
    /// It would not have this one.
    Refused,
}

impl FaultKind {
    /// The stable code, as `status` shows it.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "notify.unreachable",
            Self::Tls => "notify.tls",
            Self::Credentials => "notify.credentials",
            Self::Busy => "notify.busy",
            Self::Denied => "notify.denied",
            Self::Refused => "notify.refused",
        }
    }

    /// How often the same notification is tried before it is given up, so that one that is never taken does not stand in the way
    /// of all others for ever. `None`: for as long as it takes.
    pub(super) const fn tries(self) -> Option<u32> {
        match self {
            Self::Refused => Some(5),
            // With the pauses in between, for about nine hours: somebody can mend a password within a night.
            Self::Denied => Some(20),
            Self::Unreachable | Self::Tls | Self::Credentials | Self::Busy => None,
        }
    }
}

impl Fault {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), wait: None }
    }
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        let kind = match error.kind {
            SourceErrorKind::Credentials => FaultKind::Credentials,
            SourceErrorKind::Tls => FaultKind::Tls,
            _ => FaultKind::Unreachable,
        };
        Self::new(kind, chain(&error))
    }
}
