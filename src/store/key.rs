use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::lock::NOFOLLOW;
use super::{Result, StoreError, StoreErrorKind, random};
use crate::model::DigestKey;

const CREDENTIAL: &str = "trueup-content-key";

/// No secret of an installation is longer.
const LONGEST: u64 = 4096;

/// Returns the key of this installation: the systemd credential, else the file in the data folder. It is made only where
/// there is no database yet: a new key beside old contents could read none of them.
pub(super) fn load(folder: &Path, first_start: bool) -> Result<DigestKey> {
    match credential(CREDENTIAL)? {
        Some(bytes) => key(&bytes, Path::new(CREDENTIAL)),
        None => in_file(folder, "content.key", first_start),
    }
}

/// Returns the key in a file of a folder, made where it is the first start.
pub(crate) fn in_file(folder: &Path, name: &str, first_start: bool) -> Result<DigestKey> {
    let path = folder.join(name);
    match secret_in_file(&path)? {
        Some(bytes) => key(&bytes, &path),
        None if first_start => {
            let bytes = random::<32>()?;
            write_secret(folder, name, &bytes)?;
            Ok(DigestKey::new(bytes))
        }
        None => Err(unreadable(&path, std::io::Error::from(ErrorKind::NotFound))),
    }
}

fn key(bytes: &[u8], path: &Path) -> Result<DigestKey> {
    let wrong = |_| unreadable(path, anyhow::anyhow!("it has not 32 bytes, but {}", bytes.len()));
    bytes.try_into().map(DigestKey::new).map_err(wrong)
}

/// Returns a credential that systemd hands to the service, or `None` where it hands out none of that name.
pub(crate) fn credential(name: &str) -> Result<Option<Vec<u8>>> {
    let Some(credentials) = std::env::var_os("CREDENTIALS_DIRECTORY") else { return Ok(None) };
    let path = Path::new(&credentials).join(name);
    // systemd chose its mode: it may be group-readable through an access control list.
    if path.exists() { read(&path, 0o007).map(Some) } else { Ok(None) }
}

/// Returns a secret that lies in a file for its owner's eyes alone, or `None` where there is no file.
pub(crate) fn secret_in_file(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        _ => read(path, 0o077).map(Some),
    }
}

fn unreadable(path: &Path, source: impl Into<anyhow::Error>) -> StoreError {
    StoreError::because(StoreErrorKind::Key, format!("could not read the key {}", path.display()), source)
}

fn read(path: &Path, forbidden: u32) -> Result<Vec<u8>> {
    let failed = |source| unreadable(path, source);
    let mut file = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(unreadable(path, anyhow::anyhow!("others may read it (mode {mode:04o}, not 0600)")));
    }
    let mut bytes = vec![];
    (&mut file).take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(unreadable(path, anyhow::anyhow!("it has more than {LONGEST} bytes")));
    }
    Ok(bytes)
}

/// Writes a secret for its owner's eyes alone, in place of what was there: beside it first and renamed, so that a crash leaves
/// no half of it.
pub(crate) fn write_secret(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let failed =
        |source| StoreError::because(StoreErrorKind::Key, format!("could not make the key {}", path.display()), source);
    let beside = folder.join(format!("{name}.new"));
    let write = || -> std::io::Result<()> {
        if let Err(e) = std::fs::remove_file(&beside)
            && e.kind() != ErrorKind::NotFound
        {
            return Err(e);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(failed)
}
