use sqlx::Row as _;

use super::leaf::{self, Head, Row};
use super::tree::{Tree, leaf_hash};
use super::{Entry, Redactor, appended, tell};
use crate::model::{Digest, Time};
use crate::store::{StoreError, StoreErrorKind, Tx, database, placeholders, statement};

const WIDTH: usize = 8;

/// So many records go into one statement.
const CHUNK: usize = 128;

/// Appends records, in order, in the transaction of the change that they tell of. Returns their numbers.
///
/// # Guarantees
/// They are durable when, and only when, the transaction commits; then they are told in the log, and [`super::Appended`] rings. Secrets
/// are gone before anything is hashed.
///
/// # Errors
/// `store.damaged` where the last records are missing: nothing is ever written over a gap.
pub async fn append(tx: &mut Tx, now: Time, redactor: &Redactor, entries: &[Entry]) -> Result<Vec<u64>, StoreError> {
    if entries.is_empty() {
        return Ok(vec![]);
    }
    let mut tree = take_tree(tx).await?;
    let before = tree.size;
    let last = entries.len().div_ceil(CHUNK) - 1;
    for (n, chunk) in entries.chunks(CHUNK).enumerate() {
        let mut rows = Vec::with_capacity(chunk.len());
        for entry in chunk {
            let row = leaf::row(tree.size + 1, now, redactor, entry)?;
            let hash = leaf_hash(row.bytes.as_bytes());
            tree.push(hash);
            rows.push((entry, row, hash));
        }
        insert(tx, rows, (n == last).then_some(&tree)).await?;
    }
    let newest = tree.size;
    tx.remember(tree);
    let (lines, store) = (tell::lines(entries), tx.store().clone());
    tx.once_durable(move || {
        lines.into_iter().for_each(tell::Line::say);
        appended::ring(&store, newest);
    });
    Ok((before + 1..=newest).collect())
}

/// Returns the tree as this change has it. Who takes it gives it back with [`Tx::remember`].
async fn take_tree(tx: &mut Tx) -> Result<Tree, StoreError> {
    match tx.recall::<Tree>() {
        Some(tree) => Ok(tree),
        None => read_tree(tx.connection()).await,
    }
}

/// Returns the head of the trail as this change has it.
pub(super) async fn head_of(tx: &mut Tx) -> Result<Head, StoreError> {
    let tree = take_tree(tx).await?;
    let head = tree.head();
    tx.remember(tree);
    Ok(head)
}

/// Writes rows, and with the last ones the new head. SQLite takes both statements in one round trip, which is worth a tenth of
/// a durable append; PostgreSQL would want them one after the other.
async fn insert(tx: &mut Tx, rows: Vec<(&Entry, Row, Digest)>, head: Option<&Tree>) -> Result<(), StoreError> {
    let count = rows.len();
    let mut text = format!(
        "INSERT INTO records (seq, application, kind, sync, bytes, hash, salt, payload) VALUES {}",
        placeholders(1, count, WIDTH)
    );
    if head.is_some() {
        let values = placeholders(count * WIDTH + 1, 1, 4);
        let set = "size = excluded.size, root = excluded.root, peaks = excluded.peaks";
        let upsert =
            format!("INSERT INTO head (id, size, root, peaks) VALUES {values} ON CONFLICT (id) DO UPDATE SET {set}");
        text = format!("{text}; {upsert}");
    }
    // Only the usual lengths are worth keeping prepared.
    let mut query = sqlx::query(statement(text)).persistent(matches!(count, 1 | CHUNK));
    for (entry, row, hash) in rows {
        query = query
            .bind(number(row.seq)?)
            .bind(entry.application.as_ref().map(ToString::to_string))
            .bind(entry.body.kind().as_str())
            .bind(entry.sync.as_ref().map(ToString::to_string))
            .bind(row.bytes)
            .bind(hash.to_string())
            .bind(row.salt)
            .bind(row.payload);
    }
    if let Some(tree) = head {
        let peaks: String = tree.peaks().iter().map(ToString::to_string).collect();
        query = query.bind(1_i64).bind(number(tree.size)?).bind(tree.root().to_string()).bind(peaks);
    }
    query.execute(tx.connection()).await.map_err(database("append to the trail"))?;
    Ok(())
}

/// Reads the head, and holds it against the number of the last record.
pub(super) async fn read_tree(connection: &mut sqlx::AnyConnection) -> Result<Tree, StoreError> {
    let doing = || database("read the head of the trail");
    let row = sqlx::query(
        "SELECT last.seq, head.size, head.root, head.peaks \
         FROM (SELECT COALESCE(MAX(seq), 0) AS seq FROM records) AS last LEFT JOIN head ON head.id = 1",
    )
    .fetch_one(connection)
    .await
    .map_err(doing())?;
    let last: i64 = row.try_get(0).map_err(doing())?;
    let size: i64 = row.try_get::<Option<i64>, _>(1).map_err(doing())?.unwrap_or(0);
    let root: Option<String> = row.try_get(2).map_err(doing())?;
    let peaks: Option<String> = row.try_get(3).map_err(doing())?;
    let damaged = |why: String| StoreError::new(StoreErrorKind::Damaged, format!("the trail is damaged: {why}"));
    if last < size {
        return Err(damaged(format!("its head counts {size} records, the last one that is there is number {last}")));
    }
    if last > size {
        return Err(damaged(format!("its head counts {size} records, but there is a number {last}")));
    }
    let peaks = parse_peaks(&peaks.unwrap_or_default());
    let tree = peaks.zip(u64::try_from(size).ok()).and_then(|(peaks, size)| Tree::from_peaks(size, peaks));
    let tree = tree.ok_or_else(|| damaged("its head makes no sense".into()))?;
    if root.is_some_and(|root| root != tree.root().to_string()) {
        return Err(damaged("the parts of its head do not agree".into()));
    }
    Ok(tree)
}

fn parse_peaks(text: &str) -> Option<Vec<Digest>> {
    text.as_bytes().chunks(64).map(|one| std::str::from_utf8(one).ok()?.parse().ok()).collect()
}

/// Returns a number as somebody asks for it: nothing lies beyond what the database can count.
pub(super) fn asked(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The database counts with a sign.
pub(super) fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|e| StoreError::because(StoreErrorKind::Damaged, "the trail is damaged", e))
}
