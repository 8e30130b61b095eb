use std::collections::BTreeMap;
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// How often one notification was not taken, by why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failures(BTreeMap<FaultKind, u32>);

impl Failures {
    /// Counts one more, and returns whether that is the last try. Each kind has tries of its own: an outage, however long, spends
    /// none of those that a refusal has.
    pub(super) fn are_final_with(&mut self, kind: FaultKind) -> bool {
        let count = self.0.entry(kind).or_default();
        *count = count.saturating_add(1);
        kind.tries().is_some_and(|most| *count >= most)
    }

    /// Returns how many there were.
    pub(super) fn count(&self) -> u32 {
        self.0.values().fold(0, |all, count| all.saturating_add(*count))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns after how many of `kind` one is given up that failed so before.
    fn given_up(before: &[(FaultKind, u32)], kind: FaultKind) -> Option<u32> {
        let mut failures = Failures::default();
        for (kind, times) in before {
            assert!((0..*times).all(|_| !failures.are_final_with(*kind)), "{kind:?}");
        }
        let tried = (1..=100).find(|_| failures.are_final_with(kind));
        assert_eq!(failures.count(), before.iter().map(|(_, times)| times).sum::<u32>() + tried.unwrap_or(100));
        tried
    }

    #[test]
    fn an_outage_spends_none_of_the_tries_of_a_refusal() {
        use FaultKind::{Busy, Denied, Refused, Tls, Unreachable};
        for before in [&[][..], &[(Unreachable, 40)], &[(Tls, 40), (Busy, 40)], &[(Denied, 19), (Unreachable, 40)]] {
            assert_eq!(given_up(before, Refused), Some(5), "{before:?}");
        }
        assert_eq!(given_up(&[(Refused, 4), (Unreachable, 40)], Denied), Some(20));
        assert_eq!(given_up(&[(Refused, 4), (Denied, 19)], Unreachable), None);
    }
}
