use std::collections::BTreeMap;

use sqlx::Row;

use super::{ApplicationState, Result, Store, StoreError, StoreErrorKind, Tx, database, undecodable};
use crate::model::Name;

const READ: &str = "read what is remembered of an application";

impl Store {
    /// Returns what is remembered of an application; nothing, where it was never seen.
    pub async fn application(&self, name: &Name) -> Result<ApplicationState> {
        let mut session = self.session().await?;
        let row = sqlx::query("SELECT body FROM applications WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(&mut *session)
            .await
            .map_err(database(READ))?;
        let Some(row) = row else { return Ok(ApplicationState::default()) };
        decode(&row.try_get::<String, _>(0).map_err(database(READ))?)
    }

    /// Returns every application that anything is remembered of.
    pub async fn applications(&self) -> Result<BTreeMap<Name, ApplicationState>> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT name, body FROM applications")
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        let one = |row: &sqlx::any::AnyRow| {
            let name: String = row.try_get(0).map_err(database(READ))?;
            let body: String = row.try_get(1).map_err(database(READ))?;
            Ok((parse_name(&name)?, decode(&body)?))
        };
        rows.iter().map(one).collect()
    }
}

impl Tx {
    pub async fn put_application(&mut self, name: &Name, state: &ApplicationState) -> Result<()> {
        sqlx::query(
            "INSERT INTO applications (name, body) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        )
        .bind(name.as_str())
        .bind(encode(state)?)
        .execute(self.connection())
        .await
        .map_err(database("write what is remembered of an application"))?;
        Ok(())
    }

    /// Forgets an application with everything that hangs on it; its records and what is live stay.
    pub async fn forget_application(&mut self, name: &Name) -> Result<()> {
        const STATEMENTS: [&str; 7] = [
            "DELETE FROM approvals WHERE plan IN (SELECT id FROM plans WHERE application = $1)",
            "DELETE FROM plans WHERE application = $1",
            "DELETE FROM rejections WHERE application = $1",
            "DELETE FROM syncs WHERE application = $1",
            "DELETE FROM owed WHERE application = $1",
            "DELETE FROM inventory WHERE application = $1",
            "DELETE FROM applications WHERE name = $1",
        ];
        for statement in STATEMENTS {
            sqlx::query(statement)
                .bind(name.as_str())
                .execute(self.connection())
                .await
                .map_err(database("forget an application"))?;
        }
        Ok(())
    }
}

pub(super) fn encode(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::because(StoreErrorKind::Unavailable, "could not encode a row of the store", e))
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(undecodable("decode a row of the store"))
}

pub(super) fn parse_name(text: &str) -> Result<Name> {
    text.parse().map_err(|e| {
        StoreError::because(StoreErrorKind::Damaged, "could not decode a row of the store", anyhow::Error::new(e))
    })
}
