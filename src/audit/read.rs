use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::append::number;
use super::leaf::Leaf;
use super::{Body, Kind};
use crate::model::{Actor, Name, PlanId, Revision, SyncId, Time};
use crate::store::{Store, StoreError, database, statement, undecodable};

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
    pub sync: Option<SyncId>,
    /// Empty for all.
    pub kinds: Vec<Kind>,
    /// None of these.
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
    let mut conditions = vec!["seq > $1 AND seq < $2".to_owned()];
    let bound: Vec<String> = filter
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
        "SELECT bytes, payload FROM records WHERE {} ORDER BY seq {order} LIMIT {}",
        conditions.join(" AND "),
        filter.limit
    );
    let mut query = sqlx::query(statement(text)).persistent(false);
    query = query.bind(number(filter.after.unwrap_or(0))?);
    query = query.bind(filter.before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX));
    let query = bound.into_iter().fold(query, sqlx::query::Query::bind);
    let rows = query.fetch_all(&mut *store.session().await?).await.map_err(database(READ))?;
    rows.iter().map(record).collect()
}

/// Returns when the last record was written; `None` where there is none.
pub async fn last_time(store: &Store) -> Result<Option<Time>, StoreError> {
    let filter = Filter { newest_first: true, limit: 1, ..Filter::default() };
    Ok(list(store, &filter).await?.first().map(|record| record.time))
}

/// Returns one record, or `None` where the trail has none of that number.
pub async fn show(store: &Store, seq: u64) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query("SELECT bytes, payload FROM records WHERE seq = $1")
        .bind(i64::try_from(seq).unwrap_or(i64::MAX))
        .fetch_optional(&mut *store.session().await?)
        .await
        .map_err(database(READ))?;
    row.as_ref().map(record).transpose()
}

fn record(row: &AnyRow) -> Result<Record, StoreError> {
    let bytes: String = row.try_get(0).map_err(database(READ))?;
    let payload: Option<String> = row.try_get(1).map_err(database(READ))?;
    let leaf: Leaf = serde_json::from_str(&bytes).map_err(undecodable("decode a record"))?;
    let body = payload.map(|text| serde_json::from_str(&text)).transpose().map_err(undecodable("decode a record"))?;
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

/// Returns whether a plan whose id begins with `prefix` (hexadecimal) was ever begun. Reads the trail from end to end.
pub async fn has_intent(store: &Store, prefix: &str) -> Result<bool, StoreError> {
    let mut session = store.session().await?;
    let row = sqlx::query("SELECT 1 FROM records WHERE kind = $1 AND bytes LIKE $2 LIMIT 1")
        .bind(Kind::Intent.as_str())
        .bind(format!("%\"plan\":\"{prefix}%"))
        .fetch_optional(&mut *session)
        .await
        .map_err(database(READ))?;
    Ok(row.is_some())
}
