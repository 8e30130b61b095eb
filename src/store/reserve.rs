//! Room on the disk of the data folder that is held ready: when the disk is full, it is given back, so that what was begun can be
//! recorded to its end. Until there is as much room again, nothing new begins.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::lock::NOFOLLOW;
use super::{Result, Store, StoreError, StoreErrorKind};

/// An empty file of this name says that the reserve was given away, and not taken back yet.
const FILE: &str = "reserve";
/// So much has to be free beside the reserve before it is taken back.
const MARGIN: u64 = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Reserve(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    None,
    Held(u64),
    Given(u64),
}

impl Store {
    /// Holds so many MiB ready from now on; none for 0. Where there is no room for it, and never was, it is done without.
    pub fn hold_reserve(&self, mib: u64) {
        let path = self.folder().join(FILE);
        let size = mib.saturating_mul(1 << 20);
        if path.metadata().is_ok_and(|about| about.len() == 0) && size > 0 {
            // Taken back by the first who wants to begin something, where there is room.
            self.set(State::Given(size));
            return;
        }
        let state = match (size, take(&path, size)) {
            (0, _) => State::None,
            (_, Ok(())) => State::Held(size),
            (_, Err(error)) => {
                tracing::warn!(%error, "there is no room for a reserve of {mib} MiB: a full disk may leave a change without its last record");
                let _ = std::fs::remove_file(&path);
                State::None
            }
        };
        self.set(state);
    }

    /// Finds out whether anything new may begin: not while the reserve is given away. It is taken back where there is room.
    ///
    /// # Errors
    /// `store.full` while there is none.
    pub fn may_begin(&self) -> Result<()> {
        let State::Given(size) = *self.state() else { return Ok(()) };
        let room = statvfs(self.folder()).map_or(0, |about| about.f_bavail.saturating_mul(about.f_frsize));
        // Beside it there must be some, or it would be given away again at once.
        if room >= size.saturating_add(MARGIN.min(size)) && take(&self.folder().join(FILE), size).is_ok() {
            tracing::info!("there is room again: the reserve is taken back, and changes go on");
            self.set(State::Held(size));
            return Ok(());
        }
        // The same words each time: a refusal is told once.
        let (folder, mib) = (self.folder().display(), size >> 20);
        let message = format!(
            "the disk of {folder} is full: nothing new begins before there is room for the reserve of {mib} MiB"
        );
        Err(StoreError::new(StoreErrorKind::Full, message))
    }

    /// Writes what has to be written: where the disk is full, the reserve is given away for it.
    ///
    /// # Errors
    /// When it cannot be written all the same.
    pub async fn insist<T, F: Future<Output = Result<T>>>(&self, write: impl Fn() -> F) -> Result<T> {
        match write().await {
            Err(error) if error.kind == StoreErrorKind::Full && self.give_reserve() => write().await,
            done => done,
        }
    }

    /// Gives the reserve back to the disk. Returns whether there was one.
    fn give_reserve(&self) -> bool {
        let State::Held(size) = *self.state() else { return false };
        if let Err(error) = give(&self.folder().join(FILE)) {
            tracing::warn!(%error, "could not give the reserve away");
            return false;
        }
        tracing::warn!("the disk is full: the reserve is given away for the last records, and nothing new begins");
        self.set(State::Given(size));
        true
    }

    fn set(&self, state: State) {
        *self.state() = state;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.inner.reserve.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives away what an earlier process held, where a store cannot even be opened without. Returns whether there was anything.
pub(super) fn give_left(folder: &Path) -> bool {
    let path = folder.join(FILE);
    path.metadata().is_ok_and(|about| about.len() > 0) && give(&path).is_ok()
}

fn give(path: &PathBuf) -> io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(NOFOLLOW).open(path)?;
    file.set_len(0)?;
    // Some file systems give room back only once it is written down that it is free.
    file.sync_all()
}

/// Makes the file as large as it is to be, of blocks that are its own.
fn take(path: &Path, size: u64) -> io::Result<()> {
    if size == 0 {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(NOFOLLOW).open(path)?;
    if file.metadata()?.len() == size {
        return Ok(());
    }
    file.set_len(0)?;
    let taken = match fallocate(&file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP) => zeros(&mut file, size),
        taken => taken.map_err(Into::into),
    };
    if taken.is_err() {
        file.set_len(0)?;
    }
    taken
}

fn zeros(file: &mut File, size: u64) -> io::Result<()> {
    let block = vec![0; 1 << 20];
    for _ in 0..size >> 20 {
        file.write_all(&block)?;
    }
    file.sync_all()
}
