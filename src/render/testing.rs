//! A tree in memory, for the tests of this room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Keys, MemoryCache, RenderError, Request, host};
use crate::config::SourceLimits;
use crate::model::{Complete, Digest, Mistake, Revision};
use crate::source::{Entry, EntryKind, SourceError, SourceErrorKind, Tree};

pub(super) struct MemoryTree {
    entries: BTreeMap<String, (EntryKind, Vec<u8>)>,
    revision: Revision,
    pub(super) reads: AtomicUsize,
    /// What `read` answers instead: an object database that lies.
    pub(super) lie: Option<Vec<u8>>,
}

pub(super) fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree =
        MemoryTree { entries: BTreeMap::new(), revision: "a".repeat(40).parse().unwrap(), reads: 0.into(), lie: None };
    for (path, content) in files {
        tree.put(path, EntryKind::File, content);
    }
    tree
}

impl MemoryTree {
    pub(super) fn put(&mut self, path: &str, kind: EntryKind, content: &str) {
        self.entries.insert(path.into(), (kind, content.as_bytes().to_vec()));
    }

    pub(super) fn link(mut self, path: &str, to: &str) -> Self {
        self.put(path, EntryKind::Symlink, to);
        self
    }

    fn below(&self, path: &str) -> Vec<Entry> {
        let relative = |full: &String| super::files::below(path, full).map(str::to_owned);
        let entry = |(full, (kind, content)): (&String, &(EntryKind, Vec<u8>))| {
            let id = Digest::of(content).to_string();
            Some(Entry { path: relative(full)?, kind: *kind, id, size: content.len() as u64 })
        };
        self.entries.iter().filter_map(entry).collect()
    }
}

impl Tree for MemoryTree {
    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn id_of(&self, path: &str) -> Result<Option<String>, SourceError> {
        if let Some((_, content)) = self.entries.get(path) {
            return Ok(Some(Digest::of(content).to_string()));
        }
        let ids: Vec<_> = self.below(path).into_iter().map(|entry| (entry.path, entry.id)).collect();
        Ok((!ids.is_empty()).then(|| Digest::of_json("tree", &ids).to_string()))
    }

    fn list(&self, path: &str) -> Result<Vec<Entry>, SourceError> {
        Ok(self.below(path))
    }

    fn read(&self, entry: &Entry) -> Result<Vec<u8>, SourceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if let Some(lie) = &self.lie {
            return Ok(lie.clone());
        }
        let mut contents = self.entries.values().map(|(_, content)| content);
        contents.find(|content| Digest::of(content).to_string() == entry.id).cloned().ok_or_else(|| SourceError {
            kind: SourceErrorKind::Corrupt,
            message: "no such blob".into(),
            source: None,
        })
    }
}

pub(super) fn render(tree: MemoryTree, layers: &[&str]) -> Result<Complete, RenderError> {
    render_within(tree, layers, &SourceLimits::default())
}

pub(super) fn render_within(tree: MemoryTree, layers: &[&str], limits: &SourceLimits) -> Result<Complete, RenderError> {
    let tree: Arc<dyn Tree> = Arc::new(tree);
    host(&Request { tree: &tree, layers, limits, cache: &MemoryCache::new(100), keys: Keys::Sealed })
}

/// Renders what must not render, and returns its mistakes.
pub(super) fn mistakes(tree: MemoryTree, layers: &[&str]) -> Vec<Mistake> {
    match render(tree, layers) {
        Err(RenderError::Mistakes(mistakes)) => mistakes,
        Err(other) => panic!("{other:?}"),
        Ok(complete) => panic!("it renders to {:?}", complete.objects.keys()),
    }
}

/// Returns a document as people write it.
pub(super) fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: host.trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}
