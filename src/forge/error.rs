use std::time::Duration;

use reqwest::StatusCode;

use crate::model::chain;
use crate::source::{SourceError, SourceErrorKind};

/// Why the Git host did not do, or not say, what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ForgeError {
    pub kind: ForgeErrorKind,
    /// What went wrong, as a sentence without a full stop. It may hold what the host said.
    pub message: String,
    /// The host asks not to be tried again before this has passed.
    pub wait: Option<Duration>,
    /// The status that it answered with, where it refused.
    pub status: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForgeErrorKind {
    /// No answer, or none that says anything about what was asked.
    Unreachable,
    /// Its certificate is not to be trusted.
    Tls,
    /// Our own token cannot be read.
    Credentials,
    /// It asks for patience.
    Busy,
    /// The token is none, or may not do this.
    Denied,
    /// There is no such thing, or it is hidden from the token.
    Missing,
    /// It would not have this one.
    Refused,
    /// The answer is none that a Forgejo or Gitea gives.
    Odd,
}

impl ForgeErrorKind {
    /// The stable code, as logs and `status` show it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "forge.unreachable",
            Self::Tls => "forge.tls",
            Self::Credentials => "forge.credentials",
            Self::Busy => "forge.busy",
            Self::Denied => "forge.denied",
            Self::Missing => "forge.missing",
            Self::Refused => "forge.refused",
            Self::Odd => "forge.odd",
        }
    }

    /// Whether it is the host, or the way there, and not what was asked for: what waits is kept, for as long as it takes. A page that
    /// no Forgejo or Gitea gives is that of a proxy, or of a host that is being mended.
    #[must_use]
    pub const fn lasts(self) -> bool {
        matches!(self, Self::Unreachable | Self::Tls | Self::Credentials | Self::Busy | Self::Denied | Self::Odd)
    }

    /// Returns what a status means that is no success.
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            429 | 503 => Self::Busy,
            401 | 402 | 403 | 407 | 451 => Self::Denied,
            404 | 410 => Self::Missing,
            408 | 425 | 500..=599 => Self::Unreachable,
            300..=399 => Self::Odd,
            _ => Self::Refused,
        }
    }
}

impl ForgeError {
    pub(super) fn new(kind: ForgeErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), wait: None, status: None }
    }

    /// Whether whatever else is asked would fare no better: the way there, the token itself, or a host that asks for patience.
    #[must_use]
    pub const fn is_general(&self) -> bool {
        match self.kind {
            ForgeErrorKind::Tls | ForgeErrorKind::Credentials | ForgeErrorKind::Busy => true,
            ForgeErrorKind::Unreachable | ForgeErrorKind::Denied => matches!(self.status, None | Some(401 | 407)),
            ForgeErrorKind::Missing | ForgeErrorKind::Refused | ForgeErrorKind::Odd => false,
        }
    }

    /// Tells what was being done.
    pub(super) fn while_doing(self, what: &str) -> Self {
        Self { message: format!("could not {what}: {}", self.message), ..self }
    }
}

impl From<SourceError> for ForgeError {
    fn from(error: SourceError) -> Self {
        let kind = match error.kind {
            SourceErrorKind::Credentials => ForgeErrorKind::Credentials,
            SourceErrorKind::Tls => ForgeErrorKind::Tls,
            _ => ForgeErrorKind::Unreachable,
        };
        Self::new(kind, chain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_of_one_says_nothing_of_the_others() {
        for (status, general, lasts) in [
            (401, true, true),
            (403, false, true),
            (404, false, false),
            (422, false, false),
            (429, true, true),
            (500, false, true),
            (503, true, true),
        ] {
            let kind = ForgeErrorKind::of(StatusCode::from_u16(status).unwrap());
            let error = ForgeError { status: Some(status), ..ForgeError::new(kind, "no") };
            assert_eq!((error.is_general(), error.kind.lasts()), (general, lasts), "{status}");
        }
        assert!(ForgeError::new(ForgeErrorKind::Unreachable, "no").is_general());
        assert!(ForgeErrorKind::Odd.lasts(), "a proxy's page is followed by an answer");
    }
}
