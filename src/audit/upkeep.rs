//! What is done to the trail itself, each time with a record of it.

use sqlx::Row as _;

use super::append::{append, number};
use super::body::TrailBody;
use super::{Body, Entry, Kind, Redactor};
use crate::model::{Actor, Time};
use crate::store::{Store, StoreError, Tx, database};

/// Who does something to the trail, when and why.
pub struct By<'a> {
    pub actor: Actor,
    pub reason: Option<String>,
    pub redactor: &'a Redactor,
    pub now: Time,
}

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the trail has no record {0}")]
    Unknown(u64),
    #[error("record {0} tells of the trail itself: what it says is needed to verify it")]
    Upkeep(u64),
    #[error("record {0} lies in the archive")]
    Archived(u64),
    #[error("the payload of record {0} is erased already")]
    Already(u64),
}

impl By<'_> {
    /// Appends the record of it.
    pub(super) async fn append(&self, tx: &mut Tx, body: TrailBody) -> Result<(), StoreError> {
        let (actor, body) = (self.actor.clone(), Body::Trail(body));
        let entry = Entry { application: None, revision: None, plan: None, sync: None, actor, body };
        append(tx, self.now, self.redactor, &[entry]).await.map(|_| ())
    }
}

/// Erases the payload of a record for ever, and its salt: the hash that stays tells nothing of what it was. No byte of it is left in
/// the files of the store.
///
/// # Errors
/// Where there is nothing to erase, or it may not be; or when it cannot be written: then it is still there.
pub async fn erase(store: &Store, record: u64, by: &By<'_>) -> Result<(), EraseError> {
    let doing = || database("erase a payload");
    let mut tx = store.write().await?;
    let row = sqlx::query("SELECT kind, bytes, payload FROM records WHERE seq = $1")
        .bind(number(record)?)
        .fetch_optional(tx.connection())
        .await
        .map_err(doing())?
        .ok_or(EraseError::Unknown(record))?;
    let text = |column: usize| row.try_get::<Option<String>, _>(column).map_err(doing());
    if text(0)?.as_deref() == Some(Kind::Trail.as_str()) {
        return Err(EraseError::Upkeep(record));
    }
    if text(1)?.is_none_or(|bytes| bytes.is_empty()) {
        return Err(EraseError::Archived(record));
    }
    if text(2)?.is_none() {
        return Err(EraseError::Already(record));
    }
    // Pages that are freed are overwritten too.
    tx.delete_securely().await?;
    sqlx::query("UPDATE records SET salt = NULL, payload = NULL WHERE seq = $1")
        .bind(number(record)?)
        .execute(tx.connection())
        .await
        .map_err(doing())?;
    by.append(&mut tx, TrailBody::Erased { record, reason: by.reason.clone().unwrap_or_default() }).await?;
    tx.commit().await?;
    Ok(store.forget_journal().await?)
}
