//! The mirror: a bare repository that only we write.
//!
//! ```text
//! FOLDER/current                    the number of the generation in use
//! FOLDER/mirror.7/refs/trueup/head  what the followed ref points to
//! FOLDER/mirror.7/shallow           commits whose parents are not at hand
//! FOLDER/mirror.7/objects/pack/     packs, each indexed and checked by us
//! ```
//!
//! A generation is made beside the one in use and taken into use by one rename. What a crash left half-made is not named by
//! `current`, and goes at the next start.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::odb::Store;

use super::remote::Boundary;
use super::{SourceError, disk, objects};

/// Makes the folder one that `git` itself can look at. No hooks, no remotes.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";

pub(super) struct Mirror {
    folder: PathBuf,
    /// No single allocation for an object is larger, in bytes.
    alloc: usize,
    current: Mutex<Option<Arc<Generation>>>,
}

impl Mirror {
    /// Opens the mirror at `folder`, and removes what a crash left there.
    pub(super) fn open(folder: PathBuf, alloc: usize) -> Result<Self, SourceError> {
        let broken = |error| SourceError::mirror(format!("could not open the mirror {}", folder.display()), error);
        let number = prepare(&folder).map_err(broken)?;
        let current = number.map(|number| Arc::new(Generation::new(&folder, number, alloc)));
        if let Some(generation) = &current {
            generation.clean().map_err(broken)?;
        }
        Ok(Self { folder, alloc, current: Mutex::new(current) })
    }

    pub(super) fn current(&self) -> Option<Arc<Generation>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes an empty generation beside the one in use. Dropped without [`Mirror::take_into_use`], it goes.
    pub(super) fn fresh(&self) -> Result<Arc<Generation>, SourceError> {
        let number = self.current().map_or(1, |generation| generation.number + 1);
        let generation = Generation::new(&self.folder, number, self.alloc);
        generation.retire();
        let failed = |error| SourceError::mirror(format!("could not make {}", generation.path.display()), error);
        if generation.path.exists() {
            fs::remove_dir_all(&generation.path).map_err(failed)?;
        }
        generation.make().map_err(failed)?;
        Ok(Arc::new(generation))
    }

    /// Takes a generation into use. The one before stays on disk until nobody reads from it.
    pub(super) fn take_into_use(&self, generation: Arc<Generation>) -> Result<(), SourceError> {
        let failed = |error| SourceError::mirror("could not take the new mirror into use", error);
        disk::sync(&self.folder).map_err(failed)?;
        disk::replace(&self.folder.join("current"), format!("{}\n", generation.number).as_bytes()).map_err(failed)?;
        generation.retired.store(false, Ordering::Release);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = current.replace(generation) {
            before.retire();
        }
        Ok(())
    }
}

/// Makes the folder, and leaves in it only what `current` names.
fn prepare(folder: &Path) -> io::Result<Option<u64>> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let number = disk::read(&folder.join("current"))?.and_then(|text| text.trim().parse::<u64>().ok());
    let number = number.filter(|number| folder.join(format!("mirror.{number}")).is_dir());
    let named = number.map(|number| format!("mirror.{number}"));
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_string_lossy().starts_with("mirror.");
        if ours && named.as_ref().is_none_or(|named| name != named.as_str()) {
            fs::remove_dir_all(entry.path())?;
        } else if name == "current.new" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(number)
}

/// One generation of the mirror.
pub(super) struct Generation {
    pub(super) path: PathBuf,
    number: u64,
    pub(super) alloc: usize,
    store: Mutex<Option<Arc<Store>>>,
    damaged: AtomicBool,
    retired: AtomicBool,
}

impl Generation {
    fn new(folder: &Path, number: u64, alloc: usize) -> Self {
        let path = folder.join(format!("mirror.{number}"));
        let (damaged, retired) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { path, number, alloc, store: Mutex::new(None), damaged, retired }
    }

    fn make(&self) -> io::Result<()> {
        for folder in ["objects/pack", "refs/trueup"] {
            fs::create_dir_all(self.path.join(folder))?;
        }
        disk::replace(&self.path.join("HEAD"), b"ref: refs/trueup/head\n")?;
        disk::replace(&self.path.join("config"), CONFIG.as_bytes())?;
        ["objects/pack", "objects", "refs/trueup", "refs", ""].iter().try_for_each(|at| disk::sync(&self.path.join(at)))
    }

    /// Removes what a crash or a failed fetch left: temporary files, packs without an index, locks on packs.
    ///
    /// # Assumes
    /// Nothing is being fetched into it.
    pub(super) fn clean(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.packs())? {
            let path = entry?.path();
            let whole = path.with_extension("pack").is_file() && path.with_extension("idx").is_file();
            let pack = path.extension().is_some_and(|end| end == "pack" || end == "idx");
            if !(pack && whole) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Returns the store that objects are read from.
    pub(super) fn store(&self) -> Result<Arc<Store>, SourceError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        match &*store {
            Some(open) => Ok(Arc::clone(open)),
            None => Ok(Arc::clone(store.insert(objects::open(&self.path.join("objects"), self.alloc)?))),
        }
    }

    /// Lets the next reader see the packs that came since.
    pub(super) fn reload(&self) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn packs(&self) -> PathBuf {
        self.path.join("objects/pack")
    }

    pub(super) fn count_packs(&self) -> usize {
        let is_pack = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|end| end == "pack");
        fs::read_dir(self.packs()).map_or(0, |entries| entries.flatten().filter(is_pack).count())
    }

    /// Returns what the followed ref pointed to, as far as it was fetched.
    pub(super) fn head(&self) -> Option<ObjectId> {
        let text = disk::read(&self.path.join("refs/trueup/head")).ok()??;
        ObjectId::from_hex(text.trim().as_bytes()).ok()
    }

    pub(super) fn set_head(&self, id: &ObjectId) -> Result<(), SourceError> {
        let written = disk::replace(&self.path.join("refs/trueup/head"), format!("{id}\n").as_bytes());
        written.map_err(|error| SourceError::mirror("could not write the ref of the mirror", error))
    }

    pub(super) fn shallow(&self) -> Result<BTreeSet<ObjectId>, SourceError> {
        let text = disk::read(&self.path.join("shallow"));
        let text = text.map_err(|error| SourceError::mirror("could not read the boundary of the mirror", error))?;
        let lines = text.iter().flat_map(|text| text.lines());
        Ok(lines.filter_map(|line| ObjectId::from_hex(line.as_bytes()).ok()).collect())
    }

    pub(super) fn move_boundary(&self, moved: &Boundary) -> Result<(), SourceError> {
        let before = self.shallow()?;
        let mut after = before.clone();
        after.extend(&moved.shallow);
        after.retain(|id| !moved.unshallow.contains(id));
        if after == before {
            return Ok(());
        }
        let text: String = after.iter().flat_map(|id| [id.to_string(), "\n".into()]).collect();
        let written = disk::replace(&self.path.join("shallow"), text.as_bytes());
        written.map_err(|error| SourceError::mirror("could not write the boundary of the mirror", error))
    }

    /// Notes that an object in it is not what its id says: the next poll fetches anew.
    pub(super) fn condemn(&self) {
        self.damaged.store(true, Ordering::Release);
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Acquire)
            && let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // It goes at the next start.
            tracing::warn!(path = %self.path.display(), %error, "could not remove an old mirror");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_made_folders_of_a_crash_go_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::open(folder.path().join("m"), 1 << 20).unwrap();
        let used = mirror.fresh().unwrap();
        mirror.take_into_use(used).unwrap();
        let half = mirror.fresh().unwrap();
        assert!(half.path.is_dir());
        let pack = mirror.current().unwrap().packs();
        fs::write(pack.join(".tmpAbC"), "x").unwrap();
        fs::write(pack.join("pack-1.pack"), "x").unwrap();
        std::mem::forget(half);
        let mirror = Mirror::open(folder.path().join("m"), 1 << 20).unwrap();
        let names: BTreeSet<_> =
            fs::read_dir(folder.path().join("m")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["current", "mirror.1"].map(Into::into).into());
        assert_eq!(fs::read_dir(mirror.current().unwrap().packs()).unwrap().count(), 0);
    }

    #[test]
    fn a_generation_that_is_not_taken_into_use_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::open(folder.path().into(), 1 << 20).unwrap();
        let path = mirror.fresh().unwrap().path.clone();
        assert!(!path.exists());
    }
}
