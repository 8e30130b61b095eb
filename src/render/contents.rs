use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;

use crate::model::{Contents, ContentsError, Digest};
use crate::source::{Entry, Tree};

/// What is known of a blob once it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Plain SHA-256 of the content.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// It may be encrypted: digest and size are those of what Git holds, not of what comes out.
    pub sealed: bool,
}

/// Remembers blobs by their object id, so that a render after a small commit reads only what is new. An object id names its
/// content for good, so an answer never grows old.
pub trait BlobCache: Send + Sync {
    fn get(&self, id: &str) -> Option<Blob>;
    fn put(&self, id: &str, blob: Blob);
}

/// A cache in memory that forgets everything when it is full.
pub struct MemoryCache {
    blobs: Mutex<HashMap<Box<str>, Blob>>,
    most: usize,
}

impl MemoryCache {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { blobs: Mutex::default(), most }
    }
}

impl BlobCache for MemoryCache {
    fn get(&self, id: &str) -> Option<Blob> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    fn put(&self, id: &str, blob: Blob) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        if blobs.len() >= self.most {
            blobs.clear();
        }
        blobs.insert(id.into(), blob);
    }
}

/// Where the bytes of one content lie.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Tree(Entry),
    /// Written in a document.
    Inline(Arc<[u8]>),
}

/// Reads contents out of a tree when they are asked for.
pub(super) struct TreeContents {
    pub(super) tree: Arc<dyn Tree>,
    pub(super) origins: BTreeMap<Digest, Origin>,
}

impl TreeContents {
    fn bytes(&self, digest: &Digest) -> Result<Arc<[u8]>, anyhow::Error> {
        match self.origins.get(digest) {
            Some(Origin::Tree(entry)) => Ok(self.tree.read(entry)?.into()),
            Some(Origin::Inline(bytes)) => Ok(bytes.clone()),
            None => Err(anyhow!("nothing that was rendered has this content")),
        }
    }
}

impl Contents for TreeContents {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
        let wrong = |source| ContentsError { digest: *digest, source };
        let bytes = self.bytes(digest).map_err(wrong)?;
        if Digest::of(&bytes) != *digest {
            return Err(wrong(anyhow!("the bytes at hand digest to something else")));
        }
        Ok(bytes)
    }
}
