//! Records as they are read to be judged: many to a row. Row by row, the driver would take longer than all the hashing.

use sqlx::Row as _;

use crate::audit::append::number;
use crate::audit::export::Line;
use crate::model::Digest;
use crate::store::{Readable, StoreError, StoreErrorKind, database};

/// So many records are read at a time.
const MANY: u32 = 256;

/// What parts the columns of a record, and the records. Neither is allowed in JSON, nor in any word that a column holds: where one
/// turns up all the same, the count of parts is wrong.
const UNIT: char = '\u{1f}';
const RECORD: char = '\u{1e}';

/// Columns that may be empty have a letter before what is in them, so that nothing and no text are told apart. What is joined becomes
/// text, whatever it was: where a column by which records are found holds bytes, no word finds it, and it is not equal to its own text.
const PAGE: &str = "SELECT COUNT(*), MAX(seq), string_agg( \
     CASE WHEN kind = CAST(kind AS TEXT) AND (application IS NULL OR application = CAST(application AS TEXT)) \
     AND (sync IS NULL OR sync = CAST(sync AS TEXT)) THEN '' ELSE '!' END || $3 || \
     seq || $3 || bytes || $3 || hash || $3 || kind || $3 || COALESCE('=' || salt, '') || $3 || COALESCE('=' || payload, '') || $3 || \
     COALESCE('=' || application, '') || $3 || COALESCE('=' || sync, ''), $4) \
     FROM (SELECT * FROM records WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $5) AS page";

/// Records that follow each other, not yet told apart.
pub(super) struct Page {
    count: usize,
    /// The number of the last one.
    pub(super) last: u64,
    text: String,
}

/// One record as it is filed.
pub(super) struct Filed {
    /// Each column by which records are found holds text, or nothing.
    pub(super) is_text: bool,
    pub(super) line: Line,
    pub(super) hash: Option<Digest>,
    pub(super) kind: String,
    pub(super) application: Option<String>,
    pub(super) sync: Option<String>,
}

/// Reads the records that follow number `after`, up to number `last`; `None` where there are none.
pub(super) async fn read(store: &impl Readable, after: u64, last: u64) -> Result<Option<Page>, StoreError> {
    match some(store, after, last, MANY).await {
        // Large ones may be too many for one row.
        Err(_) => some(store, after, last, 1).await,
        page => page,
    }
}

async fn some(store: &impl Readable, after: u64, last: u64, most: u32) -> Result<Option<Page>, StoreError> {
    let doing = || database("read the trail");
    let row = sqlx::query(PAGE)
        .bind(number(after)?)
        .bind(number(last)?)
        .bind(UNIT.to_string())
        .bind(RECORD.to_string())
        .bind(i64::from(most))
        .fetch_one(&mut *store.session().await?)
        .await
        .map_err(doing())?;
    let count: i64 = row.try_get(0).map_err(doing())?;
    if count == 0 {
        return Ok(None);
    }
    let seq: i64 = row.try_get(1).map_err(doing())?;
    let text = row.try_get(2).map_err(doing())?;
    let odd = |_| damaged("a number below 0");
    Ok(Some(Page { count: usize::try_from(count).map_err(odd)?, last: u64::try_from(seq).map_err(odd)?, text }))
}

fn damaged(why: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, format!("the trail is damaged: {why}"))
}

impl Page {
    /// Tells the records apart.
    ///
    /// # Errors
    /// Where there are not as many as were counted, or one has not the parts of a record.
    pub(super) fn records(&self) -> Result<Vec<Filed>, StoreError> {
        let records: Option<Vec<_>> = self.text.split(RECORD).map(Filed::read).collect();
        let odd = || damaged(&format!("a record up to number {} holds what none can", self.last));
        records.filter(|records| records.len() == self.count).ok_or_else(odd)
    }
}

impl Filed {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(UNIT);
        let mut part = || parts.next();
        let (is_text, seq, bytes, hash, kind) = (part()?.is_empty(), part()?.parse().ok()?, part()?, part()?, part()?);
        let mut maybe = || part().map(|part| part.strip_prefix('=').map(str::to_owned));
        let (salt, payload, application, sync) = (maybe()?, maybe()?, maybe()?, maybe()?);
        let hash = hash.parse().ok();
        let line =
            Line { seq, bytes: bytes.to_owned(), hash: if bytes.is_empty() { hash } else { None }, salt, payload };
        parts.next().is_none().then(|| Self { is_text, line, hash, kind: kind.to_owned(), application, sync })
    }
}
