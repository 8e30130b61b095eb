//! Checkpoints: signed tree heads, in the format of <https://c2sp.org/tlog-checkpoint>. Whoever holds one can show that the
//! records which it covers are not what they were.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::Head;
use super::append::{asked, number};
use super::key::SigningKey;
use super::note::{Note, NoteError};
use crate::model::Digest;
use crate::store::{Readable, StoreError, StoreErrorKind, Tx, database};

/// What a checkpoint says: of which trail, how many records, and the root over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the trail, and of the key that signs for it.
    pub origin: String,
    pub head: Head,
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// `Malformed`, where it is no checkpoint. Extension lines are none of ours.
    pub fn parse(note: &Note) -> Result<Self, NoteError> {
        let malformed = || NoteError::Malformed("its text is not origin, size and root");
        let mut lines = note.text().lines();
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed());
        };
        let decimal = size.bytes().all(|c| c.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| decimal && !origin.is_empty()).ok_or_else(malformed)?;
        let root: [u8; 32] = BASE64.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or_else(malformed)?;
        Ok(Self { origin: origin.into(), head: Head { size, root: Digest::from_bytes(root) } })
    }

    pub(super) fn sign(head: Head, keys: &[&SigningKey]) -> Note {
        let origin = keys.first().map_or("", |key| key.public().name());
        Note::sign(format!("{origin}\n{}\n{}\n", head.size, BASE64.encode(head.root.as_bytes())), keys)
    }
}

/// Keeps a checkpoint among those of the trail.
pub(super) async fn keep(tx: &mut Tx, head: &Head, note: &Note) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO checkpoints (size, root, note) VALUES ($1, $2, $3) \
         ON CONFLICT (size) DO UPDATE SET root = excluded.root, note = excluded.note",
    )
    .bind(number(head.size)?)
    .bind(head.root.to_string())
    .bind(note.to_string())
    .execute(tx.connection())
    .await
    .map_err(database("keep a checkpoint"))?;
    Ok(())
}

/// Returns the checkpoints that cover more than `after` and up to `last` records, the smallest first, as they are kept and each
/// with how many it covers.
pub(super) async fn sized(store: &impl Readable, after: u64, last: u64) -> Result<Vec<(u64, String)>, StoreError> {
    let rows = sqlx::query("SELECT size, note FROM checkpoints WHERE size > $1 AND size <= $2 ORDER BY size")
        .bind(asked(after))
        .bind(number(last)?)
        .fetch_all(&mut *store.session().await?)
        .await
        .map_err(database(READ))?;
    let one = |row: &AnyRow| {
        let size: i64 = row.try_get(0).map_err(database(READ))?;
        Ok((u64::try_from(size).unwrap_or(0), row.try_get(1).map_err(database(READ))?))
    };
    rows.iter().map(one).collect()
}

/// Returns the checkpoint that covers most records, or `None` where there is none.
///
/// # Errors
/// When it cannot be read.
pub async fn newest(store: &impl Readable) -> Result<Option<Note>, StoreError> {
    let row = sqlx::query("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        .fetch_optional(&mut *store.session().await?)
        .await
        .map_err(database(READ))?;
    row.as_ref().map(note).transpose()
}

const READ: &str = "read the checkpoints";

fn note(row: &AnyRow) -> Result<Note, StoreError> {
    let text: String = row.try_get(0).map_err(database(READ))?;
    Note::parse(&text).map_err(|error| StoreError::because(StoreErrorKind::Damaged, "a checkpoint is damaged", error))
}
