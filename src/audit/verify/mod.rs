//! Holds a trail against what it promises, and against checkpoints of it that were kept elsewhere.
//!
//! Each record is judged by itself, on as many threads as there are cores; what the records make together, in order, by one
//! [`Verifier`]. Nothing of the store is believed that a hash does not say.

mod check;
mod given;
mod page;
mod pipeline;
mod report;
mod verifier;

use super::append::read_tree;
use super::checkpoint;
use super::leaf::Head;
use crate::store::{Readable, Store, StoreError, StoreErrorKind};

pub use given::{Given, InvalidGiven};
pub use report::{Held, Problem, Report};

pub(super) use check::{Checked, line};
pub(super) use pipeline::Pipeline;
pub(super) use verifier::Verifier;

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
    let mut pages = Pipeline::new(check::page);
    let (mut after, mut done, mut judged) = (0, false, 0);
    loop {
        // Reading goes ahead of judging by a few pages, and no further.
        while !done && pages.has_room() {
            match page::read(store, after, last).await? {
                Some(page) => {
                    after = page.last;
                    pages.put(page);
                }
                None => done = true,
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
