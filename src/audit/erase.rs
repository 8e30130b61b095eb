use std::path::Path;

use sqlx::{AnyConnection, Row as _};

use super::Kind;
use super::append::asked;
use super::archive::{Rewritten, Segment, segments, sweep};
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
/// the files of the store, nor in the one of the archive that it lies in, nor in what a crash left there. Nothing may be archived
/// meanwhile.
///
/// # Errors
/// Where there is nothing to erase, or it may not be; or when it cannot be written: then it is still there. Only where the very
/// last write of all fails it is gone from the archive, and the trail does not say so: `verify` names it, until it is erased again.
pub async fn erase(store: &Store, record: u64, archive: Option<&Path>, by: &By<'_>) -> Result<(), EraseError> {
    let segments = segments(store).await?;
    if let Some(folder) = archive {
        sweep(store, folder, &segments).await?;
    }
    allowed(&mut *store.session().await?, record).await?;
    let segment = segments.into_iter().find(|one| (one.first..=one.last).contains(&record));
    let without = match segment {
        Some(segment) => Some(without(record, archive, segment).await?),
        None => None,
    };
    let mut tx = store.write().await?;
    allowed(tx.connection(), record).await?;
    // Pages that are freed are overwritten too.
    tx.delete_securely().await?;
    sqlx::query("UPDATE records SET salt = NULL, payload = NULL WHERE seq = $1")
        .bind(asked(record))
        .execute(tx.connection())
        .await
        .map_err(database(DOING))?;
    by.append(&mut tx, TrailBody::Erased { record, reason: by.reason.clone().unwrap_or_default() }).await?;
    if let Some(without) = without {
        let failed = |error| StoreError::file("could not erase from the archive".into(), error);
        without.put().map_err(failed)?;
    }
    tx.commit().await?;
    Ok(store.forget_journal().await?)
}

const DOING: &str = "erase a payload";

/// Returns whether a payload is there to be erased, and may be.
async fn allowed(connection: &mut AnyConnection, record: u64) -> Result<(), EraseError> {
    let row = sqlx::query("SELECT kind, bytes, payload FROM records WHERE seq = $1")
        .bind(asked(record))
        .fetch_optional(connection)
        .await
        .map_err(database(DOING))?
        .ok_or(EraseError::Unknown(record))?;
    let text = |column: usize| row.try_get::<Option<String>, _>(column).map_err(database(DOING));
    if text(0)?.as_deref() == Some(Kind::Trail.as_str()) {
        return Err(EraseError::Upkeep(record));
    }
    // Where the archive alone has it, it is erased again: a file may have been put back that still had it.
    let here = text(1)?.is_some_and(|bytes| !bytes.is_empty());
    if here && text(2)?.is_none() { Err(EraseError::Already(record)) } else { Ok(()) }
}

/// Writes the file that it was moved into anew without a payload, beside the one that has it.
async fn without(record: u64, archive: Option<&Path>, segment: Segment) -> Result<Rewritten, EraseError> {
    let file = segment.file;
    let Some(path) = archive.map(|folder| folder.join(&file)).filter(|path| path.is_file()) else {
        return Err(EraseError::Archived { record, file });
    };
    let without = tokio::task::spawn_blocking(move || {
        Rewritten::of(&path, |line| {
            if line.seq == record {
                (line.salt, line.payload) = (None, None);
            }
        })
    });
    let failed = |error| StoreError::file(format!("could not erase from {file}"), error);
    Ok(without.await.map_err(std::io::Error::other).flatten().map_err(failed)?)
}
