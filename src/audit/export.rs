use std::io::{BufRead, Read};

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::append::number;
use super::leaf::Head;
use super::verify::{self, Report, Verifier};
use crate::store::{Store, StoreError, StoreErrorKind, database};

/// One record of an export: all that it takes to check it without the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub seq: u64,
    /// Exactly what the leaf hash is made of.
    pub bytes: String,
    pub salt: Option<String>,
    pub payload: Option<String>,
}

/// The last line of an export, by which one that was cut off is noticed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    head: Head,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Any {
    Line(Line),
    End(End),
}

/// So many records are in memory at a time.
const PAGE: u32 = 500;

/// A longer line is not ours: it would be a record of so many bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// Returns up to 500 records that follow number `after`, up to number `last`.
pub async fn export_page(store: &Store, after: u64, last: u64) -> Result<Vec<Line>, StoreError> {
    let doing = || database("read the trail");
    let rows =
        sqlx::query("SELECT seq, bytes, salt, payload FROM records WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3")
            .bind(number(after)?)
            .bind(number(last)?)
            .bind(i64::from(PAGE))
            .fetch_all(&mut *store.session().await?)
            .await
            .map_err(doing())?;
    let one = |row: &AnyRow| {
        Ok(Line {
            seq: u64::try_from(row.try_get::<i64, _>(0).map_err(doing())?).unwrap_or(0),
            bytes: row.try_get(1).map_err(doing())?,
            salt: row.try_get(2).map_err(doing())?,
            payload: row.try_get(3).map_err(doing())?,
        })
    };
    rows.iter().map(one).collect()
}

/// Writes the trail as JSON Lines: a line for each record, and a last one with the head.
///
/// # Errors
/// When it cannot be read or written, or its end is missing.
pub async fn export(store: &Store, mut out: impl AsyncWrite + Unpin) -> Result<Head, StoreError> {
    let failed = |e| StoreError::file("could not write the export".into(), e);
    let head = verify::head(store).await?;
    let mut after = 0;
    loop {
        let lines = export_page(store, after, head.size).await?;
        let Some(last) = lines.last() else { break };
        after = last.seq;
        let mut text = String::new();
        for line in &lines {
            text.push_str(&json(line)?);
            text.push('\n');
        }
        out.write_all(text.as_bytes()).await.map_err(failed)?;
    }
    let end = json(&End { head })?;
    out.write_all(format!("{end}\n").as_bytes()).await.map_err(failed)?;
    out.flush().await.map_err(failed)?;
    Ok(head)
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::because(StoreErrorKind::Unavailable, "could not encode the export", e))
}

/// Checks an export by itself. Blocking.
///
/// # Errors
/// When it cannot be read; what is wrong with it is in the report.
pub fn verify_export(mut reader: impl BufRead) -> std::io::Result<Report> {
    let mut verifier = Verifier::default();
    let mut head = None;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if head.is_some() {
            verifier.problem(None, format!("line {number} follows the head, which is the last one"));
        }
        match serde_json::from_slice(&text) {
            Ok(Any::Line(line)) => drop(verifier.line(&line)),
            Ok(Any::End(end)) => head = Some(end.head),
            Err(_) => verifier.problem(None, format!("line {number} is not one of an export")),
        }
    }
    if head.is_none() {
        verifier.problem(None, "it was cut off: the head, which is the last line, is missing");
    }
    Ok(verifier.finish(head))
}
