use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Result, Store, Tx, database};
use crate::model::{Name, Time};

/// How long it is remembered what was deleted, in seconds: no budget may look back further.
pub const LONGEST_BUDGET: i64 = 30 * 24 * 60 * 60;

/// What one execution was let to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    pub time: Time,
    pub application: Name,
    pub deletes: u64,
}

impl Store {
    /// Returns what the executions since `since` were let to delete, over the whole daemon.
    pub async fn spent(&self, since: Time) -> Result<Vec<Spent>> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT time, application, deletes FROM spent WHERE time > $1 ORDER BY time")
            .bind(since.0)
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        rows.iter().map(spent).collect()
    }

    /// Returns the applications whose plans have begun and are not closed.
    pub async fn running(&self) -> Result<Vec<Name>> {
        let rows = sqlx::query(RUNNING).fetch_all(&mut *self.session().await?).await.map_err(database(READ))?;
        rows.iter().map(name).collect()
    }
}

impl Tx {
    /// Writes down what an execution is let to delete, and forgets what no budget asks for any more.
    pub async fn spend(&mut self, spent: &Spent) -> Result<()> {
        sqlx::query("DELETE FROM spent WHERE time <= $1")
            .bind(spent.time.plus_seconds(-LONGEST_BUDGET).0)
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        sqlx::query("INSERT INTO spent (time, application, deletes) VALUES ($1, $2, $3)")
            .bind(spent.time.0)
            .bind(spent.application.as_str())
            .bind(i64::try_from(spent.deletes).unwrap_or(i64::MAX))
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        Ok(())
    }

    /// Returns how much was let to be deleted since `since`, as of this change.
    pub async fn spent_since(&mut self, since: Time) -> Result<u64> {
        let row = sqlx::query("SELECT COALESCE(SUM(deletes), 0) FROM spent WHERE time > $1")
            .bind(since.0)
            .fetch_one(self.connection())
            .await
            .map_err(database(READ))?;
        let sum: i64 = row.try_get(0).map_err(database(READ))?;
        Ok(u64::try_from(sum).unwrap_or(0))
    }

    /// Returns the applications whose plans have begun and are not closed, as of this change.
    pub async fn running(&mut self) -> Result<Vec<Name>> {
        let rows = sqlx::query(RUNNING).fetch_all(self.connection()).await.map_err(database(READ))?;
        rows.iter().map(name).collect()
    }
}

fn name(row: &AnyRow) -> Result<Name> {
    super::states::parse_name(&row.try_get::<String, _>(0).map_err(database(READ))?)
}

fn spent(row: &AnyRow) -> Result<Spent> {
    let doing = || database(READ);
    let application: String = row.try_get(1).map_err(doing())?;
    let deletes: i64 = row.try_get(2).map_err(doing())?;
    Ok(Spent {
        time: Time(row.try_get(0).map_err(doing())?),
        application: super::states::parse_name(&application)?,
        deletes: u64::try_from(deletes).unwrap_or(0),
    })
}

const RUNNING: &str = "SELECT application FROM syncs ORDER BY application";
const READ: &str = "read what was deleted lately";
const WRITE: &str = "write what will be deleted";
