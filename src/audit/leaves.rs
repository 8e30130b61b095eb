//! The leaf hashes as they are stored: what roots and proofs are computed from, without reading a record.

use sqlx::Row as _;

use super::append::number;
use super::proof::Roots;
use crate::model::Digest;
use crate::store::{Readable, StoreError, StoreErrorKind, database};

/// So many hashes are in memory at a time.
const PAGE: u32 = 4096;

/// Reads the first `size` leaf hashes for these ranges, and returns the ranges' roots.
///
/// # Errors
/// `store.damaged` where hashes are missing.
pub(super) async fn roots(store: &impl Readable, size: u64, mut roots: Roots) -> Result<Vec<Digest>, StoreError> {
    let doing = || database("read the hashes of the trail");
    let damaged = |why: &str| StoreError::new(StoreErrorKind::Damaged, format!("the trail is damaged: {why}"));
    let mut read = 0;
    while read < size {
        let rows = sqlx::query("SELECT seq, hash FROM records WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3")
            .bind(number(read)?)
            .bind(number(size)?)
            .bind(i64::from(PAGE))
            .fetch_all(&mut *store.session().await?)
            .await
            .map_err(doing())?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let seq: i64 = row.try_get(0).map_err(doing())?;
            let hash: String = row.try_get(1).map_err(doing())?;
            if u64::try_from(seq) != Ok(read + 1) {
                return Err(damaged(&format!("record {} is missing", read + 1)));
            }
            let hash = hash.parse().map_err(|_| damaged(&format!("the hash of record {seq} is none")))?;
            roots.leaf(read, hash);
            read += 1;
        }
    }
    roots.finish().ok_or_else(|| damaged(&format!("it has no {size} records")))
}

/// Returns the root over the first `size` records.
pub(super) async fn root_at(store: &impl Readable, size: u64) -> Result<Digest, StoreError> {
    let all = roots(store, size, Roots::whole(size)).await?;
    all.first().copied().ok_or_else(|| StoreError::new(StoreErrorKind::Damaged, "the trail is damaged"))
}
