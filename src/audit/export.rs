//! The trail outside of its store: JSON Lines that hold all that it takes to check them. A line is one record; beside them stand
//! the checkpoints, each right after the last record that it covers, where a part begins, and the head, which ends it.

use std::io::{BufRead, Read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::append::{asked, number};
use super::leaf::Head;
use super::proof::Roots;
use super::verify::{self, Checked, Given, Pipeline, Report, Verifier};
use super::{Keys, checkpoint, leaves};
use crate::model::Digest;
use crate::store::{Store, StoreError, StoreErrorKind, database};

/// One record of an export: all that it takes to check it without the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub seq: u64,
    /// Exactly what the leaf hash is made of; empty where it lies in the archive.
    pub bytes: String,
    /// The leaf hash, where the bytes are not at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Digest>,
    pub salt: Option<String>,
    pub payload: Option<String>,
}

/// Where a part begins that does not begin with the first record, or is not to end with the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// How many records come before it.
    pub after: u64,
    /// The number of its last record, where more may follow elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// The roots of the complete subtrees before it, widest first.
    pub peaks: Vec<Digest>,
    /// The statements of the keys that were introduced before it.
    pub keys: Vec<String>,
}

/// A line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Item {
    Record(Line),
    Mark(Mark),
}

/// What stands between records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    Begin(Begin),
    /// A signed note over all records up to here.
    Checkpoint(String),
    /// The last line, by which an export that was cut off is noticed.
    Head(Head),
}

/// So many records are in memory at a time.
const PAGE: u64 = 500;

/// A longer line is not ours: it would be a record of so many bytes.
const LONGEST_LINE: u64 = 64 << 20;
/// Lines are judged in parts of so many, or of so many bytes.
const PART: usize = 500;
const PART_BYTES: usize = 4 << 20;

/// Returns records that follow number `after`, up to number `last` but at most 500, each followed by the checkpoint that ends
/// with it.
///
/// # Errors
/// When they cannot be read.
pub async fn export_page(store: &Store, after: u64, last: u64) -> Result<Vec<Item>, StoreError> {
    let doing = || database("read the trail");
    let last = last.min(after.saturating_add(PAGE));
    let rows =
        sqlx::query("SELECT seq, bytes, salt, payload, hash FROM records WHERE seq > $1 AND seq <= $2 ORDER BY seq")
            .bind(asked(after))
            .bind(number(last)?)
            .fetch_all(&mut *store.session().await?)
            .await
            .map_err(doing())?;
    let one = |row: &AnyRow| {
        let bytes: String = row.try_get(1).map_err(doing())?;
        let hash: String = row.try_get(4).map_err(doing())?;
        Ok(Line {
            seq: u64::try_from(row.try_get::<i64, _>(0).map_err(doing())?).unwrap_or(0),
            hash: if bytes.is_empty() { hash.parse().ok() } else { None },
            bytes,
            salt: row.try_get(2).map_err(doing())?,
            payload: row.try_get(3).map_err(doing())?,
        })
    };
    let lines = rows.iter().map(one).collect::<Result<Vec<_>, StoreError>>()?;
    let mut checkpoints = checkpoint::sized(store, after, last).await?.into_iter().peekable();
    let mut items = Vec::with_capacity(lines.len());
    for line in lines {
        let seq = line.seq;
        items.push(Item::Record(line));
        while let Some((_, checkpoint)) = checkpoints.next_if(|(size, _)| *size <= seq) {
            items.push(Item::Mark(Mark::Checkpoint(checkpoint)));
        }
    }
    Ok(items)
}

/// Returns how a part after record `after` begins; `None` where it is no part.
///
/// # Errors
/// When the hashes of what comes before it cannot be read.
pub async fn export_begin(store: &Store, after: u64, until: Option<u64>) -> Result<Option<Begin>, StoreError> {
    if after == 0 && until.is_none() {
        return Ok(None);
    }
    let keys = Keys::of(store).await?.notes_before(after);
    let peaks = leaves::roots(store, after, Roots::of(peaks(after))).await?;
    Ok(Some(Begin { after, until, peaks, keys }))
}

/// Returns the ranges of the complete subtrees of so many leaves, widest first.
fn peaks(size: u64) -> Vec<std::ops::Range<u64>> {
    let (mut ranges, mut start) = (vec![], 0);
    for bit in (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|bit| size & bit != 0) {
        ranges.push(start..start + bit);
        start += bit;
    }
    ranges
}

/// Writes a part of the trail as JSON Lines: records after number `after`, up to `until`, or all of them.
///
/// # Errors
/// When it cannot be read or written, or its end is missing.
pub async fn export(
    store: &Store,
    after: u64,
    until: Option<u64>,
    mut out: impl AsyncWrite + Unpin,
) -> Result<Head, StoreError> {
    let failed = |e| StoreError::file("could not write the export".into(), e);
    let head = match until {
        Some(size) => Head { size, root: leaves::root_at(store, size).await? },
        None => verify::head(store).await?,
    };
    let mut write = async |items: &[Item]| {
        let text = items.iter().map(|item| Ok(json(item)? + "\n")).collect::<Result<String, StoreError>>()?;
        out.write_all(text.as_bytes()).await.map_err(failed)?;
        out.flush().await.map_err(failed)
    };
    if let Some(begin) = export_begin(store, after, until).await? {
        write(&[Item::Mark(Mark::Begin(begin))]).await?;
    }
    let mut after = after;
    while after < head.size {
        let items = export_page(store, after, head.size).await?;
        let Some(last) = items.iter().rev().find_map(Item::record).map(|line| line.seq) else { break };
        write(&items).await?;
        after = last;
    }
    write(&[Item::Mark(Mark::Head(head))]).await?;
    Ok(head)
}

impl Item {
    #[must_use]
    pub const fn record(&self) -> Option<&Line> {
        match self {
            Self::Record(line) => Some(line),
            Self::Mark(_) => None,
        }
    }
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::because(StoreErrorKind::Unavailable, "could not encode the export", e))
}

/// Checks an export by itself.
///
/// # Errors
/// When it cannot be read; what is wrong with it is in the report.
pub async fn verify_export(mut reader: impl BufRead, given: &Given) -> Result<Report, StoreError> {
    let failed = |e| StoreError::file("could not read the export".into(), e);
    let mut verifier = Verifier::new(given);
    let (mut parts, mut read, mut head) = (Pipeline::new(judge), 0, None);
    loop {
        while parts.has_room() {
            let part = Part::read(&mut reader, read + 1).map_err(failed)?;
            if part.ends.is_empty() {
                break;
            }
            read += part.ends.len();
            parts.put(part);
        }
        let Some(judged) = parts.next().await? else { break };
        for (number, item) in judged {
            if head.is_some() {
                verifier.problem(None, format!("line {number} follows the head, which is the last one"));
            }
            match item {
                Some(Judged::Record(checked)) => verifier.record(checked),
                Some(Judged::Mark(Mark::Begin(begin))) => verifier.begin(begin),
                Some(Judged::Mark(Mark::Checkpoint(text))) => verifier.checkpoint(&text),
                Some(Judged::Mark(Mark::Head(end))) => head = Some(end),
                None => verifier.problem(None, format!("line {number} is not one of an export")),
            }
        }
    }
    if head.is_none() {
        verifier.problem(None, "it was cut off: the head, which is the last line, is missing");
    }
    Ok(verifier.finish(head).await)
}

/// Lines that follow each other.
struct Part {
    /// The number of the first one, from 1.
    first: usize,
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Part {
    fn read(reader: &mut impl BufRead, first: usize) -> std::io::Result<Self> {
        let mut part = Self { first, bytes: vec![], ends: vec![] };
        while part.ends.len() < PART && part.bytes.len() < PART_BYTES {
            if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut part.bytes)? == 0 {
                break;
            }
            part.ends.push(part.bytes.len());
        }
        Ok(part)
    }
}

/// What a line is, a record having been looked at.
enum Judged {
    Record(Checked),
    Mark(Mark),
}

fn judge(part: &Part) -> Vec<(usize, Option<Judged>)> {
    let starts = std::iter::once(0).chain(part.ends.iter().copied());
    let lines = starts.zip(&part.ends).map(|(start, end)| &part.bytes[start..*end]);
    let judge = |(number, line): (usize, &[u8])| {
        let item = serde_json::from_slice(line).ok().map(|item| match item {
            Item::Record(line) => Judged::Record(verify::line(&line)),
            Item::Mark(mark) => Judged::Mark(mark),
        });
        (number, item)
    };
    (part.first..).zip(lines).map(judge).collect()
}
