use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::states::{decode, encode};
use super::{Result, Store, StoreError, StoreErrorKind, Tx, database, undecodable};
use crate::model::view::Change;
use crate::model::{Action, Digest, Name, ObjectId, Place, PlanId, Revision, Spec, SyncId, Time};

const READ: &str = "read the pre-images";
const WRITE: &str = "write the pre-images";

/// How long a pre-image is kept after its execution began, in seconds: 30 days.
const KEPT: i64 = 30 * 24 * 60 * 60;

/// What one execution overwrote or deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preimages {
    pub plan: PlanId,
    pub sync: SyncId,
    pub application: Name,
    pub time: Time,
    /// What the plan went to, or was made at: where a branch with all this begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Without credentials.
    pub url: String,
    /// The application's paths in the repository, lowest first.
    pub layers: Vec<String>,
    pub objects: Vec<Preimage>,
}

/// One object as it was found right before its plan was carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preimage {
    pub id: ObjectId,
    pub action: Action,
    /// What would have to be desired to get it back; its content is kept where `lost` does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// Where Git has it, or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Not everyone may read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Why it cannot be brought back, as a sentence without a full stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The target keeps it, and shows it to nobody but root.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// Nothing was there: somebody had removed it by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// How it differed from what was desired, where people edited it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Change>,
}

impl Store {
    /// Returns the pre-images of each execution of the plans whose ids begin with `prefix` (hexadecimal), newest first.
    ///
    /// # Errors
    /// When they cannot be read, or are not what was kept.
    pub async fn preimages(&self, prefix: &str) -> Result<Vec<Preimages>> {
        let bodies = {
            let mut session = self.session().await?;
            // 'g' follows every hexadecimal digit.
            let rows =
                sqlx::query("SELECT body FROM preimages WHERE plan >= $1 AND plan < $2 ORDER BY expires DESC LIMIT 10")
                    .bind(prefix)
                    .bind(format!("{prefix}g"))
                    .fetch_all(&mut *session)
                    .await
                    .map_err(database(READ))?;
            rows.iter().map(body).collect::<Result<Vec<_>>>()?
        };
        let mut all = vec![];
        for digest in bodies {
            let gone = || StoreError::new(StoreErrorKind::Damaged, "could not read the pre-images: they are not kept");
            let bytes = self.content(&digest).await?.ok_or_else(gone)?;
            all.push(serde_json::from_slice(&bytes).map_err(undecodable(READ))?);
        }
        Ok(all)
    }
}

impl Tx {
    /// Keeps what an execution is about to overwrite; its contents are put by [`Tx::put_content`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep_preimages(&mut self, preimages: &Preimages) -> Result<()> {
        let digest = self.put_content(encode(preimages)?.as_bytes()).await?;
        sqlx::query("INSERT INTO preimages (sync, plan, expires, body) VALUES ($1, $2, $3, $4)")
            .bind(preimages.sync.to_string())
            .bind(preimages.plan.to_string())
            .bind(preimages.time.plus_seconds(KEPT).0)
            .bind(encode(&digest)?)
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        Ok(())
    }

    /// Drops the pre-images that have expired, and adds to `keep` every content that the others need.
    pub(super) async fn sweep_preimages(&mut self, now: Time, keep: &mut HashSet<Digest>) -> Result<()> {
        let gone = sqlx::query("DELETE FROM preimages WHERE expires <= $1").bind(now.0);
        gone.execute(self.connection()).await.map_err(database(WRITE))?;
        let rows = sqlx::query("SELECT body FROM preimages").fetch_all(self.connection()).await;
        let bodies = rows.map_err(database(READ))?.iter().map(body).collect::<Result<Vec<_>>>()?;
        for digest in bodies {
            keep.insert(digest);
            if let Some(bytes) = self.content(&digest).await? {
                let kept: Preimages = serde_json::from_slice(&bytes).map_err(undecodable(READ))?;
                let contents = kept.objects.iter().filter(|one| one.lost.is_none()).filter_map(|one| one.spec.as_ref());
                keep.extend(contents.flat_map(|spec| spec.contents().iter().copied()));
            }
        }
        Ok(())
    }
}

fn body(row: &AnyRow) -> Result<Digest> {
    decode(&row.try_get::<String, _>(0).map_err(database(READ))?)
}
