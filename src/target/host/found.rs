//! What lies at a path now: looked at through the folder that holds it, read at most once.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::{Errno, read};
use sha2::{Digest as _, Sha256};

use super::errors::refused;
use super::shape::{Access, Shape};
use crate::model::{Digest, Fingerprint, Time};
use crate::target::TargetError;

/// A file larger than this is not configuration: it is left unknown rather than read at each look.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;

/// Content up to this size is kept for diffs and restores.
pub(super) const KEPT: u64 = 1024 * 1024;

/// How often a file that changes under our eyes is read again before it is left unknown.
const TRIES: u32 = 3;

/// Something at a path.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) shape: Shape,
    pub(super) fingerprint: Fingerprint,
    /// A file's content, where it is small enough to be kept.
    pub(super) content: Option<Vec<u8>>,
    /// Number of the user whose it is.
    pub(super) owner: u32,
    /// When anything of it was last changed, its name and mode included (`st_ctime`): unlike `st_mtime`, nobody can set it.
    pub(super) changed: Time,
}

impl Found {
    fn new(shape: Shape, stat: &Stat, content: Option<Vec<u8>>) -> Self {
        let changed = Time(stat.st_ctime.saturating_mul(1_000_000).saturating_add(stat.st_ctime_nsec / 1000));
        Self { shape, fingerprint: fingerprint(stat), content, owner: stat.st_uid, changed }
    }
}

/// Why nothing can be said about a path. Never to be read as absent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknowable {
    #[error("could not look at it: {0}")]
    Refused(Errno),
    #[error("it has {0} bytes, more than trueup reads of one file")]
    TooLarge(u64),
    #[error("it kept changing while it was read")]
    Moving,
}

impl Unknowable {
    /// Returns why a step cannot act on `path`.
    pub(super) fn stops(&self, path: &str) -> TargetError {
        match self {
            Self::Refused(errno) => refused("look at", path, *errno),
            Self::TooLarge(_) => TargetError::Denied {
                code: "host.too-large".into(),
                reason: format!("could not compare {path}: {self}"),
            },
            Self::Moving => TargetError::Unavailable { doing: format!("could not read {path}: {self}"), source: None },
        }
    }
}

/// Reads content, and counts how often.
#[derive(Debug, Default)]
pub(super) struct Reader {
    reads: AtomicU64,
}

impl Reader {
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Returns what lies at `leaf`, read where it is a file; `None` where nothing does.
    pub(super) fn find(&self, folder: impl AsFd, leaf: &str) -> Result<Option<Found>, Unknowable> {
        let Some(stat) = look(&folder, leaf).map_err(Unknowable::Refused)? else { return Ok(None) };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            return self.file(folder, leaf);
        }
        let shape = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Shape::Directory { access: access(&stat) },
            FileType::Symlink => match readlinkat(&folder, leaf, Vec::new()) {
                Ok(to) => Shape::Symlink { to: to.into_bytes() },
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::INVAL) => return Err(Unknowable::Moving),
                Err(errno) => return Err(Unknowable::Refused(errno)),
            },
            other => Shape::Other { what: named(other), access: access(&stat), device: device(&stat) },
        };
        Ok(Some(Found::new(shape, &stat, None)))
    }

    fn file(&self, folder: impl AsFd, leaf: &str) -> Result<Option<Found>, Unknowable> {
        for _ in 0..TRIES {
            let file = match open(&folder, leaf) {
                Ok(file) => file,
                Err(Errno::NOENT) => return Ok(None),
                // Between the look and the open it became a link.
                Err(Errno::LOOP) => return Err(Unknowable::Moving),
                Err(errno) => return Err(Unknowable::Refused(errno)),
            };
            if let Some(found) = self.content(&file)? {
                return Ok(Some(found));
            }
        }
        Err(Unknowable::Moving)
    }

    /// Reads an open file; `None` where it changed meanwhile.
    pub(super) fn content(&self, file: &OwnedFd) -> Result<Option<Found>, Unknowable> {
        let before = fstat(file).map_err(Unknowable::Refused)?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
            return Err(Unknowable::Moving);
        }
        let size = u64::try_from(before.st_size).unwrap_or(u64::MAX);
        if size > LARGEST {
            return Err(Unknowable::TooLarge(size));
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (content, length, kept) = digest(file, size)?;
        let after = fstat(file).map_err(Unknowable::Refused)?;
        if fingerprint(&before) != fingerprint(&after) || length != size {
            return Ok(None);
        }
        let shape = Shape::File { access: access(&before), content, size };
        Ok(Some(Found::new(shape, &before, kept)))
    }
}

/// Digests a file from its beginning, and keeps the bytes where they are few.
fn digest(file: &OwnedFd, size: u64) -> Result<(Digest, u64, Option<Vec<u8>>), Unknowable> {
    let mut hasher = Sha256::new();
    let mut kept = (size <= KEPT).then(Vec::new);
    let mut length = 0;
    let mut buffer = vec![0; usize::try_from(size.clamp(4096, 256 * 1024)).unwrap_or(4096)];
    rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).map_err(Unknowable::Refused)?;
    loop {
        match read(file, &mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&buffer[..n]);
                length += n as u64;
                if let Some(kept) = &mut kept {
                    kept.extend_from_slice(&buffer[..n]);
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Unknowable::Refused(errno)),
        }
        // A file that grows for ever must not be read for ever.
        if length > size {
            break;
        }
    }
    Ok((Digest::from_bytes(hasher.finalize().into()), length, kept))
}

/// Opens a file for reading without waiting, following or touching its access time.
fn open(folder: impl AsFd, leaf: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(&folder, leaf, flags | OFlags::NOATIME, Mode::empty()) {
        // Only its owner and root may leave the access time alone.
        Err(Errno::PERM) => openat(&folder, leaf, flags, Mode::empty()),
        other => other,
    }
}

/// Returns the metadata of `leaf` itself; `None` where nothing has that name.
pub(super) fn look(folder: impl AsFd, leaf: &str) -> Result<Option<Stat>, Errno> {
    match statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn fingerprint(stat: &Stat) -> Fingerprint {
    let inode = format!("{:x}.{:x}.{}", stat.st_dev, stat.st_ino, stat.st_size);
    let times = format!("{}.{}.{}.{}", stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    Fingerprint(format!("{inode}.{times}.{:o}.{}.{}", stat.st_mode, stat.st_uid, stat.st_gid).into())
}

/// Whether nobody wrote into something between two looks at it, as far as its size and times tell. A rename moves neither.
pub(super) fn holds_the_same(before: &Stat, now: &Stat) -> bool {
    let of = |stat: &Stat| (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    of(before) == of(now)
}

/// Returns the sort of what was looked at, as [`Shape::sort`] would.
pub(super) fn sort(stat: &Stat) -> &'static str {
    named(FileType::from_raw_mode(stat.st_mode))
}

fn named(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character-device",
        FileType::BlockDevice => "block-device",
        FileType::Unknown => "unknown",
    }
}

pub(super) fn access(stat: &Stat) -> Access {
    Access { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid }
}

fn device(stat: &Stat) -> u64 {
    stat.st_rdev
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn who_writes_into_a_file_that_was_just_put_in_place_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (staged, placed) = (folder.path().join("staged"), folder.path().join("placed"));
        fs::write(&staged, "from git\n").unwrap();
        let open = fs::File::open(&staged).unwrap();
        let before = rustix::fs::fstat(&open).unwrap();
        fs::rename(&staged, &placed).unwrap();
        assert!(holds_the_same(&before, &rustix::fs::fstat(&open).unwrap()), "a rename alone");
        fs::write(&placed, "theirs\n").unwrap();
        assert!(!holds_the_same(&before, &rustix::fs::fstat(&open).unwrap()), "written into, by its new name");
    }
}
