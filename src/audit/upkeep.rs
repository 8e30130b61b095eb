//! What is done to the trail itself, each time with a record of it.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::append::append;
use super::body::TrailBody;
use super::leaf::{Leaf, commitment};
use super::{Body, Entry, Kind, Redactor};
use crate::model::{Actor, Time};
use crate::store::{Readable, StoreError, StoreErrorKind, Tx, database, undecodable};

/// Who does something to the trail, when and why.
pub struct By<'a> {
    pub actor: Actor,
    pub reason: Option<String>,
    pub redactor: &'a Redactor,
    pub now: Time,
}

/// Returns what records tell of the trail itself, in order.
///
/// # Errors
/// `store.damaged` where one is not what was written.
pub(super) async fn told(store: &impl Readable) -> Result<Vec<TrailBody>, StoreError> {
    told_in(&mut *store.session().await?).await
}

/// The same, as a change has it.
pub(super) async fn told_in(connection: &mut AnyConnection) -> Result<Vec<TrailBody>, StoreError> {
    let rows = sqlx::query("SELECT bytes, salt, payload FROM records WHERE kind = $1 ORDER BY seq")
        .bind(Kind::Trail.as_str())
        .fetch_all(connection)
        .await
        .map_err(database(READ))?;
    rows.iter().map(body).collect()
}

const READ: &str = "read the records about the trail";

fn body(row: &AnyRow) -> Result<TrailBody, StoreError> {
    let text = |column: usize| row.try_get::<Option<String>, _>(column).map_err(database(READ));
    let undecodable = || undecodable("decode a record about the trail");
    let leaf: Leaf = serde_json::from_str(&text(0)?.unwrap_or_default()).map_err(undecodable())?;
    let (salt, payload) = (text(1)?.unwrap_or_default(), text(2)?.unwrap_or_default());
    let damaged =
        || StoreError::new(StoreErrorKind::Damaged, format!("the trail is damaged: record {} was changed", leaf.seq));
    if commitment(&salt, &payload) != leaf.payload {
        return Err(damaged());
    }
    match serde_json::from_str(&payload).map_err(undecodable())? {
        Body::Trail(body) => Ok(body),
        _ => Err(damaged()),
    }
}

impl By<'_> {
    /// Appends the record of it.
    pub(super) async fn append(&self, tx: &mut Tx, body: TrailBody) -> Result<(), StoreError> {
        let (actor, body) = (self.actor.clone(), Body::Trail(body));
        let entry = Entry { application: None, revision: None, plan: None, sync: None, actor, body };
        append(tx, self.now, self.redactor, &[entry]).await.map(|_| ())
    }
}
