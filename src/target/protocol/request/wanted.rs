//! Contents that come over the stream, asked for one at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::budget::{Budget, Charge};
use crate::model::{Contents, ContentsError, Digest};
use crate::target::protocol::ProtocolError;
use crate::target::protocol::content::Gathering;
use crate::target::protocol::message::Chunk;

/// Contents that came over the stream.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) contents: HashMap<Digest, (Arc<[u8]>, Charge)>,
}

impl Contents for Fetched {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
        let found = self.contents.get(digest).map(|(bytes, _)| bytes.clone());
        found.ok_or_else(|| ContentsError { digest: *digest, source: anyhow::anyhow!("no step names it") })
    }
}

/// The one content that a request waits for.
#[derive(Clone, Default)]
pub(super) struct Wanted(Arc<Mutex<Option<(Gathering, Charge, Answering)>>>);

/// A content with the memory that it takes, or why there is none.
pub(super) type Coming = Result<(Arc<[u8]>, Charge), String>;
type Answering = oneshot::Sender<Coming>;

impl Wanted {
    pub(super) fn want(&self, digest: Digest, budget: &Budget) -> oneshot::Receiver<Coming> {
        let (sender, receiver) = oneshot::channel();
        let charge = budget.charge();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Gathering::of(digest), charge, sender));
        receiver
    }

    pub(super) fn chunk(&self, chunk: &Chunk) -> Result<(), ProtocolError> {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((gathering, charge, _)) = wanted.as_mut() else {
            return Err(ProtocolError::Unexpected("a content came that nobody asked for".into()));
        };
        charge.take(chunk.data.len())?;
        if let Some(whole) = gathering.take(chunk)?
            && let Some((_, charge, sender)) = wanted.take()
        {
            // Whoever asked may have been cancelled meanwhile.
            let _ = sender.send(Ok((whole, charge)));
        }
        Ok(())
    }

    pub(super) fn lacking(&self, digest: Digest, reason: &str) {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.as_ref().is_some_and(|(gathering, ..)| gathering.digest() == digest)
            && let Some((.., sender)) = wanted.take()
        {
            let reason: String = reason.chars().take(1000).collect();
            let _ = sender.send(Err(format!("content {} is not to be had: {reason}", digest.short())));
        }
    }

    pub(super) fn lacking_whatever(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
