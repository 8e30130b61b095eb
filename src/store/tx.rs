use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use tokio::sync::{OwnedMappedMutexGuard, OwnedMutexGuard};

use super::{Result, Store, StoreError, StoreErrorKind, database};

/// The one connection, lent.
pub(crate) type Session = OwnedMappedMutexGuard<Option<AnyConnection>, AnyConnection>;

/// A transaction. It holds the one writer; dropped without a commit, none of it happened.
#[must_use]
pub struct Tx {
    session: Session,
    store: Store,
    /// Taken at the beginning and given back by the commit alone: what a change that failed knew is forgotten.
    memo: Option<Memo>,
    /// What is done once it is durable.
    then: Vec<Then>,
}

type Then = Box<dyn FnOnce() + Send>;

pub(crate) type Memo = Box<dyn std::any::Any + Send>;

impl Store {
    /// Begins a change, once every other one has ended.
    pub async fn write(&self) -> Result<Tx> {
        let mut session = self.session().await?;
        // Set first: a call that is cancelled half-way may have begun.
        self.inner.begun.store(true, Ordering::Release);
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *session)
            .await
            .map_err(database("begin a change of the store"))
            .inspect_err(|error| self.note(Some(error.kind)))?;
        let memo = self.inner.memo.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Tx { session, store: self.clone(), memo, then: vec![] })
    }

    /// Lends the connection, free of what a dropped transaction left.
    pub(crate) async fn session(&self) -> Result<Session> {
        let guard = self.inner.connection.clone().lock_owned().await;
        let mut session = OwnedMutexGuard::try_map(guard, Option::as_mut)
            .map_err(|_| StoreError::new(StoreErrorKind::Unavailable, "the store is closed"))?;
        if self.inner.begun.swap(false, Ordering::AcqRel) {
            // It fails where the transaction had ended by itself (a full disk, a cancelled commit): then there is none.
            let _ = sqlx::query("ROLLBACK").execute(&mut *session).await;
        }
        Ok(session)
    }

    pub(super) async fn take_connection(&self) -> Result<()> {
        match self.inner.connection.lock().await.take() {
            Some(connection) => connection.close().await.map_err(database("close the store")),
            None => Ok(()),
        }
    }
}

impl Tx {
    /// Makes the change durable: when this returns, it survives a loss of power.
    ///
    /// # Errors
    /// When it cannot be written; then none of it happened.
    pub async fn commit(mut self) -> Result<()> {
        let done = sqlx::query("COMMIT").execute(&mut *self.session).await.map_err(database("commit to the store"));
        match done {
            Ok(_) => {
                self.store.inner.begun.store(false, Ordering::Release);
                self.store.note(None);
                *self.store.inner.memo.lock().unwrap_or_else(PoisonError::into_inner) = self.memo.take();
                // Whoever is told may take long: the connection is free meanwhile.
                let then = std::mem::take(&mut self.then);
                drop(self);
                for then in then {
                    then();
                }
                Ok(())
            }
            Err(error) => {
                self.store.note(Some(error.kind));
                Err(error)
            }
        }
    }

    /// Overwrites whatever is deleted, from here on until the store is closed.
    pub(crate) async fn delete_securely(&mut self) -> Result<()> {
        let done = sqlx::query("PRAGMA secure_delete = ON").execute(self.connection()).await;
        done.map(|_| ()).map_err(database("set up the store"))
    }

    /// Does this after the commit, and not at all without it.
    pub(crate) fn once_durable(&mut self, then: impl FnOnce() + Send + 'static) {
        self.then.push(Box::new(then));
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.session
    }

    /// Takes what the last change remembered, where it is of this type.
    pub(crate) fn recall<T: 'static>(&mut self) -> Option<T> {
        self.memo.take()?.downcast().ok().map(|memo| *memo)
    }

    /// Remembers this for the next change, if this one is committed.
    pub(crate) fn remember<T: Send + 'static>(&mut self, memo: T) {
        self.memo = Some(Box::new(memo));
    }

    /// Returns the store that this changes, for its key; its methods wait until this ends.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }
}

/// Makes a statement of our own making acceptable: it holds only constants and `$n`, every value is bound.
pub(crate) fn statement(text: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(text)
}

/// Returns `($1, $2), ($3, $4), …`: `rows` rows of `width` parameters, numbered from `first`.
pub(crate) fn placeholders(first: usize, rows: usize, width: usize) -> String {
    let row = |r: usize| {
        let columns: Vec<_> = (0..width).map(|c| format!("${}", first + r * width + c)).collect();
        format!("({})", columns.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
