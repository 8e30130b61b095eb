use crate::store::{StoreError, StoreErrorKind};

/// Why the trail cannot be gone on with. Each but the first is for a person to decide: `trueup audit accept` goes on all the same,
/// on the record.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key that signs is missing, or not the one that the trail names.
    #[error("could not use the key of the trail: {0}")]
    Key(String),
    /// A backup was restored, or the end was cut off.
    #[error("{place} has a checkpoint of {published} records, and the trail here has only {here}")]
    RolledBack { place: String, published: u64, here: u64 },
    /// Records were changed, or two trails go by one name.
    #[error("{place} has a checkpoint of {published} records that are not the first {published} of the trail here")]
    Forked { place: String, published: u64 },
    /// Somebody else publishes there, or the trail here is another one.
    #[error("the last checkpoint at {place} is not of the trail here: {why}")]
    Foreign { place: String, why: String },
}

impl TrailError {
    /// Stable.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Key(_) => "trail.key",
            Self::RolledBack { .. } => "trail.rolled-back",
            Self::Forked { .. } => "trail.forked",
            Self::Foreign { .. } => "trail.foreign",
        }
    }

    /// Whether a person has to decide, or mend something, before the daemon can start.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::Store(error) => error.kind.is_lasting(),
            _ => true,
        }
    }
}

impl StoreErrorKind {
    /// Whether opening the store again would end the same, before somebody has mended it.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        matches!(self, Self::Newer | Self::Damaged | Self::Key)
    }
}
