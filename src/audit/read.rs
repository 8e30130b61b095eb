use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::append::asked;
use super::leaf::Leaf;
use super::{Body, Kind};
use crate::model::{Actor, Name, PlanId, Revision, SyncId, Time};
use crate::store::{Store, StoreError, StoreErrorKind, database, statement, undecodable};

const READ: &str = "read the trail";

/// One record, as people and programs read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the trail, from 1. The order is this, never the time.
    pub seq: u64,
    pub time: Time,
    pub kind: Kind,
    pub application: Option<Name>,
    pub revision: Option<Revision>,
    pub plan: Option<PlanId>,
    pub sync: Option<SyncId>,
    pub actor: Actor,
    /// `None` once it was erased.
    pub body: Option<Body>,
}

/// Which records to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub application: Option<Name>,
    /// Only records of these.
    pub of: Option<Vec<Name>>,
    pub sync: Option<SyncId>,
    /// Empty for all.
    pub kinds: Vec<Kind>,
    /// No records of these.
    pub but: Vec<Kind>,
    /// Only records with a greater number.
    pub after: Option<u64>,
    /// Only records with a smaller number.
    pub before: Option<u64>,
    pub newest_first: bool,
    pub limit: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            application: None,
            of: None,
            sync: None,
            kinds: vec![],
            but: vec![],
            after: None,
            before: None,
            newest_first: false,
            limit: 100,
        }
    }
}

/// Returns the records that a filter lets through.
pub async fn list(store: &Store, filter: &Filter) -> Result<Vec<Record>, StoreError> {
    rows(store, "bytes, payload", filter).await?.iter().map(record).collect()
}

/// Returns the records that a filter lets through, each with its number, or why it cannot be read: one that is damaged hides
/// no other.
pub async fn each(store: &Store, filter: &Filter) -> Result<Vec<(u64, Result<Record, StoreError>)>, StoreError> {
    match list(store, filter).await {
        Ok(records) => return Ok(records.into_iter().map(|record| (record.seq, Ok(record))).collect()),
        Err(error) if error.kind == StoreErrorKind::Damaged => {}
        Err(error) => return Err(error),
    }
    // The database reads a page whole or not at all: so one after the other.
    let mut each = vec![];
    for row in rows(store, "seq", filter).await? {
        let seq: i64 = row.try_get(0).map_err(database(READ))?;
        let seq = u64::try_from(seq).unwrap_or_default();
        match show(store, seq).await {
            Ok(record) => each.extend(record.map(|record| (seq, Ok(record)))),
            Err(error) if error.kind == StoreErrorKind::Damaged => each.push((seq, Err(error))),
            Err(error) => return Err(error),
        }
    }
    Ok(each)
}

async fn rows(store: &Store, columns: &str, filter: &Filter) -> Result<Vec<AnyRow>, StoreError> {
    if filter.of.as_ref().is_some_and(Vec::is_empty) {
        return Ok(vec![]);
    }
    // What lies in the archive is not listed.
    let mut conditions = vec!["seq > $1 AND seq < $2 AND bytes <> ''".to_owned()];
    let mut bound: Vec<String> = filter
        .application
        .iter()
        .map(|name| ("application", name.to_string()))
        .chain(filter.sync.iter().map(|sync| ("sync", sync.to_string())))
        .enumerate()
        .map(|(n, (column, value))| {
            conditions.push(format!("{column} = ${}", n + 3));
            value
        })
        .collect();
    if let Some(of) = &filter.of {
        let first = bound.len() + 3;
        let places: Vec<_> = (first..first + of.len()).map(|n| format!("${n}")).collect();
        conditions.push(format!("application IN ({})", places.join(", ")));
        bound.extend(of.iter().map(ToString::to_string));
    }
    // Words of ours, not of whoever asks.
    let words = |kinds: &[Kind]| kinds.iter().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
    if !filter.kinds.is_empty() {
        conditions.push(format!("kind IN ({})", words(&filter.kinds)));
    }
    if !filter.but.is_empty() {
        conditions.push(format!("kind NOT IN ({})", words(&filter.but)));
    }
    let order = if filter.newest_first { "DESC" } else { "ASC" };
    let text = format!(
        "SELECT {columns} FROM records WHERE {} ORDER BY seq {order} LIMIT {}",
        conditions.join(" AND "),
        filter.limit
    );
    let mut query = sqlx::query(statement(text)).persistent(false);
    query = query.bind(asked(filter.after.unwrap_or(0)));
    query = query.bind(filter.before.map_or(i64::MAX, asked));
    let query = bound.into_iter().fold(query, sqlx::query::Query::bind);
    query.fetch_all(&mut *store.session().await?).await.map_err(database(READ))
}

/// Returns when the last record was written; `None` where there is none.
pub async fn last_time(store: &Store) -> Result<Option<Time>, StoreError> {
    let filter = Filter { newest_first: true, limit: 1, ..Filter::default() };
    Ok(list(store, &filter).await?.first().map(|record| record.time))
}

/// Returns one record, or `None` where the trail has none of that number, or has it in the archive.
pub async fn show(store: &Store, seq: u64) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query("SELECT bytes, payload FROM records WHERE seq = $1 AND bytes <> ''")
        .bind(asked(seq))
        .fetch_optional(&mut *store.session().await?)
        .await
        .map_err(database(READ))?;
    row.as_ref().map(record).transpose()
}

fn record(row: &AnyRow) -> Result<Record, StoreError> {
    let bytes: String = row.try_get(0).map_err(database(READ))?;
    let payload: Option<String> = row.try_get(1).map_err(database(READ))?;
    record_of(&bytes, payload.as_deref())
}

/// Reads a record as it is stored.
pub(super) fn record_of(bytes: &str, payload: Option<&str>) -> Result<Record, StoreError> {
    let leaf: Leaf = serde_json::from_str(bytes).map_err(undecodable("decode a record"))?;
    let body = payload.map(serde_json::from_str).transpose().map_err(undecodable("decode a record"))?;
    Ok(Record {
        seq: leaf.seq,
        time: leaf.time,
        kind: leaf.kind,
        application: leaf.application,
        revision: leaf.revision,
        plan: leaf.plan,
        sync: leaf.sync,
        actor: leaf.actor,
        body,
    })
}

/// Returns the record with which a plan whose id begins with `prefix` (hexadecimal) was begun, if it ever was. Reads the trail from
/// end to end.
pub async fn intent(store: &Store, prefix: &str) -> Result<Option<Record>, StoreError> {
    let mut session = store.session().await?;
    let row = sqlx::query("SELECT bytes, payload FROM records WHERE kind = $1 AND bytes LIKE $2 LIMIT 1")
        .bind(Kind::Intent.as_str())
        .bind(format!("%\"plan\":\"{prefix}%"))
        .fetch_optional(&mut *session)
        .await
        .map_err(database(READ))?;
    row.as_ref().map(record).transpose()
}
