//! The leaf hashes as they are stored: what roots and proofs are computed from, without reading a record.

use sqlx::Row as _;

use super::append::number;
use super::proof::Roots;
use crate::model::Digest;
use crate::store::{Readable, StoreError, StoreErrorKind, database};

/// So many hashes are read at a time.
const MANY: u32 = 1024;

const PAGE: &str = "SELECT string_agg(seq || ' ' || hash, '\n') \
     FROM (SELECT seq, hash FROM records WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3) AS page";

/// Reads the first `size` leaf hashes for these ranges, and returns the ranges' roots.
///
/// # Errors
/// `store.damaged` where hashes are missing.
pub(super) async fn roots(store: &impl Readable, size: u64, mut roots: Roots) -> Result<Vec<Digest>, StoreError> {
    let doing = || database("read the hashes of the trail");
    let damaged = |why: &str| StoreError::new(StoreErrorKind::Damaged, format!("the trail is damaged: {why}"));
    let mut read = 0;
    while read < size {
        // Many to a row: row by row, the driver would take longer than all the hashing.
        let row = sqlx::query(PAGE)
            .bind(number(read)?)
            .bind(number(size)?)
            .bind(i64::from(MANY))
            .fetch_one(&mut *store.session().await?)
            .await
            .map_err(doing())?;
        let Some(text) = row.try_get::<Option<String>, _>(0).map_err(doing())? else { break };
        for line in text.lines() {
            let hash = line.split_once(' ').filter(|(seq, _)| seq.parse() == Ok(read + 1));
            let hash = hash.and_then(|(_, hash)| hash.parse().ok());
            roots.leaf(read, hash.ok_or_else(|| damaged(&format!("the hash of record {} is not there", read + 1)))?);
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
