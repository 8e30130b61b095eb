//! Kinds of [`ObjectId`](super::ObjectId) of what is declared in Git.

pub const APPLICATION: &str = "application";
pub const POLICY: &str = "policy";
pub const PERSON: &str = "person";
/// Break-glass that a document asks for. It only asks.
pub const BREAK_GLASS: &str = "break-glass";

/// Whether an object of this kind decides how others are judged.
#[must_use]
pub fn judges(kind: &str) -> bool {
    matches!(kind, POLICY | PERSON)
}
