use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::contents::{decode_sealed, encode_sealed};
use super::inventory::object_id;
use super::states::{decode, encode};
use super::{Result, Store, Tx, database};
use crate::model::{Actor, Digest, Name, ObjectId, Plan, Revision, Spec, SyncId, Time, Verdict, pairs};

const READ: &str = "read the open syncs";

/// The table of executions, as the place that its rows are sealed for.
pub(super) const SYNCS: &str = "syncs";

/// A plan with all that carrying it out needs, so that nothing is left to choose or to fetch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    pub plan: Plan,
    /// What comes, by the step's place in the plan; none for a delete or a release.
    pub specs: BTreeMap<usize, Spec>,
    /// Plain digest of the whole stored [`crate::model::Desired`] in the content store.
    pub desired: Digest,
    pub verdict: Verdict,
    pub purpose: Purpose,
    /// Where objects go that leave this application.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub handed: BTreeMap<ObjectId, Name>,
    /// Handlers that run because they are owed alone: nothing that is desired names them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unnamed: Vec<ObjectId>,
    /// The target's own saved plan, and what must still hold when it runs. They travel beside the plan: its id covers neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precondition: Option<Digest>,
    /// The version of trueup that made the plan.
    #[serde(default)]
    pub version: String,
}

/// Why a plan is carried out, and so what its end means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "kebab-case")]
pub enum Purpose {
    /// To a revision, which is then the last applied one.
    Forward {
        revision: Revision,
        reference: String,
        url: String,
        /// Who signed it, where that was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signer: Option<String>,
    },
    /// To what was last applied, while the newest revision is not.
    Keep,
    /// Back to last good, after this sync failed.
    RollBack { of: SyncId },
    /// Away with what was made for an application that is declared no more.
    Destroy,
}

impl Purpose {
    /// Returns the revision that it goes to, where it goes to one.
    #[must_use]
    pub const fn revision(&self) -> Option<&Revision> {
        match self {
            Self::Forward { revision, .. } => Some(revision),
            Self::Keep | Self::RollBack { .. } | Self::Destroy => None,
        }
    }

    /// Returns who signed that revision, where that was asked.
    #[must_use]
    pub fn signer(&self) -> Option<String> {
        match self {
            Self::Forward { signer, .. } => signer.clone(),
            Self::Keep | Self::RollBack { .. } | Self::Destroy => None,
        }
    }
}

/// An execution that has begun and has not closed: what a restart resumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub sync: SyncId,
    pub actor: Actor,
    pub started: Time,
    pub prepared: Prepared,
}

/// A handler that must run, whatever plan comes next.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    pub id: ObjectId,
    pub spec: Spec,
}

impl Store {
    /// Returns every execution that has not closed.
    pub async fn open_syncs(&self) -> Result<Vec<Open>> {
        let doing = || database(READ);
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT body FROM syncs ORDER BY application")
            .fetch_all(&mut *session)
            .await
            .map_err(doing())?;
        let one = |row: &AnyRow| decode_sealed(self.key(), SYNCS, &row.try_get::<String, _>(0).map_err(doing())?);
        rows.iter().map(one).collect()
    }

    /// Returns the handlers that an application owes.
    pub async fn owed(&self, application: &Name) -> Result<Vec<Owed>> {
        let doing = || database("read the owed handlers");
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT kind, namespace, name, body FROM owed WHERE application = $1 ORDER BY kind, namespace, name",
        )
        .bind(application.as_str())
        .fetch_all(&mut *session)
        .await
        .map_err(doing())?;
        let one = |row: &AnyRow| {
            let body: String = row.try_get(3).map_err(doing())?;
            Ok(Owed { id: object_id(row)?, spec: decode(&body)? })
        };
        rows.iter().map(one).collect()
    }
}

impl Tx {
    /// Returns whether what was made for an application is just being taken away, as of this change.
    pub async fn is_destroyed(&mut self, application: &Name) -> Result<bool> {
        let key = self.store().key().clone();
        let row = sqlx::query("SELECT body FROM syncs WHERE application = $1")
            .bind(application.as_str())
            .fetch_optional(self.connection())
            .await
            .map_err(database(READ))?;
        let Some(row) = row else { return Ok(false) };
        let open: Open = decode_sealed(&key, SYNCS, &row.try_get::<String, _>(0).map_err(database(READ))?)?;
        Ok(open.prepared.purpose == Purpose::Destroy)
    }

    /// Writes down that an execution has begun.
    ///
    /// # Errors
    /// Also where its application has an open one.
    pub async fn open_sync(&mut self, open: &Open) -> Result<()> {
        let body = encode_sealed(self.store().key(), SYNCS, open)?;
        sqlx::query("INSERT INTO syncs (sync, application, plan, body) VALUES ($1, $2, $3, $4)")
            .bind(open.sync.to_string())
            .bind(open.prepared.plan.application.as_str())
            .bind(open.prepared.plan.id.to_string())
            .bind(body)
            .execute(self.connection())
            .await
            .map_err(database("open a sync"))?;
        Ok(())
    }

    /// Returns whether it was open.
    pub async fn close_sync(&mut self, sync: &SyncId) -> Result<bool> {
        let done = sqlx::query("DELETE FROM syncs WHERE sync = $1")
            .bind(sync.to_string())
            .execute(self.connection())
            .await
            .map_err(database("close a sync"))?;
        Ok(done.rows_affected() > 0)
    }

    pub async fn put_owed(&mut self, application: &Name, owed: &Owed) -> Result<()> {
        sqlx::query(
            "INSERT INTO owed (application, kind, namespace, name, body) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (application, kind, namespace, name) DO UPDATE SET body = excluded.body",
        )
        .bind(application.as_str())
        .bind(owed.id.kind.as_ref())
        .bind(&*owed.id.namespace)
        .bind(&*owed.id.name)
        .bind(encode(&owed.spec)?)
        .execute(self.connection())
        .await
        .map_err(database("write down an owed handler"))?;
        Ok(())
    }

    pub async fn remove_owed(&mut self, application: &Name, id: &ObjectId) -> Result<()> {
        sqlx::query("DELETE FROM owed WHERE application = $1 AND kind = $2 AND namespace = $3 AND name = $4")
            .bind(application.as_str())
            .bind(id.kind.as_ref())
            .bind(&*id.namespace)
            .bind(&*id.name)
            .execute(self.connection())
            .await
            .map_err(database("strike an owed handler"))?;
        Ok(())
    }
}
