//! Old records are moved out, whole segments at a time: into a file that is an export of just these records, up to a checkpoint that
//! was published. Their hashes stay, and with them the tree, its proofs, and all that `verify` does.
//!
//! # Guarantees
//! Nothing is dropped from the store before the file was written, synced, and read back and verified against that checkpoint.
//! Records that are still needed stay in the store as well: those about the trail, of syncs that are open, and those that the
//! caller names. One segment follows the other: who would move out what was moved out meanwhile is refused. That nothing is erased
//! meanwhile is for the caller to see to: it would stay in the file.

mod file;

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::append::number;
use super::body::TrailBody;
use super::export::{Item, export_page};
use super::leaf::Leaf;
use super::upkeep::{By, told, told_in};
use super::{Kind, checkpoint};
use crate::model::Time;
use crate::store::{Readable, Store, StoreError, StoreErrorKind, Tx, database, statement};

pub(super) use file::{Rewritten, sweep};

/// A file of the archive has as many records as lie between checkpoints, at least, and about this many at the most.
const MOST: u64 = 10_000;

/// Records that were moved into a file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    pub first: u64,
    pub last: u64,
    /// The name of the file.
    pub file: String,
}

/// What may be moved out.
#[derive(Clone, Debug)]
pub struct Retention<'a> {
    pub folder: &'a Path,
    /// Only records that are older than this.
    pub before: Time,
    /// Only as many records, from the first on, as a published checkpoint covers.
    pub published: u64,
    /// No file is made for fewer records than this.
    pub least: u64,
    /// Numbers of records that stay in the store as well: whatever is still open.
    pub keep: &'a BTreeSet<u64>,
}

/// Returns what was moved out, as the records tell, in order.
///
/// # Errors
/// When it cannot be read.
pub async fn segments(store: &impl Readable) -> Result<Vec<Segment>, StoreError> {
    Ok(among(told(store).await?))
}

fn among(told: Vec<TrailBody>) -> Vec<Segment> {
    let segment = |body| match body {
        TrailBody::Archived { first, last, file } => Some(Segment { first, last, file }),
        _ => None,
    };
    told.into_iter().filter_map(segment).collect()
}

/// Returns the records whose payloads were erased, as the records tell.
async fn erasures(store: &impl Readable) -> Result<Vec<u64>, StoreError> {
    let erased = |body| match body {
        TrailBody::Erased { record, .. } => Some(record),
        _ => None,
    };
    Ok(told(store).await?.into_iter().filter_map(erased).collect())
}

/// Moves out what may be, and returns it. What an earlier call had to leave in the store as well goes now, where it may.
///
/// # Errors
/// When a file cannot be written or is not what was to be written, or the store cannot be: what was moved out before stays so.
pub async fn archive(store: &Store, retention: &Retention<'_>, by: &By<'_>) -> Result<Vec<Segment>, StoreError> {
    let failed = |error| StoreError::file(format!("could not use the archive {}", retention.folder.display()), error);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(retention.folder).map_err(failed)?;
    let _alone = alone(store)?;
    let segments = segments(store).await?;
    sweep(store, retention.folder, &segments).await?;
    let mut last = segments.last().map_or(0, |segment| segment.last);
    drop_bytes(store, 1, last, retention.keep).await?;
    let limit = old(store, last, retention).await?;
    let mut moved = vec![];
    let enough = |(end, _): &(u64, String), last: u64| end - last >= retention.least;
    while let Some((end, note)) = ending(store, last, limit).await?.filter(|ending| enough(ending, last)) {
        let segment = Segment { first: last + 1, last: end, file: file::name(store, last + 1, end).await? };
        file::write(store, retention.folder, &segment, &note).await?;
        take_out(store, &segment, retention.keep, by).await?;
        last = end;
        moved.push(segment);
    }
    Ok(moved)
}

/// Holds the store against whoever else would move its records out, until what is returned is dropped: two who write one file at once
/// would spoil it.
fn alone(store: &Store) -> Result<File, StoreError> {
    let failed = |error| StoreError::file("could not hold the data folder".into(), error);
    let held = File::open(store.folder()).map_err(failed)?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(TryLockError::WouldBlock) => {
            let message = "could not move out records: others are moved out meanwhile";
            Err(StoreError::new(StoreErrorKind::Unavailable, message))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Returns the last record that is old enough, and is covered by a published checkpoint. The order is that of the numbers: one that
/// claims to be younger stops what comes after it, whatever the clock said then.
async fn old(store: &Store, after: u64, retention: &Retention<'_>) -> Result<u64, StoreError> {
    let mut last = after;
    while last < retention.published {
        let items = export_page(store, last, retention.published).await?;
        let lines: Vec<_> = items.iter().filter_map(Item::record).collect();
        if lines.is_empty() {
            break;
        }
        for line in lines {
            let time = serde_json::from_str::<Leaf>(&line.bytes).ok().map(|leaf| leaf.time);
            if time.is_none_or(|time| time >= retention.before) {
                return Ok(last);
            }
            last = line.seq;
        }
    }
    Ok(last)
}

/// Returns where a segment may end that begins after record `after`, and the checkpoint that says so.
async fn ending(store: &Store, after: u64, limit: u64) -> Result<Option<(u64, String)>, StoreError> {
    let mut within = checkpoint::sized(store, after, limit.min(after.saturating_add(MOST))).await?;
    match within.pop() {
        Some(largest) => Ok(Some(largest)),
        None => Ok(checkpoint::sized(store, after, limit).await?.into_iter().next()),
    }
}

/// Drops the records of a segment from the store, with a record of that.
async fn take_out(store: &Store, segment: &Segment, keep: &BTreeSet<u64>, by: &By<'_>) -> Result<(), StoreError> {
    let Segment { first, last, file } = segment.clone();
    let mut tx = store.write().await?;
    let before = among(told_in(tx.connection()).await?).last().map_or(0, |segment| segment.last);
    if before + 1 != first {
        let message = format!("could not move out the records from number {first} on: others were moved out meanwhile");
        return Err(StoreError::new(StoreErrorKind::Unavailable, message));
    }
    dropped(&mut tx, first, last, keep).await?;
    by.append(&mut tx, TrailBody::Archived { first, last, file }).await?;
    tx.commit().await
}

/// Drops what had to stay when its segment was moved out.
async fn drop_bytes(store: &Store, first: u64, last: u64, keep: &BTreeSet<u64>) -> Result<(), StoreError> {
    if last < first {
        return Ok(());
    }
    let mut tx = store.write().await?;
    if dropped(&mut tx, first, last, keep).await? > 0 { tx.commit().await } else { Ok(()) }
}

/// Empties rows of the store, but for those that are needed. Returns how many there were.
async fn dropped(tx: &mut Tx, first: u64, last: u64, keep: &BTreeSet<u64>) -> Result<u64, StoreError> {
    // They may be erased later, and nobody knows any more then on which pages they were.
    tx.delete_securely().await?;
    let kept: Vec<_> = keep.range(first..=last).map(ToString::to_string).collect();
    // Numbers alone, and words of ours.
    let text = format!(
        "UPDATE records SET bytes = '', salt = NULL, payload = NULL, kind = '', application = NULL, sync = NULL \
         WHERE seq >= $1 AND seq <= $2 AND bytes <> '' AND kind <> '{}' AND seq NOT IN ({}) \
         AND (sync IS NULL OR sync NOT IN (SELECT sync FROM syncs))",
        Kind::Trail,
        kept.join(", ")
    );
    let done = sqlx::query(statement(text))
        .persistent(false)
        .bind(number(first)?)
        .bind(number(last)?)
        .execute(tx.connection())
        .await
        .map_err(database("drop records that are in the archive"))?;
    Ok(done.rows_affected())
}
