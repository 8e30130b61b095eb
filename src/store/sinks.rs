use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::states::{decode, encode};
use super::{Result, Store, Tx, database};
use crate::model::Time;

const READ: &str = "read how far a sink was told";
const WRITE: &str = "write how far a sink was told";

/// How long a sink that is declared no more keeps its place, in seconds: 30 days.
const KEPT: i64 = 30 * 24 * 60 * 60;

/// How far one sink was told of the trail: a notification, by its name, or the Git host of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// The last record that was delivered, or passed over. What comes after it waits.
    pub seq: u64,
    pub tally: Tally,
}

/// What became of what it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// When something was last delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Time>,
    /// How many notifications were given up, because the sink would not have them.
    pub dropped: u64,
    /// The record of the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_dropped: Option<u64>,
}

impl Store {
    /// Returns how far a sink was told; `None` where it was never declared.
    pub async fn sink(&self, name: &str) -> Result<Option<SinkState>> {
        let mut session = self.session().await?;
        let row = sqlx::query("SELECT seq, body FROM sinks WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *session)
            .await
            .map_err(database(READ))?;
        let Some(row) = row else { return Ok(None) };
        let seq: i64 = row.try_get(0).map_err(database(READ))?;
        let tally = decode(&row.try_get::<String, _>(1).map_err(database(READ))?)?;
        Ok(Some(SinkState { seq: u64::try_from(seq).unwrap_or(0), tally }))
    }

    /// Returns the last record that every sink is done with; `None` where there is no sink. Records above it may still be
    /// asked for, and must not be archived.
    pub async fn told_everywhere(&self) -> Result<Option<u64>> {
        let mut session = self.session().await?;
        let row = sqlx::query("SELECT MIN(seq) FROM sinks").fetch_one(&mut *session).await.map_err(database(READ))?;
        let lowest: Option<i64> = row.try_get(0).map_err(database(READ))?;
        Ok(lowest.and_then(|seq| u64::try_from(seq).ok()))
    }

    /// Takes note of which sinks are declared. One that is new begins behind `newest`, the last record there is; one that is
    /// declared no more keeps its place for 30 days. Writes only where that is news.
    pub async fn declare_sinks(&self, declared: &BTreeSet<String>, newest: u64, now: Time) -> Result<()> {
        let mut known = BTreeSet::new();
        let mut gone = BTreeSet::new();
        {
            let mut session = self.session().await?;
            let rows = sqlx::query("SELECT name, undeclared FROM sinks").fetch_all(&mut *session).await;
            for row in rows.map_err(database(READ))? {
                let name: String = row.try_get(0).map_err(database(READ))?;
                let undeclared: Option<i64> = row.try_get(1).map_err(database(READ))?;
                if undeclared.is_some() { &mut gone } else { &mut known }.insert(name);
            }
        }
        if known == *declared {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for name in declared.difference(&known) {
            if gone.contains(name) {
                tx.mark_sink(name, None).await?;
            } else {
                tx.put_sink(name, &SinkState { seq: newest, ..SinkState::default() }).await?;
            }
        }
        for name in known.difference(declared) {
            tx.mark_sink(name, Some(now)).await?;
        }
        tx.commit().await
    }
}

impl Tx {
    pub async fn put_sink(&mut self, name: &str, state: &SinkState) -> Result<()> {
        sqlx::query(
            "INSERT INTO sinks (name, seq, body) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, body = excluded.body",
        )
        .bind(name)
        .bind(i64::try_from(state.seq).unwrap_or(i64::MAX))
        .bind(encode(&state.tally)?)
        .execute(self.connection())
        .await
        .map_err(database(WRITE))?;
        Ok(())
    }

    async fn mark_sink(&mut self, name: &str, undeclared: Option<Time>) -> Result<()> {
        sqlx::query("UPDATE sinks SET undeclared = $2 WHERE name = $1")
            .bind(name)
            .bind(undeclared.map(|time| time.0))
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        Ok(())
    }

    /// Forgets the sinks that have been declared no more for 30 days.
    pub(super) async fn sweep_sinks(&mut self, now: Time) -> Result<()> {
        let gone = sqlx::query("DELETE FROM sinks WHERE undeclared <= $1").bind(now.plus_seconds(-KEPT).0);
        gone.execute(self.connection()).await.map_err(database(WRITE))?;
        Ok(())
    }
}
