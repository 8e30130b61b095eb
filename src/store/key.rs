use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::lock::NOFOLLOW;
use super::{Result, StoreError, StoreErrorKind, random};
use crate::model::DigestKey;

const CREDENTIAL: &str = "trueup-content-key";

/// Returns the key of this installation: the systemd credential, else the file in the data folder. It is made only where
/// there is no database yet: a new key beside old contents could read none of them.
pub(super) fn load(folder: &Path, first_start: bool) -> Result<DigestKey> {
    if let Some(credentials) = std::env::var_os("CREDENTIALS_DIRECTORY") {
        let path = Path::new(&credentials).join(CREDENTIAL);
        if path.exists() {
            // systemd chose its mode: it may be group-readable through an access control list.
            return read(&path, 0o007);
        }
    }
    in_file(folder, "content.key", first_start)
}

/// Returns the key in a file of a folder, made where it is the first start.
pub(crate) fn in_file(folder: &Path, name: &str, first_start: bool) -> Result<DigestKey> {
    let path = folder.join(name);
    match std::fs::symlink_metadata(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound && first_start => make(folder, &path),
        _ => read(&path, 0o077),
    }
}

fn read(path: &Path, forbidden: u32) -> Result<DigestKey> {
    let failed = |source: anyhow::Error| {
        StoreError::because(StoreErrorKind::Key, format!("could not read the key {}", path.display()), source)
    };
    let mut file = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path).map_err(|e| failed(e.into()))?;
    let mode = file.metadata().map_err(|e| failed(e.into()))?.permissions().mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(failed(anyhow::anyhow!("others may read it (mode {mode:04o}, not 0600)")));
    }
    let mut bytes = Vec::with_capacity(33);
    (&mut file).take(33).read_to_end(&mut bytes).map_err(|e| failed(e.into()))?;
    let length = bytes.len();
    let key: [u8; 32] =
        bytes.try_into().map_err(|_| failed(anyhow::anyhow!("it has not 32 bytes, but {}", length.min(33))))?;
    Ok(DigestKey::new(key))
}

/// Written beside and renamed, so that a crash leaves no half of a key.
fn make(folder: &Path, path: &Path) -> Result<DigestKey> {
    let failed =
        |source| StoreError::because(StoreErrorKind::Key, format!("could not make the key {}", path.display()), source);
    let bytes = random::<32>()?;
    let beside = path.with_extension("key.new");
    let write = || -> std::io::Result<()> {
        if let Err(e) = std::fs::remove_file(&beside)
            && e.kind() != ErrorKind::NotFound
        {
            return Err(e);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(failed)?;
    Ok(DigestKey::new(bytes))
}
