use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::states::{decode, encode};
use super::{Result, Store, Tx, database};
use crate::model::{Actor, Name, PlanId, Time};

const READ: &str = "read what people said of a plan";
const WRITE: &str = "write what people said of a plan";

/// A person's yes to one plan: used once, and not after `expires`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub plan: PlanId,
    pub actor: Actor,
    pub time: Time,
    pub expires: Time,
}

/// A person's no to one plan: it is not offered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    pub plan: PlanId,
    pub application: Name,
    pub actor: Actor,
    pub time: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Store {
    /// Returns the approvals of a plan that are still good at `now`, without using them: one for each who gave one.
    pub async fn approvals(&self, plan: &PlanId, now: Time) -> Result<Vec<Approval>> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT body FROM approvals WHERE plan = $1 AND expires > $2 ORDER BY actor")
            .bind(plan.to_string())
            .bind(now.0)
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        rows.iter().map(body).collect()
    }

    /// Returns the no to a plan, where there is one.
    pub async fn rejection(&self, plan: &PlanId) -> Result<Option<Rejection>> {
        let mut session = self.session().await?;
        let row = sqlx::query("SELECT body FROM rejections WHERE plan = $1")
            .bind(plan.to_string())
            .fetch_optional(&mut *session)
            .await
            .map_err(database(READ))?;
        row.as_ref().map(body).transpose()
    }
}

impl Tx {
    /// Whether somebody said no to a plan, as of this change.
    pub async fn is_rejected(&mut self, plan: &PlanId) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM rejections WHERE plan = $1").bind(plan.to_string());
        Ok(row.fetch_optional(self.connection()).await.map_err(database(READ))?.is_some())
    }

    /// Writes down a yes; a later one of the same person replaces an earlier one.
    pub async fn approve(&mut self, approval: &Approval) -> Result<()> {
        sqlx::query(
            "INSERT INTO approvals (plan, actor, expires, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (plan, actor) DO UPDATE SET expires = excluded.expires, body = excluded.body",
        )
        .bind(approval.plan.to_string())
        .bind(approval.actor.principal())
        .bind(approval.expires.0)
        .bind(encode(approval)?)
        .execute(self.connection())
        .await
        .map_err(database(WRITE))?;
        Ok(())
    }

    /// Uses up the approvals of a plan: of all who ask, one gets them. Those that have expired are struck and not given.
    pub async fn take_approvals(&mut self, plan: &PlanId, now: Time) -> Result<Vec<Approval>> {
        let rows = sqlx::query("DELETE FROM approvals WHERE plan = $1 RETURNING body")
            .bind(plan.to_string())
            .fetch_all(self.connection())
            .await
            .map_err(database(WRITE))?;
        let mut taken: Vec<Approval> = rows.iter().map(body).collect::<Result<_>>()?;
        taken.retain(|approval| approval.expires > now);
        Ok(taken)
    }

    /// Writes down a no, and withdraws the plan with every yes to it.
    pub async fn reject(&mut self, rejection: &Rejection) -> Result<()> {
        let plan = rejection.plan.to_string();
        for statement in ["DELETE FROM approvals WHERE plan = $1", "DELETE FROM plans WHERE id = $1"] {
            sqlx::query(statement).bind(&plan).execute(self.connection()).await.map_err(database(WRITE))?;
        }
        sqlx::query(
            "INSERT INTO rejections (plan, application, body) VALUES ($1, $2, $3) \
             ON CONFLICT (plan) DO UPDATE SET body = excluded.body",
        )
        .bind(plan)
        .bind(rejection.application.as_str())
        .bind(encode(rejection)?)
        .execute(self.connection())
        .await
        .map_err(database(WRITE))?;
        Ok(())
    }

    /// Strikes every no to a plan of an application. Returns how many there were.
    pub async fn lift_rejections(&mut self, application: &Name) -> Result<u64> {
        let done = sqlx::query("DELETE FROM rejections WHERE application = $1")
            .bind(application.as_str())
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        Ok(done.rows_affected())
    }
}

fn body<T: serde::de::DeserializeOwned>(row: &AnyRow) -> Result<T> {
    decode(&row.try_get::<String, _>(0).map_err(database(READ))?)
}
