use std::path::Path;

use sqlx::Row as _;

use super::Kind;
use super::append::number;
use super::archive::{Segment, rewrite, segments};
use super::body::TrailBody;
use super::upkeep::By;
use crate::store::{Store, StoreError, database};

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the trail has no record {0}")]
    Unknown(u64),
    #[error("record {0} tells of the trail itself: what it says is needed to verify it")]
    Upkeep(u64),
    #[error("record {record} lies in the archive, as {file}, and that is not at hand")]
    Archived { record: u64, file: String },
    #[error("the payload of record {0} is erased already")]
    Already(u64),
}

/// Erases the payload of a record for ever, and its salt: the hash that stays tells nothing of what it was. No byte of it is left in
/// the files of the store, nor in the one of the archive that it lies in.
///
/// # Errors
/// Where there is nothing to erase, or it may not be; or when it cannot be written: then it is still there.
pub async fn erase(store: &Store, record: u64, archive: Option<&Path>, by: &By<'_>) -> Result<(), EraseError> {
    let doing = || database("erase a payload");
    let segment = segments(store).await?.into_iter().find(|one| (one.first..=one.last).contains(&record));
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
    let here = text(1)?.is_some_and(|bytes| !bytes.is_empty());
    if here && text(2)?.is_none() {
        return Err(EraseError::Already(record));
    }
    if let Some(segment) = segment {
        in_archive(record, archive, segment).await?;
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

/// Takes a payload out of the file that it was moved into.
async fn in_archive(record: u64, archive: Option<&Path>, segment: Segment) -> Result<(), EraseError> {
    let file = segment.file;
    let Some(path) = archive.map(|folder| folder.join(&file)).filter(|path| path.is_file()) else {
        return Err(EraseError::Archived { record, file });
    };
    let without = tokio::task::spawn_blocking(move || {
        rewrite(&path, |line| {
            if line.seq == record {
                (line.salt, line.payload) = (None, None);
            }
        })
    });
    let failed = |error| StoreError::file(format!("could not erase from {file}"), error);
    let done = without.await.map_err(std::io::Error::other).flatten();
    done.map_err(failed)?;
    Ok(())
}
