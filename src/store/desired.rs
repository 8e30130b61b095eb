use std::collections::{BTreeMap, HashSet};

use sqlx::Row;
use sqlx::any::AnyRow;

use super::contents::decode_sealed;
use super::execution::SYNCS;
use super::states::decode;
use super::{ApplicationState, Open, Result, Store, Tx, database, undecodable};
use crate::model::{Complete, Digest, ObjectId, Spec, Time};

const SWEEP: &str = "find out which contents are needed";

/// Returns a Desired as it is kept: by the SHA-256 of these bytes it is found again.
#[must_use]
pub fn encode_desired(objects: &BTreeMap<ObjectId, Spec>) -> Vec<u8> {
    // Plain data with string keys inside of pairs: serialisation cannot fail.
    serde_json::to_vec(&objects.iter().collect::<Vec<_>>()).unwrap_or_default()
}

fn decode_desired(bytes: &[u8]) -> Result<Vec<(ObjectId, Spec)>> {
    serde_json::from_slice(bytes).map_err(undecodable("decode a stored desired state"))
}

impl Store {
    /// Returns a Desired that was kept, with its contents; `None` where it is not kept any more.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was kept.
    pub async fn desired(&self, digest: &Digest) -> Result<Option<Complete>> {
        let Some(bytes) = self.content(digest).await? else { return Ok(None) };
        let objects = decode_desired(&bytes)?.into_iter().collect();
        Ok(Some(Complete { objects, contents: self.contents() }))
    }
}

impl Tx {
    /// Drops every content that neither last applied, last good, what was good before that, an open execution nor a pre-image needs that is still kept at
    /// `now`. Returns how many went.
    ///
    /// # Errors
    /// When what is needed cannot be found out: then nothing goes.
    pub async fn sweep_unneeded(&mut self, now: Time) -> Result<u64> {
        let mut keep = HashSet::new();
        let mut desired = HashSet::new();
        self.sweep_preimages(now, &mut keep).await?;
        self.sweep_sinks(now).await?;
        self.sweep_tokens(now).await?;
        for state in self.bodies::<ApplicationState>("SELECT body FROM applications").await? {
            desired.extend(state.applied.map(|applied| applied.desired));
            desired.extend(state.good.map(|good| good.desired));
            desired.extend(state.earlier.map(|good| good.desired));
            desired.extend(state.asked_back.map(|asked| asked.to.desired));
        }
        for open in self.open_bodies().await? {
            desired.insert(open.prepared.desired);
            keep.extend(open.prepared.artifact);
            keep.extend(open.prepared.specs.values().flat_map(|spec| spec.contents().iter().copied()));
        }
        for digest in desired {
            keep.insert(digest);
            if let Some(bytes) = self.content(&digest).await? {
                let objects = decode_desired(&bytes)?;
                keep.extend(objects.iter().flat_map(|(_, spec)| spec.contents().iter().copied()));
            }
        }
        self.sweep(&keep).await
    }

    async fn open_bodies(&mut self) -> Result<Vec<Open>> {
        let key = self.store().key().clone();
        let rows = sqlx::query("SELECT body FROM syncs").fetch_all(self.connection()).await.map_err(database(SWEEP))?;
        let one = |row: &AnyRow| decode_sealed(&key, SYNCS, &row.try_get::<String, _>(0).map_err(database(SWEEP))?);
        rows.iter().map(one).collect()
    }

    async fn bodies<T: serde::de::DeserializeOwned>(&mut self, query: &'static str) -> Result<Vec<T>> {
        let rows = sqlx::query(query).fetch_all(self.connection()).await.map_err(database(SWEEP))?;
        let one = |row: &AnyRow| decode(&row.try_get::<String, _>(0).map_err(database(SWEEP))?);
        rows.iter().map(one).collect()
    }
}
