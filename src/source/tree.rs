use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::objs::Kind;

use super::merge::Made;
use super::mirror::Generation;
use super::names::{self, Item};
use super::objects::Objects;
use super::{Entry, EntryKind, SourceError, SourceErrorKind, Tree};
use crate::config::SourceLimits;
use crate::model::Revision;

/// A tree object is not longer; with names of ordinary length that is some 100,000 entries in one folder.
const TREE: u64 = 8 * 1024 * 1024;
const DEPTH: usize = 64;
const PATH: usize = 4096;
/// A link that points further is none.
const LINK: u64 = 4096;

/// The tree of one commit. It keeps the objects that it reads from, even while the mirror is fetched anew.
pub(super) struct GitTree {
    pub(super) revision: Revision,
    pub(super) root: ObjectId,
    pub(super) generation: Arc<Generation>,
    pub(super) limits: SourceLimits,
    /// What it is made of that is not in the mirror: a merge that nobody committed.
    pub(super) made: Arc<Made>,
    /// What was walked already: applications share paths.
    pub(super) ids: Mutex<HashMap<String, Option<String>>>,
}

impl Tree for GitTree {
    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn id_of(&self, path: &str) -> Result<Option<String>, SourceError> {
        if let Some(known) = self.known().get(path) {
            return Ok(known.clone());
        }
        let found = self.find(path).map_err(|error| self.noted(error))?;
        let id = found.map(|(_, id)| id.to_string());
        self.known().insert(path.into(), id.clone());
        Ok(id)
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, SourceError> {
        self.walk(path).map_err(|error| self.noted(error))
    }

    fn read(&self, entry: &Entry) -> Result<Vec<u8>, SourceError> {
        let odd = |_| SourceError::new(SourceErrorKind::RevisionMissing, "the entry has an id that is none");
        let id = ObjectId::from_hex(entry.id.as_bytes()).map_err(odd)?;
        let limit = if entry.kind == EntryKind::Symlink { LINK } else { self.file_limit() };
        let mut objects = self.objects()?;
        let content = objects.read(&id, Kind::Blob, limit).map(<[u8]>::to_vec);
        content.map_err(|error| self.noted(error).while_doing(format!("could not read {:?}", entry.path)))
    }
}

impl GitTree {
    fn objects(&self) -> Result<Objects, SourceError> {
        Ok(Objects::new(&self.generation.store()?).with(&self.made))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<String>>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_limit(&self) -> u64 {
        self.limits.file_mib.saturating_mul(1024 * 1024)
    }

    /// Lets the next poll know that the mirror is damaged.
    fn noted(&self, error: SourceError) -> SourceError {
        if error.kind == SourceErrorKind::Corrupt {
            self.generation.condemn();
        }
        error.while_doing(format!("could not read the tree of {}", self.revision.short()))
    }

    /// Returns what lies at `path`; links on the way are not followed, so nothing lies behind them.
    fn find(&self, path: &str) -> Result<Option<(Option<EntryKind>, ObjectId)>, SourceError> {
        let mut objects = self.objects()?;
        let (mut at, mut place) = ((None, self.root), String::new());
        for part in parts(path)? {
            if at.0.is_some() {
                return Ok(None);
            }
            let data = objects.read(&at.1, Kind::Tree, TREE)?;
            let items = names::read(data, &place)?;
            match items.iter().find(|item| item.name == part) {
                Some(item) => at = (item.kind, item.id),
                None => return Ok(None),
            }
            place = join(&place, part);
        }
        Ok(Some(at))
    }

    fn walk(&self, path: &str) -> Result<Vec<Entry>, SourceError> {
        let Some((None, root)) = self.find(path)? else { return Ok(Vec::new()) };
        let mut walk = Walk { tree: self, objects: self.objects()?, visited: 0, bytes: 0, entries: Vec::new() };
        // Not by recursion: what a stranger nests must not use up our stack.
        let mut folders = vec![(String::new(), root, 0)];
        while let Some((place, id, depth)) = folders.pop() {
            walk.folder(&place, id, depth, &mut folders)?;
        }
        walk.entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(walk.entries)
    }
}

struct Walk<'a> {
    tree: &'a GitTree,
    objects: Objects,
    /// Entries met, folders included: equal subtrees count each time, or ten small trees are ten thousand million files.
    visited: usize,
    bytes: u64,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn folder(
        &mut self,
        place: &str,
        id: ObjectId,
        depth: usize,
        folders: &mut Vec<(String, ObjectId, usize)>,
    ) -> Result<(), SourceError> {
        if depth > DEPTH {
            return Err(too_large(place, &format!("folders are nested more than {DEPTH} deep")));
        }
        let data = self.objects.read(&id, Kind::Tree, TREE)?.to_vec();
        for item in names::read(&data, place)? {
            let path = join(place, item.name);
            self.visited += 1;
            if self.visited > self.tree.limits.files {
                let limit = self.tree.limits.files;
                return Err(too_large(&path, &format!("there are more than {limit} files and folders")));
            }
            if path.len() > PATH {
                return Err(too_large(place, &format!("a path is longer than {PATH} bytes")));
            }
            match item.kind {
                None => folders.push((path, item.id, depth + 1)),
                Some(kind) => self.file(path, kind, &item)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, kind: EntryKind, item: &Item<'_>) -> Result<(), SourceError> {
        let size = match self.objects.header(&item.id)? {
            Some((Kind::Blob, size)) => size,
            Some(_) => return Err(super::objects::corrupt(&item.id, "is not the file that its tree says")),
            None => return Err(super::objects::corrupt(&item.id, "is missing")),
        };
        let limit = if kind == EntryKind::Symlink { LINK } else { self.tree.file_limit() };
        if size > limit {
            return Err(too_large(&path, &format!("it has {size} bytes, more than the {limit} that are allowed")));
        }
        self.bytes = self.bytes.saturating_add(size);
        let whole = self.tree.limits.application_mib;
        if self.bytes > whole.saturating_mul(1024 * 1024) {
            return Err(too_large(&path, &format!("the files together have more than {whole} MiB")));
        }
        self.entries.push(Entry { path, kind, id: item.id.to_string(), size });
        Ok(())
    }
}

fn too_large(path: &str, why: &str) -> SourceError {
    let end = path.char_indices().nth(200).map_or(path.len(), |(at, _)| at);
    SourceError::new(SourceErrorKind::TooLarge, format!("{why}, at {:?}", &path[..end]))
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.into() } else { format!("{place}/{name}") }
}

/// Splits a path that a person or a document wrote.
fn parts(path: &str) -> Result<Vec<&str>, SourceError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() || path == "." {
        return Ok(Vec::new());
    }
    let parts: Vec<_> = path.split('/').collect();
    match parts.iter().find(|part| names::checked(part.as_bytes()).is_err()) {
        None if parts.len() <= DEPTH && path.len() <= PATH => Ok(parts),
        _ => {
            let message = format!("{path:?} is not a path inside a repository");
            Err(SourceError::new(SourceErrorKind::BadTree, message))
        }
    }
}
