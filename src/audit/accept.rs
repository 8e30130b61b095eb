use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::Actor;
use crate::store::NOFOLLOW;

const FILE: &str = "trail.accept";
const LONGEST: u64 = 16 * 1024;

/// A person's word that the trail is to be gone on with, though it is behind of or beside what was published: a backup was restored,
/// or the key was lost. It waits in the data folder for the next start, which records and removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    pub reason: String,
    /// The person, as they are shown. Who it was is told by who owns the file.
    pub by: String,
}

impl Acceptance {
    /// Leaves it for the next start. There is no secret in it, and the daemon may run as another user.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn leave(&self, data: &Path) -> io::Result<()> {
        let path = data.join(FILE);
        remove(&path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        file.sync_all()?;
        File::open(data)?.sync_all()
    }

    /// Returns what waits, and who left it.
    ///
    /// # Errors
    /// When there is something that cannot be read.
    pub fn waiting(data: &Path) -> io::Result<Option<(Self, Actor)>> {
        let opened = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(data.join(FILE));
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let owner = file.metadata()?.uid();
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text)?;
        let this: Self = serde_json::from_str(&text)?;
        let actor = Actor::unix_user(owner, this.by.clone());
        Ok(Some((this, actor)))
    }

    /// Takes away what waits: it holds for one start.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(data: &Path) -> io::Result<()> {
        remove(&data.join(FILE))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
