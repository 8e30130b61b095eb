//! What all targets of one root half share: the journal, what was overwritten, and whose turn it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::journal::Journal;
use super::preimages::{Bounds, Preimages};
use crate::model::{Clock, Fingerprint, SyncId};

/// What all targets of one root half share.
pub(super) struct Acts {
    journal: Mutex<Journal>,
    pub(super) preimages: Preimages,
    pub(super) bounds: Bounds,
    pub(super) clock: Arc<dyn Clock>,
    /// What every fingerprint that is handed out ends with. One without it was taken where states digest under another key: by
    /// the daemon itself, say, before it got a root half. It is not trusted, so that the object is read and its digest renewed.
    mark: String,
    /// One act of a sync at a time: a client that lost its connection may ask for one that still runs.
    turns: Mutex<HashMap<SyncId, Weak<tokio::sync::Mutex<()>>>>,
}

impl Acts {
    pub(super) fn new(
        journal: Journal,
        preimages: Preimages,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
        mark: String,
    ) -> Self {
        Self { journal: Mutex::new(journal), preimages, bounds, clock, mark, turns: Mutex::default() }
    }

    pub(super) fn marked(&self, fingerprint: &Fingerprint) -> Fingerprint {
        Fingerprint(format!("{}@{}", fingerprint.0, self.mark).into())
    }

    /// Returns the fingerprint that was marked; one that nothing has, where it was not.
    pub(super) fn unmarked(&self, fingerprint: &Fingerprint) -> Fingerprint {
        let taken_here = fingerprint.0.strip_suffix(&self.mark).and_then(|rest| rest.strip_suffix('@'));
        Fingerprint(taken_here.unwrap_or_default().into())
    }

    pub(super) fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn turn(&self, sync: &SyncId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(sync).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(sync.clone(), Arc::downgrade(&turn));
        turn
    }
}
