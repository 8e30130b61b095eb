//! Errors over the wire, and of the wire.

use super::message::Failure;
use crate::target::TargetError;

/// Why a connection ended: somebody did not keep to the protocol, or the stream broke.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error("a line has more than {} bytes", super::LONGEST_LINE)]
    LongLine,
    #[error("a line is no message of the protocol: {0}")]
    NoMessage(String),
    #[error("{0}")]
    Unexpected(String),
    #[error("more was sent than is taken at once: {0}")]
    TooMuch(&'static str),
    #[error("no common version of the protocol: here {}-{}, there {}-{}", .here.min, .here.max, .there.min, .there.max)]
    Version { here: super::message::Range, there: super::message::Range },
    #[error("the adapter does not take its configuration")]
    Refused(#[source] TargetError),
    #[error("the connection ended")]
    Ended,
    #[error("the stream broke")]
    Stream(#[from] std::io::Error),
}

impl ProtocolError {
    /// The stable code, as the last line of a connection carries it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LongLine => "protocol.line-too-long",
            Self::NoMessage(_) => "protocol.no-message",
            Self::Unexpected(_) => "protocol.unexpected",
            Self::TooMuch(_) => "protocol.too-much",
            Self::Version { .. } => "protocol.version",
            Self::Refused(_) => "protocol.configuration",
            Self::Ended | Self::Stream(_) => "protocol.ended",
        }
    }

    /// Returns what the other side is told before the connection ends.
    #[must_use]
    pub fn told(&self) -> Failure {
        match self {
            Self::Refused(error) => error.into(),
            other => Failure::Invalid { code: other.code().into(), reason: other.to_string() },
        }
    }
}

impl From<&TargetError> for Failure {
    fn from(error: &TargetError) -> Self {
        let cause = |source: &Option<anyhow::Error>| source.as_ref().map(|cause| format!("{cause:#}"));
        match error {
            TargetError::Stale { object } => Self::Stale { object: object.clone() },
            TargetError::Conflict { object, holder } => {
                Self::Conflict { object: object.clone(), holder: holder.clone() }
            }
            TargetError::Locked { holder } => Self::Locked { holder: holder.clone() },
            TargetError::Denied { code, reason } => Self::Denied { code: code.to_string(), reason: reason.clone() },
            TargetError::Invalid { code, reason } => Self::Invalid { code: code.to_string(), reason: reason.clone() },
            TargetError::Unavailable { doing, source } => {
                Self::Unavailable { doing: doing.clone(), cause: cause(source) }
            }
            TargetError::Cancelled => Self::Cancelled,
            TargetError::InDoubt { doing, source } => Self::InDoubt { doing: doing.clone(), cause: cause(source) },
        }
    }
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> Self {
        let source = |cause: Option<String>| cause.map(anyhow::Error::msg);
        match failure {
            Failure::Stale { object } => Self::Stale { object },
            Failure::Conflict { object, holder } => Self::Conflict { object, holder },
            Failure::Locked { holder } => Self::Locked { holder },
            Failure::Denied { code, reason } => Self::Denied { code: code.into(), reason },
            Failure::Invalid { code, reason } => Self::Invalid { code: code.into(), reason },
            Failure::Unavailable { doing, cause } => Self::Unavailable { doing, source: source(cause) },
            Failure::Cancelled => Self::Cancelled,
            Failure::InDoubt { doing, cause } => Self::InDoubt { doing, source: source(cause) },
        }
    }
}
