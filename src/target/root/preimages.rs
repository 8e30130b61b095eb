//! What the root half overwrote and deleted, kept for whoever wants it back.
//!
//! One file for each step, `preimages/PLAN-SYNC-NUMBER` (the plan by its first 12 digits): four bytes with the length of the
//! sealed head, little-endian, the head, and the sealed content. Both are AES-256-GCM under a key of the root half, the file's
//! name with `/head` or `/content` as associated data.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{Digest, DigestKey, PlanId, SyncId, Time};
use crate::store::{self, NOFOLLOW, StoreError};

/// A head above this is none, in bytes.
const LARGEST_HEAD: u32 = 64 * 1024;

/// What is known of one thing that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preimage {
    pub plan: PlanId,
    pub sync: SyncId,
    /// The step, by its place in the plan.
    pub number: usize,
    pub path: String,
    /// `file`, `directory`, `symlink`, or what else lay there.
    pub sort: String,
    /// Mode, user and group; `None` for a link.
    pub access: Option<(u32, u32, u32)>,
    /// Where a link led.
    pub to: Option<Vec<u8>>,
    /// Plain SHA-256 of a file's content; `None` where it was too large to be kept.
    pub content: Option<Digest>,
    /// Of the content, in bytes.
    pub size: u64,
    pub time: Time,
    /// Not everyone could read it, or what came in its place is secret: never to be shown, or put into a repository, unasked.
    pub hidden: bool,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub seconds: i64,
    pub bytes: u64,
}

/// The pre-images of one root half.
#[derive(Debug)]
pub struct Preimages {
    folder: PathBuf,
    key: DigestKey,
}

#[derive(Debug, thiserror::Error)]
pub enum PreimageError {
    #[error(transparent)]
    Key(#[from] StoreError),
    #[error("could not read or write the pre-images in {folder}")]
    Io {
        folder: String,
        #[source]
        source: io::Error,
    },
    #[error("the pre-image {0} is not what was kept")]
    Damaged(String),
}

impl Preimages {
    /// Opens the pre-images below the data folder of a root half, to read them.
    ///
    /// # Errors
    /// When its key cannot be read: it is root's.
    pub fn open(data: &Path) -> Result<Self, PreimageError> {
        let key = store::key_in_file(data, "root.key", false)?;
        Ok(Self::with_key(data, key.derive("trueup/preimages/v1")))
    }

    pub(super) fn with_key(data: &Path, key: DigestKey) -> Self {
        Self { folder: data.join("preimages"), key }
    }

    /// Returns all of them, oldest first; one that cannot be read is left out, and told of in the log.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Preimage>, PreimageError> {
        let mut found = Vec::new();
        for (_, _, name) in self.files()? {
            match self.head(&name) {
                Ok((head, _)) => found.push(head),
                Err(error) => tracing::warn!(name, %error, "left out a pre-image"),
            }
        }
        found.sort_by_key(|head| (head.time, head.number));
        Ok(found)
    }

    /// Returns the content of one.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was kept.
    pub fn content(&self, preimage: &Preimage) -> Result<Option<Vec<u8>>, PreimageError> {
        let name = name(preimage);
        let Some(digest) = preimage.content else { return Ok(None) };
        let (head, mut file) = self.head(&name)?;
        let mut sealed = Vec::new();
        file.read_to_end(&mut sealed).map_err(|source| self.failed(source))?;
        let content = store::unseal(&self.key, &format!("{name}/content"), &sealed);
        let whole = content.filter(|content| head.content == Some(digest) && Digest::of(content) == digest);
        whole.map(Some).ok_or(PreimageError::Damaged(name))
    }

    fn failed(&self, source: io::Error) -> PreimageError {
        PreimageError::Io { folder: self.folder.display().to_string(), source }
    }

    fn head(&self, name: &str) -> Result<(Preimage, File), PreimageError> {
        let path = self.folder.join(name);
        let opened = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path);
        let mut file = opened.map_err(|source| self.failed(source))?;
        let damaged = || PreimageError::Damaged(name.to_owned());
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(|_| damaged())?;
        let length = u32::from_le_bytes(length);
        if length > LARGEST_HEAD {
            return Err(damaged());
        }
        let mut sealed = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact(&mut sealed).map_err(|_| damaged())?;
        let head = store::unseal(&self.key, &format!("{name}/head"), &sealed).ok_or_else(damaged)?;
        Ok((serde_json::from_slice(&head).map_err(|_| damaged())?, file))
    }

    /// Keeps one, durably; it takes the place of one of the same step. Then the oldest go, as the bounds want it.
    pub(super) fn keep(
        &self,
        preimage: &Preimage,
        content: Option<&[u8]>,
        bounds: Bounds,
    ) -> Result<(), PreimageError> {
        let name = name(preimage);
        // Plain data with string keys: serialisation cannot fail.
        let head = serde_json::to_vec(preimage).unwrap_or_default();
        let head = store::seal(&self.key, &format!("{name}/head"), &head)?;
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes();
        let content = content.map(|content| store::seal(&self.key, &format!("{name}/content"), content)).transpose()?;
        let bytes = [&length[..], &head, content.as_deref().unwrap_or_default()].concat();
        self.write(&name, &bytes).map_err(|source| self.failed(source))?;
        self.prune(bounds, preimage.time)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        // It cannot be the name of one: those begin with a digit of a plan.
        let beside = self.folder.join(".new");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, self.folder.join(name))?;
        File::open(&self.folder)?.sync_all()
    }

    fn prune(&self, bounds: Bounds, now: Time) -> Result<(), PreimageError> {
        let mut files = self.files()?;
        files.sort();
        let oldest = now.0 / 1_000_000 - bounds.seconds;
        let mut all: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (time, size, name) in files {
            if time >= oldest && all <= bounds.bytes {
                break;
            }
            all -= size;
            std::fs::remove_file(self.folder.join(name)).map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Returns each file's time in seconds, size and name.
    fn files(&self) -> Result<Vec<(i64, u64, String)>, PreimageError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(|source| self.failed(source))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| self.failed(source))?;
            let meta = entry.metadata().map_err(|source| self.failed(source))?;
            if let Ok(name) = entry.file_name().into_string()
                && !name.starts_with('.')
            {
                files.push((meta.mtime(), meta.size(), name));
            }
        }
        Ok(files)
    }
}

fn name(preimage: &Preimage) -> String {
    format!("{}-{}-{}", preimage.plan.short(), preimage.sync, preimage.number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use super::*;

    fn preimage(number: usize, content: &[u8], time: i64) -> Preimage {
        Preimage {
            plan: PlanId(Digest::of(b"plan")),
            sync: SyncId("0123456789abcdef0123456789abcdef".into()),
            number,
            path: "/etc/app/a".into(),
            sort: "file".into(),
            access: Some((0o600, 0, 0)),
            to: None,
            content: Some(Digest::of(content)),
            size: content.len() as u64,
            time: Time(time * 1_000_000),
            hidden: false,
        }
    }

    #[test]
    fn what_is_kept_comes_back_and_lies_nowhere_in_plain() {
        let data = tempfile::tempdir().unwrap();
        let kept = Preimages::with_key(data.path(), DigestKey::new([1; 32]));
        let bounds = Bounds { seconds: 60, bytes: 1 << 20 };
        let (one, secret) = (preimage(1, b"canary-secret", 10), b"canary-secret");
        let now = std::fs::metadata(data.path()).unwrap().mtime();
        let one = Preimage { time: Time(now * 1_000_000), ..one };
        kept.keep(&one, Some(secret), bounds).unwrap();
        assert_eq!(kept.list().unwrap(), std::slice::from_ref(&one));
        assert_eq!(kept.content(&one).unwrap().unwrap(), secret);
        let file = std::fs::read(kept.folder.join(name(&one))).unwrap();
        assert!(!file.windows(6).any(|part| part == b"canary" || part == b"/etc/a"));
        let other = Preimages::with_key(data.path(), DigestKey::new([2; 32]));
        assert!(other.list().unwrap().is_empty() && other.content(&one).is_err());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_old() {
        let data = tempfile::tempdir().unwrap();
        let kept = Preimages::with_key(data.path(), DigestKey::new([1; 32]));
        let now = std::fs::metadata(data.path()).unwrap().mtime();
        for number in 0..10 {
            let bounds = Bounds { seconds: 60, bytes: 2500 };
            kept.keep(&preimage(number, &[0; 500], now), Some(&[0; 500]), bounds).unwrap();
        }
        let left: Vec<_> = kept.list().unwrap().iter().map(|one| one.number).collect();
        assert!(left.len() < 4 && !left.is_empty(), "{left:?}");
        let late = preimage(99, b"", now + 3600);
        kept.keep(&late, Some(b""), Bounds { seconds: 60, bytes: 1 << 20 }).unwrap();
        assert!(kept.list().unwrap().is_empty(), "an hour later by the clock, all files are too old");
    }
}
