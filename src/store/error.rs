/// Why the store has no answer. The code is stable and is what `status`, records and the API carry.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    pub kind: StoreErrorKind,
    /// What was being done to what.
    pub message: String,
    #[source]
    pub source: Option<anyhow::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The disk, quota or database is full: no change is made until there is space.
    Full,
    /// Another process holds the data folder or the database.
    Locked,
    /// The database is not what was written: restore it from a backup. It is never repaired by guessing.
    Damaged,
    /// A newer trueup wrote it.
    Newer,
    /// It cannot be read or written just now.
    Unavailable,
    /// The content key is missing, readable by others, or not the one that the store was made with.
    Key,
    /// An object is claimed by another application.
    Conflict,
}

impl StoreErrorKind {
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Full => "store.full",
            Self::Locked => "store.locked",
            Self::Damaged => "store.damaged",
            Self::Newer => "store.newer",
            Self::Unavailable => "store.unavailable",
            Self::Key => "store.key",
            Self::Conflict => "store.conflict",
        }
    }
}

impl StoreError {
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    pub(crate) fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn because(kind: StoreErrorKind, message: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self { kind, message: message.into(), source: Some(source.into()) }
    }

    /// Returns the error of a file operation.
    pub(crate) fn file(message: String, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
            _ => StoreErrorKind::Unavailable,
        };
        Self::because(kind, message, source)
    }
}

/// Returns what turns a database error met while `doing` into ours.
pub(crate) fn database(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::because(kind_of(&source), format!("could not {doing}"), source)
}

/// Returns what turns an undecodable row into ours: we wrote it, so whoever changed it was not us.
pub(crate) fn undecodable(doing: &'static str) -> impl Fn(serde_json::Error) -> StoreError {
    move |source| StoreError::because(StoreErrorKind::Damaged, format!("could not {doing}"), source)
}

/// SQLite's primary result codes (<https://sqlite.org/rescode.html>) lie in the low byte of the extended ones.
fn kind_of(error: &sqlx::Error) -> StoreErrorKind {
    let sqlx::Error::Database(inner) = error else {
        return match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreErrorKind::Damaged,
            _ => StoreErrorKind::Unavailable,
        };
    };
    match inner.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        Some(13) => StoreErrorKind::Full,
        Some(5 | 6) => StoreErrorKind::Locked,
        Some(11 | 26) => StoreErrorKind::Damaged,
        _ => StoreErrorKind::Unavailable,
    }
}
