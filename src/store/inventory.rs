use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row};

use super::states::{decode, encode, parse_name};
use super::tx::{placeholders, statement};
use super::{Result, Store, StoreError, StoreErrorKind, Tx, database};
use crate::model::{Inventory, Name, ObjectId, Owned};

const READ: &str = "read the inventory";
const WRITE: &str = "write the inventory";

/// So many objects go into one statement: few round trips, and well below the limit on parameters of either database.
const CHUNK: usize = 200;

impl Store {
    /// Returns the objects that are kept true for an application on a target.
    pub async fn inventory(&self, target: &Name, application: &Name) -> Result<Inventory> {
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT kind, namespace, name, body FROM inventory \
             WHERE application = $1 AND target = $2 AND body IS NOT NULL",
        )
        .bind(application.as_str())
        .bind(target.as_str())
        .fetch_all(&mut *session)
        .await
        .map_err(database(READ))?;
        let one = |row: &AnyRow| {
            let body: String = row.try_get(3).map_err(database(READ))?;
            Ok((object_id(row)?, decode(&body)?))
        };
        Ok(Inventory { objects: rows.iter().map(one).collect::<Result<_>>()? })
    }

    /// Returns every object that an application claims on a target, owned or not.
    pub async fn claims(&self, target: &Name, application: &Name) -> Result<BTreeSet<ObjectId>> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT kind, namespace, name FROM inventory WHERE application = $1 AND target = $2")
            .bind(application.as_str())
            .bind(target.as_str())
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        rows.iter().map(object_id).collect()
    }

    /// Returns every owned object on a target, whoever it is kept true for.
    pub async fn owned_on(&self, target: &Name) -> Result<Vec<ObjectId>> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT kind, namespace, name FROM inventory WHERE target = $1 AND body IS NOT NULL")
            .bind(target.as_str())
            .fetch_all(&mut *session)
            .await
            .map_err(database(READ))?;
        rows.iter().map(object_id).collect()
    }

    /// Returns how many objects each application owns on each target, of those that are not among `declared`.
    pub async fn orphans(&self, declared: &BTreeSet<Name>) -> Result<BTreeMap<(Name, Name), usize>> {
        let mut session = self.session().await?;
        let rows = sqlx::query(
            "SELECT application, target, COUNT(*) FROM inventory WHERE body IS NOT NULL GROUP BY application, target",
        )
        .fetch_all(&mut *session)
        .await
        .map_err(database(READ))?;
        let one = |row: &AnyRow| {
            let name = |column: usize| parse_name(&row.try_get::<String, _>(column).map_err(database(READ))?);
            let count: i64 = row.try_get(2).map_err(database(READ))?;
            Ok(((name(0)?, name(1)?), usize::try_from(count).unwrap_or(0)))
        };
        let mut all: BTreeMap<_, _> = rows.iter().map(one).collect::<Result<_>>()?;
        all.retain(|(application, _), _| !declared.contains(application));
        Ok(all)
    }

    /// Returns who claims each of these objects; those that nobody claims are left out.
    pub async fn holders(&self, target: &Name, ids: &[ObjectId]) -> Result<BTreeMap<ObjectId, Name>> {
        let mut session = self.session().await?;
        holders(&mut session, target, ids).await
    }
}

impl Tx {
    /// Claims objects for an application. Returns those that others hold, with the holder: these are not claimed.
    pub async fn claim(
        &mut self,
        target: &Name,
        application: &Name,
        ids: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Name>> {
        for chunk in ids.chunks(CHUNK) {
            let text = format!(
                "INSERT INTO inventory (target, kind, namespace, name, application) VALUES {} ON CONFLICT DO NOTHING",
                placeholders(1, chunk.len(), 5)
            );
            let mut query = sqlx::query(statement(text)).persistent(false);
            for id in chunk {
                query = bind_id(query.bind(target.as_str()), id).bind(application.as_str());
            }
            query.execute(self.connection()).await.map_err(database(WRITE))?;
        }
        let mut held = holders(self.connection(), target, ids).await?;
        held.retain(|_, holder| holder != application);
        Ok(held)
    }

    /// Writes down how an object was left; it becomes claimed where it was not.
    ///
    /// # Errors
    /// `store.conflict` where another application holds it.
    pub async fn put_owned(&mut self, target: &Name, application: &Name, id: &ObjectId, owned: &Owned) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO inventory (target, kind, namespace, name, application, body) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (target, kind, namespace, name) DO UPDATE SET body = excluded.body \
             WHERE inventory.application = excluded.application",
        );
        let done = bind_id(query.bind(target.as_str()), id)
            .bind(application.as_str())
            .bind(encode(owned)?)
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        if done.rows_affected() == 1 {
            return Ok(());
        }
        let message = format!("could not write {id} down for {application}: another application holds it");
        Err(StoreError::new(StoreErrorKind::Conflict, message))
    }

    /// Forgets objects of an application, claims included; what others hold stays.
    pub async fn remove_objects(&mut self, target: &Name, application: &Name, ids: &[ObjectId]) -> Result<()> {
        for chunk in ids.chunks(CHUNK) {
            let text = format!(
                "DELETE FROM inventory WHERE target = $1 AND application = $2 AND (kind, namespace, name) IN (VALUES {})",
                placeholders(3, chunk.len(), 3)
            );
            let query = sqlx::query(statement(text)).persistent(false);
            let query = chunk.iter().fold(query.bind(target.as_str()).bind(application.as_str()), bind_id);
            query.execute(self.connection()).await.map_err(database(WRITE))?;
        }
        Ok(())
    }

    /// Gives up the claims of an application on objects that never became its own.
    pub async fn release_claims(&mut self, target: &Name, application: &Name) -> Result<()> {
        sqlx::query("DELETE FROM inventory WHERE target = $1 AND application = $2 AND body IS NULL")
            .bind(target.as_str())
            .bind(application.as_str())
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        Ok(())
    }

    /// Returns whether an application holds an object on any target, owned or claimed, as of this change.
    pub async fn holds_any(&mut self, application: &Name) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM inventory WHERE application = $1 LIMIT 1")
            .bind(application.as_str())
            .fetch_optional(self.connection())
            .await
            .map_err(database(READ))?;
        Ok(row.is_some())
    }

    /// Hands objects over from one application to another, as they are. Returns how many changed hands.
    pub async fn move_objects(&mut self, target: &Name, from: &Name, to: &Name, ids: &[ObjectId]) -> Result<u64> {
        let mut moved = 0;
        for chunk in ids.chunks(CHUNK) {
            let text = format!(
                "UPDATE inventory SET application = $1 \
                 WHERE target = $2 AND application = $3 AND (kind, namespace, name) IN (VALUES {})",
                placeholders(4, chunk.len(), 3)
            );
            let query = sqlx::query(statement(text)).persistent(false);
            let query = query.bind(to.as_str()).bind(target.as_str()).bind(from.as_str());
            let query = chunk.iter().fold(query, bind_id);
            moved += query.execute(self.connection()).await.map_err(database(WRITE))?.rows_affected();
        }
        Ok(moved)
    }
}

async fn holders(connection: &mut AnyConnection, target: &Name, ids: &[ObjectId]) -> Result<BTreeMap<ObjectId, Name>> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        let text = format!(
            "SELECT kind, namespace, name, application FROM inventory \
             WHERE target = $1 AND (kind, namespace, name) IN (VALUES {})",
            placeholders(2, chunk.len(), 3)
        );
        let query = sqlx::query(statement(text)).persistent(false).bind(target.as_str());
        let query = chunk.iter().fold(query, bind_id);
        for row in query.fetch_all(&mut *connection).await.map_err(database(READ))? {
            let application: String = row.try_get(3).map_err(database(READ))?;
            found.insert(object_id(&row)?, parse_name(&application)?);
        }
    }
    Ok(found)
}

fn bind_id<'q>(query: Query<'q, Any, AnyArguments>, id: &'q ObjectId) -> Query<'q, Any, AnyArguments> {
    query.bind(id.kind.as_ref()).bind(&*id.namespace).bind(&*id.name)
}

/// Reads an identity out of the first three columns.
pub(super) fn object_id(row: &AnyRow) -> Result<ObjectId> {
    let text = |column: usize| row.try_get::<String, _>(column).map_err(database(READ));
    Ok(ObjectId { kind: Cow::Owned(text(0)?), namespace: text(1)?.into(), name: text(2)?.into() })
}
