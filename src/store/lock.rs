use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Result, StoreError, StoreErrorKind};

/// The lock that makes one daemon the owner of a data folder. The kernel lets go of it when the process ends, however it ends.
pub(crate) struct Lock {
    _file: File,
}

/// A child that a daemon was starting when it ended holds its lock until it runs its own program: a moment later it is free.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

impl Lock {
    /// Takes the lock, and writes down who holds it.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("lock");
        let failed = |source| StoreError::file(format!("could not lock {}", folder.display()), source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NOFOLLOW)
            .open(&path)
            .map_err(failed)?;
        let mut tries = TRIES;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries == 0 => return Err(held(folder, &mut file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            tries -= 1;
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// A link in the data folder is not ours.
#[allow(clippy::cast_possible_wrap)] // The flag is a low bit.
pub(crate) const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

fn held(folder: &Path, file: &mut File) -> StoreError {
    let mut text = String::new();
    let holder = match file.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!("process {}", text.trim()),
        _ => "another process".to_owned(),
    };
    StoreError::new(StoreErrorKind::Locked, format!("could not lock {}: {holder} holds it", folder.display()))
}
