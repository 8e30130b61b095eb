//! What must outlive the process: SQLite in the data folder, written so that PostgreSQL fits. One connection does everything,
//! so there is one writer, nothing is read half-written, and reading changes no byte on disk.

mod application;
mod approvals;
mod contents;
mod desired;
mod error;
mod execution;
mod inventory;
mod key;
mod lock;
mod open;
mod plans;
mod preimages;
mod random;
mod reading;
mod reserve;
mod revert;
mod sinks;
mod spent;
mod states;
mod tokens;
mod tx;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::AnyConnection;
use tokio::sync::watch;

use crate::model::DigestKey;

pub use application::{
    Accepted, ApplicationState, Applied, AskedBack, BadInputs, Definition, Good, Heals, Known, LeftOut, Suspended,
};
pub use approvals::{Approval, Rejection};
pub use contents::StoredContents;
pub use desired::encode_desired;
pub use error::{StoreError, StoreErrorKind};
pub use execution::{Open, Owed, Prepared, Purpose};
pub use plans::{Found, Held};
pub use preimages::{Preimage, Preimages};
pub use random::new_sync_id;
pub use reading::{ReadOnly, Readable};
pub use revert::{MadeCommit, Revert, RevertStage};
pub use sinks::{SinkState, Tally};
pub use spent::{LONGEST_BUDGET, Spent};
pub use tokens::{Bearer, Token};
pub use tx::Tx;

pub(crate) use contents::{seal, unseal};
pub(crate) use error::{database, undecodable};
pub(crate) use key::{credential, in_file as key_in_file, secret_in_file, write_secret};
pub(crate) use lock::{Lock, NOFOLLOW};
pub(crate) use random::random;
pub(crate) use tx::{Memo, Session, placeholders, statement};

pub type Result<T> = std::result::Result<T, StoreError>;

/// The store of one daemon. A clone is the same store.
///
/// # Assumes
/// A task that holds a [`Tx`] calls no method of the store before it ends it: there is one connection, and both would wait.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    fence: u64,
    folder: PathBuf,
    key: DigestKey,
    /// `None` once it is closed.
    connection: Arc<tokio::sync::Mutex<Option<AnyConnection>>>,
    /// A transaction was begun on it and not committed.
    begun: AtomicBool,
    failing: Mutex<Option<StoreErrorKind>>,
    /// What the last committed change left for the next one, so that it need not be read again. Sound because nobody else
    /// can write.
    memo: Mutex<Option<Memo>>,
    /// The number of the newest record that is durable and was appended since the store was opened.
    appended: watch::Sender<u64>,
    reserve: reserve::Reserve,
    /// Held for as long as the store is open.
    _lock: lock::Lock,
}

impl Store {
    /// Returns the folder that the store lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Returns a number that grows with each holder of the data folder.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.inner.fence
    }

    /// Returns the key of this installation, for digests of what may be secret.
    #[must_use]
    pub fn key(&self) -> &DigestKey {
        &self.inner.key
    }

    /// Returns why the last change could not be written, until one can: while it says so, nothing live may change.
    #[must_use]
    pub fn failing(&self) -> Option<StoreErrorKind> {
        *self.inner.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out whether a change can be written, by writing one. Meant for a store that was failing: it changes the file.
    pub async fn probe(&self) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO meta (name, body) VALUES ('probe', $1) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        )
        .bind(new_sync_id()?.to_string())
        .execute(tx.connection())
        .await
        .map_err(database("write to the store"))
        .inspect_err(|error| self.note(Some(error.kind)))?;
        tx.commit().await
    }

    /// Returns once the database answers: by then everything that came before it has.
    pub async fn answers(&self) -> Result<()> {
        let mut session = self.session().await?;
        sqlx::query("SELECT 1").execute(&mut *session).await.map(|_| ()).map_err(database("read the store"))
    }

    /// Writes back what lies in the journal, and empties it: what was overwritten is in no file any more.
    pub(crate) async fn forget_journal(&self) -> Result<()> {
        let mut session = self.session().await?;
        let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *session).await;
        done.map(|_| ()).map_err(database("write back the journal of the store"))
    }

    /// Writes back what lies in the journal and closes the database. The lock goes with the last clone.
    pub async fn close(self) -> Result<()> {
        self.take_connection().await
    }

    /// Returns what rings when the trail grew; the trail rings it.
    pub(crate) fn appended(&self) -> &watch::Sender<u64> {
        &self.inner.appended
    }

    fn note(&self, failing: Option<StoreErrorKind>) {
        *self.inner.failing.lock().unwrap_or_else(PoisonError::into_inner) = failing;
    }
}
