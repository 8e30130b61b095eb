use std::fs::{DirBuilder, File, TryLockError};
use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::AnyConnection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::open::{FILE, check, connect};
use super::{Result, Session, Store, StoreError, StoreErrorKind, random};

/// What the trail can be read from.
pub trait Readable: Sync {
    /// Lends a connection to the database that holds it.
    fn session(&self) -> impl Future<Output = Result<Session>> + Send;
}

impl Readable for Store {
    fn session(&self) -> impl Future<Output = Result<Session>> + Send {
        Self::session(self)
    }
}

/// The database of a data folder, to be read and not changed: without its keys, and while no daemon runs.
pub struct ReadOnly {
    connection: Arc<Mutex<Option<AnyConnection>>>,
    /// Where a journal was left, a copy is read: SQLite would write it back.
    _beside: Option<Beside>,
    _lock: Option<File>,
}

impl Readable for ReadOnly {
    async fn session(&self) -> Result<Session> {
        let guard = self.connection.clone().lock_owned().await;
        let closed = |_| StoreError::new(StoreErrorKind::Unavailable, "the store is closed");
        OwnedMutexGuard::try_map(guard, Option::as_mut).map_err(closed)
    }
}

impl ReadOnly {
    /// Opens the database in `data`. Nothing in the folder changes.
    ///
    /// # Errors
    /// When there is none, when a daemon holds it, when it cannot be read or is damaged.
    pub async fn open(data: &Path) -> Result<Self> {
        let lock = hold(data)?;
        let path = data.join(FILE);
        let failed = |source| StoreError::file(format!("could not open the store {}", path.display()), source);
        if !std::fs::symlink_metadata(&path).map_err(failed)?.is_file() {
            let message = format!("could not open the store {}: it is a link or no regular file", path.display());
            return Err(StoreError::new(StoreErrorKind::Damaged, message));
        }
        let journal = data.join(format!("{FILE}-wal"));
        let left = journal.metadata().is_ok_and(|about| about.len() > 0);
        let beside = if left { Some(Beside::of(&[&path, &journal]).map_err(failed)?) } else { None };
        let mut connection = match &beside {
            Some(beside) => connect(&beside.0.join(FILE), "mode=rw").await?,
            None => connect(&path, "mode=ro&immutable=1").await?,
        };
        check(&mut connection).await?;
        Ok(Self { connection: Arc::new(Mutex::new(Some(connection))), _beside: beside, _lock: lock })
    }
}

/// Keeps a daemon from starting meanwhile. A folder that was copied may have no lock.
fn hold(data: &Path) -> Result<Option<File>> {
    let Ok(file) = File::open(data.join("lock")) else { return Ok(None) };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let message = format!("could not read {}: a daemon holds it", data.display());
            Err(StoreError::new(StoreErrorKind::Locked, message))
        }
        // What cannot be locked at all is on a medium that nobody runs a daemon on.
        _ => Ok(Some(file)),
    }
}

/// Copies of files, in a folder of their own that goes with this.
struct Beside(PathBuf);

impl Beside {
    fn of(files: &[&Path]) -> std::io::Result<Self> {
        let name = random::<8>().map_err(std::io::Error::other)?;
        let folder = std::env::temp_dir().join(format!("trueup-{:016x}", u64::from_be_bytes(name)));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let copy = Self(folder);
        for file in files {
            if let Some(name) = file.file_name() {
                std::fs::copy(file, copy.0.join(name))?;
            }
        }
        Ok(copy)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // What cannot be removed is left for whoever cleans that folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
