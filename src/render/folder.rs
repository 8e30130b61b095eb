//! A plain folder as a [`Tree`]: what `trueup render PATH` reads, without Git and without a daemon.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::config::SourceLimits;
use crate::model::{Digest, Revision};
use crate::source::{Entry, EntryKind, SourceError, SourceErrorKind, Tree};

const DEEPEST: usize = 64;
/// A folder is no commit: Git writes "no commit" like this.
const NO_REVISION: &str = "0000000000000000000000000000000000000000";

/// A folder on disk, read as Git would read it once added: links are entries, never followed; `.git` is left out. Object
/// ids are SHA-256 over what Git hashes for a blob.
pub struct Folder {
    root: PathBuf,
    revision: Revision,
    limits: SourceLimits,
    /// Where the content of each id that was told lies.
    paths: Mutex<HashMap<String, PathBuf>>,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// When it is no folder that can be read.
    pub fn open(root: &Path, limits: &SourceLimits) -> Result<Self, SourceError> {
        let found = fs::canonicalize(root).map_err(|error| failed(root, error))?;
        if !fs::metadata(&found).map_err(|error| failed(root, error))?.is_dir() {
            return Err(refused(SourceErrorKind::NotFound, format!("{} is no folder", root.display())));
        }
        let revision = NO_REVISION.parse().map_err(|error| SourceError {
            kind: SourceErrorKind::RevisionMissing,
            message: "could not name the revision of a folder".into(),
            source: Some(anyhow!("{error}")),
        })?;
        Ok(Self { root: found, revision, limits: limits.clone(), paths: Mutex::default() })
    }

    /// Returns the path on disk of a path in the tree, and what lies there, unless a link stands in the way.
    fn locate(&self, path: &str) -> Result<Option<(PathBuf, Metadata)>, SourceError> {
        let mut here = self.root.clone();
        let mut found = fs::symlink_metadata(&here).map_err(|error| failed(&here, error))?;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            if !found.is_dir() || !usable(segment) {
                return Ok(None);
            }
            here.push(segment);
            found = match fs::symlink_metadata(&here) {
                Ok(found) => found,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(&here, error)),
            };
        }
        Ok(Some((here, found)))
    }

    fn walk(&self, folder: &Path, prefix: &str, depth: usize, into: &mut Vec<Entry>) -> Result<(), SourceError> {
        if depth > DEEPEST {
            return Err(refused(SourceErrorKind::BadTree, format!("{} is nested too deeply", folder.display())));
        }
        for child in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
            let path = child.map_err(|error| failed(folder, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == ".git" {
                continue;
            }
            if !usable(name) {
                return Err(refused(
                    SourceErrorKind::BadTree,
                    format!("{} has a name that no tree may hold", path.display()),
                ));
            }
            let inside = format!("{prefix}{name}");
            let found = fs::symlink_metadata(&path).map_err(|error| failed(&path, error))?;
            if found.is_dir() {
                self.walk(&path, &format!("{inside}/"), depth + 1, into)?;
            } else {
                into.push(self.entry(&path, inside, &found)?);
            }
            if into.len() > self.limits.files {
                let message = format!("{} holds more than {} files", self.root.display(), self.limits.files);
                return Err(refused(SourceErrorKind::TooLarge, message));
            }
        }
        Ok(())
    }

    fn entry(&self, path: &Path, inside: String, found: &Metadata) -> Result<Entry, SourceError> {
        use std::os::unix::fs::PermissionsExt as _;
        let kind = if found.is_symlink() {
            EntryKind::Symlink
        } else if found.permissions().mode() & 0o100 != 0 {
            EntryKind::Executable
        } else {
            EntryKind::File
        };
        let content = self.content(path, kind)?;
        let id = object_id(&content);
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), path.to_owned());
        Ok(Entry { path: inside, kind, id, size: content.len() as u64 })
    }

    fn content(&self, path: &Path, kind: EntryKind) -> Result<Vec<u8>, SourceError> {
        use std::os::unix::ffi::OsStringExt as _;
        if kind == EntryKind::Symlink {
            let to = fs::read_link(path).map_err(|error| failed(path, error))?;
            return Ok(to.into_os_string().into_vec());
        }
        // A link or a pipe that was put there since is neither followed nor waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(path, error.into()))?;
        let file = File::from(file);
        if !file.metadata().map_err(|error| failed(path, error))?.is_file() {
            return Err(refused(SourceErrorKind::BadTree, format!("{} is no regular file", path.display())));
        }
        let most = self.limits.file_mib.saturating_mul(1024 * 1024);
        let mut content = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut content).map_err(|error| failed(path, error))?;
        if content.len() as u64 > most {
            let message = format!("{} has more than {} MiB", path.display(), self.limits.file_mib);
            return Err(refused(SourceErrorKind::TooLarge, message));
        }
        Ok(content)
    }
}

impl Tree for Folder {
    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn id_of(&self, path: &str) -> Result<Option<String>, SourceError> {
        let Some((place, found)) = self.locate(path)? else { return Ok(None) };
        if found.is_dir() {
            let entries: Vec<_> =
                self.list(path)?.into_iter().map(|e| (e.path, format!("{:?}", e.kind), e.id)).collect();
            return Ok(Some(Digest::of_json("trueup/folder/v1", &entries).to_string()));
        }
        self.entry(&place, String::new(), &found).map(|entry| Some(entry.id))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, SourceError> {
        match self.locate(path)? {
            Some((place, found)) if found.is_dir() => {
                let mut entries = Vec::new();
                self.walk(&place, "", 0, &mut entries)?;
                entries.sort_by(|a, b| a.path.cmp(&b.path));
                Ok(entries)
            }
            _ => Err(refused(SourceErrorKind::NotFound, format!("{path:?} is no folder of {}", self.root.display()))),
        }
    }

    fn read(&self, entry: &Entry) -> Result<Vec<u8>, SourceError> {
        let place = self.paths.lock().unwrap_or_else(PoisonError::into_inner).get(&entry.id).cloned();
        let place =
            place.ok_or_else(|| refused(SourceErrorKind::NotFound, format!("{:?} was never listed", entry.path)))?;
        let content = self.content(&place, entry.kind)?;
        if object_id(&content) != entry.id {
            return Err(refused(SourceErrorKind::Corrupt, format!("{} changed while it was read", place.display())));
        }
        Ok(content)
    }
}

fn object_id(content: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    Digest::from_bytes(hasher.finalize().into()).to_string()
}

fn usable(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.eq_ignore_ascii_case(".git") && !name.chars().any(char::is_control)
}

fn refused(kind: SourceErrorKind, message: String) -> SourceError {
    SourceError { kind, message, source: None }
}

fn failed(path: &Path, error: std::io::Error) -> SourceError {
    let message = format!("could not read {}", path.display());
    SourceError { kind: SourceErrorKind::Mirror, message, source: Some(error.into()) }
}
