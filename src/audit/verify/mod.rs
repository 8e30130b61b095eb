//! Holds a trail against what it promises, and against checkpoints of it that were kept elsewhere.
//!
//! Each record is judged by itself, on as many threads as there are cores; what the records make together, in order, by one
//! [`Verifier`]. Nothing of the store is believed that a hash does not say.

mod check;
mod given;
mod pipeline;
mod report;
mod verifier;

use sqlx::any::AnyRow;

use super::append::{number, read_tree};
use super::checkpoint;
use super::leaf::Head;
use crate::store::{Readable, Session, Store, StoreError, StoreErrorKind, database};

pub use given::{Given, InvalidGiven};
pub use report::{Held, Problem, Report};

pub(super) use check::{Checked, line};
pub(super) use pipeline::Pipeline;
pub(super) use verifier::Verifier;

/// So many records are judged at a time.
const PAGE: u32 = 1000;

/// Returns the size and root that the next append builds on.
///
/// # Errors
/// `store.damaged` where the last records, or the head, are not what they were.
pub async fn head(store: &impl Readable) -> Result<Head, StoreError> {
    Ok(read_tree(&mut *store.session().await?).await?.head())
}

/// Finds out, without reading the trail, whether its end is missing. Meant for the start of the daemon.
///
/// # Errors
/// `store.damaged` where it is.
pub async fn check_tail(store: &Store) -> Result<(), StoreError> {
    head(store).await.map(|_| ())
}

/// Reads the whole trail and reports everything in it that is not as it was written, or not as a checkpoint says. Records that
/// are appended meanwhile are left for the next time.
///
/// # Errors
/// Only where it cannot be read; what is wrong with it is in the report.
pub async fn verify(store: &impl Readable, given: &Given) -> Result<Report, StoreError> {
    let mut verifier = Verifier::new(given);
    let head = match head(store).await {
        Ok(head) => Some(head),
        Err(error) if error.kind == StoreErrorKind::Damaged => {
            verifier.problem(None, error.to_string());
            None
        }
        Err(error) => return Err(error),
    };
    let last = head.map_or(i64::MAX.unsigned_abs(), |head| head.size);
    let mut pages = Pipeline::new(|rows: &Vec<AnyRow>| check::rows(rows));
    let (mut after, mut done, mut judged) = (0, false, 0);
    loop {
        // Reading goes ahead of judging by a few pages, and no further.
        while !done && pages.has_room() {
            let rows = page(&mut store.session().await?, after, last).await?;
            match rows.last().map(check::seq).transpose()? {
                Some(seq) => after = seq,
                None => done = true,
            }
            if !done {
                pages.put(rows);
            }
        }
        let Some(checked) = pages.next().await? else { break };
        let checked = checked?;
        let upto = checked.last().map_or(judged, |checked| checked.seq);
        let own = checkpoint::sized(store, judged, upto).await?;
        judged = upto;
        verifier.records(checked, own);
    }
    Ok(verifier.finish(head).await)
}

async fn page(session: &mut Session, after: u64, last: u64) -> Result<Vec<AnyRow>, StoreError> {
    sqlx::query(
        "SELECT seq, bytes, salt, payload, hash, kind, application, sync FROM records \
         WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
    )
    .bind(number(after)?)
    .bind(number(last)?)
    .bind(i64::from(PAGE))
    .fetch_all(&mut **session)
    .await
    .map_err(database("read the trail"))
}
