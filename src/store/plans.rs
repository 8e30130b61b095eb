use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::contents::{decode_sealed, encode_sealed};
use super::execution::Prepared;
use super::states::parse_name;
use super::{Result, Store, Tx, database};
use crate::model::{DigestKey, Name, PlanId, Time};

/// A plan that waits for a person's yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub created: Time,
    pub prepared: Prepared,
}

/// What a beginning of a plan id stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    None,
    One(Box<Held>),
    Many(Vec<PlanId>),
}

impl Store {
    /// Finds the held plan whose id begins with `prefix`.
    pub async fn find_plan(&self, prefix: &str) -> Result<Found> {
        if prefix.is_empty() || !prefix.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)) {
            return Ok(Found::None);
        }
        let mut session = self.session().await?;
        // 'g' follows every hexadecimal digit. More than a few are not worth naming.
        let rows = sqlx::query("SELECT body FROM plans WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 10")
            .bind(prefix)
            .bind(format!("{prefix}g"))
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        let mut plans = rows.iter().map(|row| held(self.key(), row)).collect::<Result<Vec<_>>>()?;
        Ok(match plans.len() {
            0 => Found::None,
            1 => Found::One(Box::new(plans.remove(0))),
            _ => Found::Many(plans.iter().map(|held| held.prepared.plan.id).collect()),
        })
    }

    /// Returns the ids of held plans that begin with `prefix`, and whose they are: at most two, which is one too many.
    pub async fn held_ids(&self, prefix: &str) -> Result<Vec<(String, Name)>> {
        if prefix.is_empty() || !prefix.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)) {
            return Ok(vec![]);
        }
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT id, application FROM plans WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2")
            .bind(prefix)
            .bind(format!("{prefix}g"))
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        let held = |row: &AnyRow| {
            let text = |column: usize| row.try_get::<String, _>(column).map_err(database(READ));
            Ok((text(0)?, parse_name(&text(1)?)?))
        };
        rows.iter().map(held).collect()
    }

    /// Returns the held plan of an application, the latest where there are more.
    pub async fn held_plan(&self, application: &Name) -> Result<Option<Held>> {
        let mut session = self.session().await?;
        let row = sqlx::query("SELECT body FROM plans WHERE application = $1 ORDER BY created DESC, id LIMIT 1")
            .bind(application.as_str())
            .fetch_optional(&mut *session)
            .await
            .map_err(database(READ))?;
        row.as_ref().map(|row| held(self.key(), row)).transpose()
    }

    /// Returns every held plan. Their contents are not kept: a plan that runs is made anew first.
    pub async fn held_plans(&self) -> Result<Vec<Held>> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT body FROM plans ORDER BY application, created")
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        rows.iter().map(|row| held(self.key(), row)).collect()
    }
}

impl Tx {
    /// Offers a plan for approval; earlier ones of its application go, unless they are approved.
    pub async fn hold_plan(&mut self, held: &Held) -> Result<()> {
        let plan = &held.prepared.plan;
        let body = encode_sealed(self.store().key(), PLANS, held)?;
        sqlx::query("DELETE FROM plans WHERE application = $1 AND id NOT IN (SELECT plan FROM approvals)")
            .bind(plan.application.as_str())
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        sqlx::query(
            "INSERT INTO plans (id, application, created, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO UPDATE SET created = excluded.created, body = excluded.body",
        )
        .bind(plan.id.to_string())
        .bind(plan.application.as_str())
        .bind(held.created.0)
        .bind(body)
        .execute(self.connection())
        .await
        .map_err(database(WRITE))?;
        Ok(())
    }

    /// Withdraws every held plan of an application, with their approvals.
    pub async fn drop_plans(&mut self, application: &Name) -> Result<()> {
        const STATEMENTS: [&str; 2] = [
            "DELETE FROM approvals WHERE plan IN (SELECT id FROM plans WHERE application = $1)",
            "DELETE FROM plans WHERE application = $1",
        ];
        for statement in STATEMENTS {
            let done = sqlx::query(statement).bind(application.as_str()).execute(self.connection()).await;
            done.map_err(database(WRITE))?;
        }
        Ok(())
    }
}

const READ: &str = "read the held plans";
const WRITE: &str = "write the held plans";

/// The table of held plans, as the place that its rows are sealed for.
const PLANS: &str = "plans";

fn held(key: &DigestKey, row: &AnyRow) -> Result<Held> {
    decode_sealed(key, PLANS, &row.try_get::<String, _>(0).map_err(database(READ))?)
}
