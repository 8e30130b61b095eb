//! From the path of an object to the one folder that holds it, without ever following a link.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fchmod, fsync, mkdirat, openat, openat2, unlinkat};
use rustix::io::Errno;

use crate::config;
use crate::target::TargetError;

/// Folders that one look keeps open at a time: far below the usual limit of 1,024 descriptors.
const OPEN_FOLDERS: usize = 128;

/// Folders that are made for a file whose parents are missing; they are not managed.
const PARENT: Mode = Mode::from_raw_mode(0o755);

/// Where a target's paths lie, and which of them may be touched.
#[derive(Debug)]
pub(super) struct Roots {
    prefix: PathBuf,
    allow: Vec<String>,
}

/// An allowed canonical path, taken apart: the folder relative to the prefix (`.` for the prefix itself), and the name in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located<'p> {
    pub(super) path: &'p str,
    pub(super) folder: &'p str,
    pub(super) leaf: &'p str,
}

impl Roots {
    pub(super) fn new(declared: &config::HostTarget) -> Result<Self, TargetError> {
        let allow = declared.allow.iter().map(|path| {
            let text = path.to_str().unwrap_or_default();
            let text = if text == "/" { text } else { text.trim_end_matches('/') };
            if text == "/" || canonical(text) {
                return Ok(text.to_owned());
            }
            let reason = format!("{} is not an absolute path without `.` and `..`", path.display());
            Err(TargetError::Invalid { code: "host.path".into(), reason })
        });
        let prefix = declared.root.clone().unwrap_or_else(|| "/".into());
        Ok(Self { prefix, allow: allow.collect::<Result<_, _>>()? })
    }

    /// Takes an object's path apart.
    ///
    /// # Errors
    /// When it is not canonical, or lies outside of every allowed root.
    pub(super) fn locate<'p>(&self, path: &'p str) -> Result<Located<'p>, TargetError> {
        if !canonical(path) {
            let reason = format!("{path:?} is not an absolute path without `.`, `..` and control characters");
            return Err(TargetError::Invalid { code: "host.path".into(), reason });
        }
        let below = |root: &String| {
            root == "/" || path.strip_prefix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !self.allow.iter().any(below) {
            let reason = format!("{path} lies outside of every path that this target allows");
            return Err(TargetError::Denied { code: "host.outside-roots".into(), reason });
        }
        let (folder, leaf) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = folder.strip_prefix('/').unwrap_or(".");
        Ok(Located { path, folder, leaf })
    }

    /// Returns where `path` lies on this machine, for watches and commands: never for opening.
    pub(super) fn real(&self, path: &str) -> PathBuf {
        self.prefix.join(path.trim_start_matches('/'))
    }

    pub(super) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Opens the folder from which every path is resolved. Only the machine's own configuration names it, so links in it are
    /// the administrator's. From here on every resolution is [`beneath`] it and follows none, so that a path that was allowed
    /// by its words is that path on disk too, allowed roots included.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn base(&self) -> Result<OwnedFd, TargetError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, &self.prefix, flags, Mode::empty()).map_err(|errno| TargetError::Unavailable {
            doing: format!("could not open the target's root {}", self.prefix.display()),
            source: Some(anyhow::Error::new(std::io::Error::from(errno))),
        })
    }
}

/// Opens a folder below `base` without following any link; `None` where there is none.
pub(super) fn folder(base: impl AsFd, name: &str, flags: OFlags) -> Result<Option<OwnedFd>, Errno> {
    match beneath(base, name, flags | OFlags::DIRECTORY) {
        Ok(folder) => Ok(Some(folder)),
        // Below what is not a folder nothing can lie.
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn beneath(base: impl AsFd, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match openat2(&base, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // Something was renamed meanwhile and the kernel could not tell that we stayed beneath (openat2(2)).
            Err(Errno::AGAIN) if tries < 16 => tries += 1,
            other => return other,
        }
    }
}

/// Folders that were made on the way to a file, removed again unless they are kept.
#[derive(Default)]
pub(super) struct MadeFolders(Vec<(OwnedFd, String)>);

impl MadeFolders {
    pub(super) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        while let Some((parent, name)) = self.0.pop() {
            // Fails where somebody put something into it meanwhile: then it stays.
            let _ = unlinkat(&parent, &name, rustix::fs::AtFlags::REMOVEDIR);
        }
    }
}

/// Opens a folder for writing in it, and makes it and its parents where they are missing.
pub(super) fn make_folder(base: impl AsFd, name: &str) -> Result<(OwnedFd, MadeFolders), Errno> {
    match beneath(&base, name, OFlags::RDONLY | OFlags::DIRECTORY) {
        Err(Errno::NOENT) => {}
        other => return Ok((other?, MadeFolders::default())),
    }
    let mut made = MadeFolders::default();
    let mut at = beneath(&base, ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
    for part in name.split('/') {
        let next = match beneath(&at, part, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {
                mkdirat(&at, part, PARENT)?;
                made.0.push((at.try_clone().map_err(|_| Errno::MFILE)?, part.to_owned()));
                let next = beneath(&at, part, OFlags::RDONLY | OFlags::DIRECTORY)?;
                // Whatever the daemon's umask is.
                fchmod(&next, PARENT)?;
                fsync(&at)?;
                next
            }
            other => other?,
        };
        at = next;
    }
    Ok((at, made))
}

/// The folders that one look has open: each is opened once, however many files lie in it. Never kept from one look to the
/// next, in which another folder may lie under its name.
pub(super) struct Folders {
    base: OwnedFd,
    open: HashMap<String, Result<Option<Rc<OwnedFd>>, Errno>>,
}

impl Folders {
    pub(super) fn new(base: OwnedFd) -> Self {
        Self { base, open: HashMap::new() }
    }

    pub(super) fn get(&mut self, name: &str) -> Result<Option<Rc<OwnedFd>>, Errno> {
        if let Some(known) = self.open.get(name) {
            return known.clone();
        }
        if self.open.len() >= OPEN_FOLDERS {
            self.open.clear();
        }
        let opened = folder(&self.base, name, OFlags::PATH).map(|folder| folder.map(Rc::new));
        self.open.insert(name.to_owned(), opened.clone());
        opened
    }
}

/// Absolute, and each part a plain name: the same object has one spelling.
fn canonical(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    let whole = path.len() < 4096 && !path.contains(char::is_control);
    whole && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain))
}
