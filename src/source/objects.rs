//! Reads objects. Every one is checked against its id before anything is made of it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use gix::ObjectId;
use gix::objs::{CommitRefIter, Find, Kind, TagRefIter};
use gix::odb::store::RefreshMode;
use gix::odb::{HandleArc, Header, Store};

use super::merge::Made;
use super::{Relation, SourceError, SourceErrorKind, verify};

/// A commit or a tag is not longer.
const SMALL: u64 = 4 * 1024 * 1024;

/// Tags on tags on tags.
const PEELS: usize = 10;

/// History is not walked further than this.
const COMMITS: usize = 2_000_000;

/// Returns a store over the objects below `objects`. No alternates, no replacements, no loose objects of others.
pub(super) fn open(objects: &Path, alloc: usize) -> Result<Arc<Store>, SourceError> {
    let options = gix::odb::store::init::Options {
        slots: gix::odb::store::init::Slots::AsNeededByDiskState { multiplier: 1.5, minimum: 64 },
        use_multi_pack_index: false,
        alloc_limit_bytes: Some(alloc),
        current_dir: Some("/".into()),
        ..Default::default()
    };
    let store = Store::at_opts(objects.to_owned(), gix::hash::Kind::Sha1, &mut std::iter::empty(), options);
    store.map(Arc::new).map_err(|error| SourceError::mirror("could not open the mirror", error))
}

/// Reads objects of one store, on one thread.
pub(super) struct Objects {
    handle: HandleArc,
    /// Objects that are not in the store.
    made: Arc<Made>,
    buffer: Vec<u8>,
}

impl Objects {
    pub(super) fn new(store: &Arc<Store>) -> Self {
        let mut handle = store.to_cache_arc();
        // What is missing stays missing: a fetch opens a new store.
        handle.refresh_never();
        debug_assert!(matches!(handle.refresh_mode(), RefreshMode::Never));
        Self { handle, made: Arc::default(), buffer: Vec::new() }
    }

    /// Reads these objects as well.
    pub(super) fn with(self, made: &Arc<Made>) -> Self {
        Self { made: Arc::clone(made), ..self }
    }

    /// Returns kind and size of an object from its header, or `None` where it is not there.
    pub(super) fn header(&self, id: &ObjectId) -> Result<Option<(Kind, u64)>, SourceError> {
        if let Some((kind, content)) = self.made.get(id) {
            return Ok(Some((*kind, content.len() as u64)));
        }
        let header = self.handle.try_header(id).map_err(|error| corrupt(id, "cannot be read").because(error))?;
        Ok(header.map(|header| (header.kind(), header.size())))
    }

    /// Returns the content of an object that must be there, of that kind and at most `limit` bytes.
    pub(super) fn read(&mut self, id: &ObjectId, kind: Kind, limit: u64) -> Result<&[u8], SourceError> {
        match self.header(id)? {
            None => return Err(corrupt(id, "is missing")),
            Some((found, _)) if found != kind => {
                return Err(corrupt(id, &format!("is a {found} where a {kind} is due")));
            }
            Some((_, size)) if size > limit => {
                let message = format!("the object {id} has {size} bytes, more than the {limit} that are allowed");
                return Err(SourceError::new(SourceErrorKind::TooLarge, message));
            }
            Some(_) => {}
        }
        if let Some((_, content)) = self.made.get(id) {
            return Ok(content);
        }
        let found = self.handle.try_find(id, &mut self.buffer);
        let object = found.map_err(|error| corrupt(id, "cannot be read").because(error))?;
        let object = object.ok_or_else(|| corrupt(id, "is missing"))?;
        if object.kind != kind {
            return Err(corrupt(id, "is of another kind than its header says"));
        }
        object
            .verify_checksum(id)
            .map_err(|error| corrupt(id, "has another content than its id says").because(error))?;
        Ok(object.data)
    }

    /// Returns the bytes of a commit or a tag, as they were hashed.
    pub(super) fn content(&mut self, id: &ObjectId, kind: Kind) -> Result<&[u8], SourceError> {
        self.read(id, kind, SMALL)
    }

    pub(super) fn commit(&mut self, id: &ObjectId) -> Result<CommitRefIter<'_>, SourceError> {
        Ok(CommitRefIter::from_bytes(self.read(id, Kind::Commit, SMALL)?, gix::hash::Kind::Sha1))
    }

    /// Follows annotated tags from `id` to the commit that they stand for. The first must bear the name `tag`, where one is
    /// given: a tag that was signed as one version is not to be served as another.
    pub(super) fn peel(&mut self, mut id: ObjectId, tag: Option<&str>) -> Result<ObjectId, SourceError> {
        let mut name = tag;
        for _ in 0..=PEELS {
            match self.header(&id)?.map(|(kind, _)| kind) {
                Some(Kind::Commit) => {
                    self.commit(&id)?;
                    return Ok(id);
                }
                Some(Kind::Tag) => {
                    let data = self.read(&id, Kind::Tag, SMALL)?;
                    if let Some(name) = name.take() {
                        check_tag_name(data, name)?;
                    }
                    let target = TagRefIter::from_bytes(data, gix::hash::Kind::Sha1).target_id();
                    id = target.map_err(|error| corrupt(&id, "is a tag that cannot be read").because(error))?;
                }
                Some(kind) => {
                    let message = format!("the ref leads to a {kind}, not to a commit");
                    return Err(SourceError::new(SourceErrorKind::RevisionMissing, message));
                }
                None => return Err(corrupt(&id, "is missing")),
            }
        }
        let message = format!("the tag is a tag of a tag, more than {PEELS} deep");
        Err(SourceError::new(SourceErrorKind::RevisionMissing, message))
    }

    /// Returns how `to` stands to `from`, as far as the history at hand tells.
    pub(super) fn relation(&mut self, from: &ObjectId, to: &ObjectId) -> Result<Relation, SourceError> {
        if from == to {
            return Ok(Relation::Same);
        }
        let ahead = self.reaches(to, from)?;
        if ahead == Some(true) {
            return Ok(Relation::Descends);
        }
        let behind = self.reaches(from, to)?;
        Ok(match (ahead, behind) {
            (_, Some(true)) => Relation::Behind,
            (Some(false), Some(false)) => Relation::Diverged,
            _ => Relation::Unknown,
        })
    }

    /// Tells whether `end` is an ancestor of `start`; `None` where the history at hand ends before that is known.
    ///
    /// Only what commits say of their parents counts, not what a server said of the boundary.
    pub(super) fn reaches(&mut self, start: &ObjectId, end: &ObjectId) -> Result<Option<bool>, SourceError> {
        let (mut seen, mut queue, mut whole) = (HashSet::from([*start]), vec![*start], true);
        while let Some(id) = queue.pop() {
            if seen.len() > COMMITS || self.header(&id)?.is_none() {
                whole = false;
                continue;
            }
            for parent in self.commit(&id)?.parent_ids() {
                if parent == *end {
                    return Ok(Some(true));
                }
                if seen.insert(parent) {
                    queue.push(parent);
                }
            }
        }
        Ok(whole.then_some(false))
    }

    /// Returns the one commit whose id begins with `prefix`.
    pub(super) fn abbreviated(&self, prefix: &str) -> Result<Option<ObjectId>, SourceError> {
        let Ok(prefix) = gix::hash::Prefix::from_hex(prefix) else { return Ok(None) };
        let found = self.handle.lookup_prefix(prefix, None);
        let unreadable =
            |error| SourceError::new(SourceErrorKind::Mirror, "could not search the mirror").because(error);
        match found.map_err(unreadable)? {
            Some(Ok(id)) => Ok(self.header(&id)?.filter(|(kind, _)| *kind == Kind::Commit).map(|_| id)),
            Some(Err(())) => {
                let message = format!("more than one object begins with {prefix}: give more digits");
                Err(SourceError::new(SourceErrorKind::RevisionMissing, message))
            }
            None => Ok(None),
        }
    }
}

fn check_tag_name(data: &[u8], name: &str) -> Result<(), SourceError> {
    let said = data.split(|c| *c == b'\n').take(4).find_map(|line| line.strip_prefix(b"tag ")).unwrap_or_default();
    if said == name.as_bytes() {
        return Ok(());
    }
    Err(verify::misnamed(name, &String::from_utf8_lossy(said)))
}

pub(super) fn corrupt(id: &ObjectId, what: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Corrupt, format!("the object {id} {what}"))
}

#[cfg(test)]
mod tests {
    use gix::objs::Write;

    use super::*;

    /// B13: the store itself does not look whether an object is the one that was asked for.
    #[test]
    fn an_object_under_another_id_is_corrupt() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pack")).unwrap();
        let store = open(folder.path(), 1 << 20).unwrap();
        let path = |id: &ObjectId| folder.path().join(&id.to_string()[..2]).join(&id.to_string()[2..]);
        let good = store.to_cache_arc().write_buf(Kind::Blob, b"one\n").unwrap();
        let asked = ObjectId::from_hex(b"1234567890123456789012345678901234567890").unwrap();
        std::fs::create_dir(path(&asked).parent().unwrap()).unwrap();
        std::fs::copy(path(&good), path(&asked)).unwrap();
        let mut objects = Objects::new(&store);
        assert_eq!(objects.read(&good, Kind::Blob, 4).unwrap(), b"one\n");
        assert_eq!(objects.read(&asked, Kind::Blob, 4).unwrap_err().kind, SourceErrorKind::Corrupt);
        assert_eq!(objects.read(&good, Kind::Blob, 3).unwrap_err().kind, SourceErrorKind::TooLarge);
        assert_eq!(objects.read(&good, Kind::Tree, 4).unwrap_err().kind, SourceErrorKind::Corrupt);
    }
}
