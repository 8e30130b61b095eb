use std::error::Error;
use std::io;

use super::{SourceError, SourceErrorKind};
use crate::model::deceives;

impl SourceError {
    pub(super) fn new(kind: SourceErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the cause.
    pub(super) fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Tells what was being done when this happened; the kind stays.
    pub(super) fn while_doing(self, message: impl Into<String>) -> Self {
        Self { kind: self.kind, message: message.into(), source: Some(self.into()) }
    }

    pub(super) fn mirror(message: impl Into<String>, cause: io::Error) -> Self {
        Self::new(SourceErrorKind::Mirror, message).because(cause)
    }

    /// Makes an I/O error of it, so that it passes through readers of others and comes out whole by [`From`].
    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

/// For errors of a connection to the remote.
impl From<io::Error> for SourceError {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Self>) {
            let inner = error.into_inner().and_then(|inner| inner.downcast::<Self>().ok());
            return inner.map_or_else(|| Self::new(SourceErrorKind::Unreachable, "the connection failed"), |own| *own);
        }
        let (kind, message) = match error.kind() {
            io::ErrorKind::UnexpectedEof => (SourceErrorKind::Unreachable, "the server ended the connection half-way"),
            io::ErrorKind::TimedOut => (SourceErrorKind::TimedOut, "the server did not answer in time"),
            io::ErrorKind::InvalidData => (SourceErrorKind::Protocol, "the server does not speak the git protocol"),
            _ => (SourceErrorKind::Unreachable, "the connection failed"),
        };
        Self::new(kind, message).because(error)
    }
}

pub(super) fn protocol(message: impl Into<String>) -> SourceError {
    SourceError::new(SourceErrorKind::Protocol, message)
}

/// Returns what a stranger wrote as one line of harmless text of at most 300 characters.
pub(crate) fn harmless(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim().chars().take(300).map(|c| if deceives(c) { '\u{fffd}' } else { c }).collect()
}
