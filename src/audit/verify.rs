use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::append::{number, read_tree};
use super::export::Line;
use super::leaf::{Head, Leaf, VERSION, commitment};
use super::tree::{Tree, leaf_hash};
use crate::model::Digest;
use crate::store::{Session, Store, StoreError, StoreErrorKind, database};

/// What a check of the whole trail found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many records were read.
    pub size: u64,
    /// The root over what was read.
    pub root: Digest,
    /// How many payloads were erased. That is no damage.
    pub erased: u64,
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub omitted: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The record's number; `None` where the trail as a whole is meant.
    pub seq: Option<u64>,
    pub what: String,
}

impl Report {
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }
}

/// So many records are in memory at a time.
const PAGE: u32 = 500;

/// A trail that is damaged all over need not be listed all over.
const MOST_PROBLEMS: usize = 100;

/// Returns the size and root that the next append builds on.
///
/// # Errors
/// `store.damaged` where the last records, or the head, are not what they were.
pub async fn head(store: &Store) -> Result<Head, StoreError> {
    Ok(read_tree(&mut *store.session().await?).await?.head())
}

/// Finds out, without reading the trail, whether its end is missing. Meant for the start of the daemon.
///
/// # Errors
/// `store.damaged` where it is.
pub async fn check_tail(store: &Store) -> Result<(), StoreError> {
    head(store).await.map(|_| ())
}

/// Reads the whole trail and reports everything in it that is not as it was written. Records that are appended meanwhile are
/// left for the next time.
///
/// # Errors
/// Only where it cannot be read; what is wrong with it is in the report.
pub async fn verify(store: &Store) -> Result<Report, StoreError> {
    let mut verifier = Verifier::default();
    let head = match head(store).await {
        Ok(head) => Some(head),
        Err(error) if error.kind == StoreErrorKind::Damaged => {
            verifier.problem(None, error.to_string());
            None
        }
        Err(error) => return Err(error),
    };
    let last = head.map_or(i64::MAX.unsigned_abs(), |head| head.size);
    loop {
        let rows = page(&mut store.session().await?, verifier.last, last).await?;
        if rows.is_empty() {
            return Ok(verifier.finish(head));
        }
        for row in &rows {
            verifier.row(row)?;
        }
    }
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

/// Holds record after record against what the trail promises.
#[derive(Default)]
pub(super) struct Verifier {
    tree: Tree,
    /// The number of the last record.
    last: u64,
    erased: u64,
    problems: Vec<Problem>,
    omitted: u64,
}

impl Verifier {
    /// The columns beside the bytes are what lists are made by: they must not say anything else.
    fn row(&mut self, row: &AnyRow) -> Result<(), StoreError> {
        let failed = || database("read the trail");
        let text = |column: usize| row.try_get::<Option<String>, _>(column).map_err(failed());
        let seq = u64::try_from(row.try_get::<i64, _>(0).map_err(failed())?).unwrap_or(0);
        let line = Line { seq, bytes: text(1)?.unwrap_or_default(), salt: text(2)?, payload: text(3)? };
        if text(4)? != Some(leaf_hash(line.bytes.as_bytes()).to_string()) {
            self.problem(Some(seq), "it is not what its hash was made of");
        }
        if let Some(leaf) = self.line(&line) {
            let kind = text(5)?.as_deref() == Some(leaf.kind.as_str());
            let application = text(6)? == leaf.application.map(|name| name.to_string());
            let sync = text(7)? == leaf.sync.map(|sync| sync.to_string());
            if !(kind && application && sync) {
                self.problem(Some(seq), "it is filed under what it does not say");
            }
        }
        Ok(())
    }

    pub(super) fn line(&mut self, line: &Line) -> Option<Leaf> {
        let seq = line.seq;
        if seq <= self.last {
            self.problem(Some(seq), format!("it comes after number {}", self.last));
        } else if seq > self.last + 1 {
            let (first, last) = (self.last + 1, seq - 1);
            let what = if first == last { "it is missing".to_owned() } else { format!("missing, up to number {last}") };
            self.problem(Some(first), what);
        }
        self.last = self.last.max(seq);
        self.tree.push(leaf_hash(line.bytes.as_bytes()));
        let leaf = match serde_json::from_str::<Leaf>(&line.bytes) {
            Ok(leaf) if leaf.v == VERSION => leaf,
            Ok(leaf) => {
                self.problem(Some(seq), format!("its version {} is not known here", leaf.v));
                return None;
            }
            Err(_) => {
                self.problem(Some(seq), "it is no record");
                return None;
            }
        };
        if leaf.seq != seq {
            self.problem(Some(seq), format!("it was written as number {}", leaf.seq));
        }
        match (&line.salt, &line.payload) {
            (Some(salt), Some(payload)) if commitment(salt, payload) == leaf.payload => {}
            (None, None) => self.erased += 1,
            _ => self.problem(Some(seq), "its payload is not the one that was written"),
        }
        Some(leaf)
    }

    pub(super) fn problem(&mut self, seq: Option<u64>, what: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { seq, what: what.into() });
        } else {
            self.omitted += 1;
        }
    }

    pub(super) fn finish(mut self, head: Option<Head>) -> Report {
        let read = self.tree.head();
        if let Some(head) = head {
            if read.size != head.size {
                self.problem(None, format!("{} records were read, the head counts {}", read.size, head.size));
            }
            if read.root != head.root {
                self.problem(None, format!("the root is {}, the head says {}", read.root, head.root));
            }
        }
        Report { size: read.size, root: read.root, erased: self.erased, problems: self.problems, omitted: self.omitted }
    }
}
