//! How many deliveries are remembered.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

/// A Git host tries again within minutes.
const REMEMBERED: usize = 16 * 1024;

/// The newest deliveries, by a keyed hash of repository and id.
pub(super) struct Seen {
    key: RandomState,
    ids: Mutex<(HashSet<u64>, VecDeque<u64>)>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), ids: Mutex::default() }
    }

    /// Takes note of a delivery. Returns whether it is new.
    pub(super) fn is_new(&self, repository: &str, id: &[u8]) -> bool {
        let id = self.key.hash_one((repository, id));
        let (known, order) = &mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.insert(id) {
            return false;
        }
        order.push_back(id);
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_new_once_and_the_memory_of_it_is_bounded() {
        let seen = Seen::new();
        assert!(seen.is_new("platform", b"1"));
        assert!(!seen.is_new("platform", b"1"));
        assert!(seen.is_new("other", b"1"), "each repository counts for itself");
        for number in 0..REMEMBERED + 10 {
            seen.is_new("platform", format!("more {number}").as_bytes());
        }
        let ids = seen.ids.lock().unwrap();
        assert_eq!((ids.0.len(), ids.1.len()), (REMEMBERED, REMEMBERED));
        drop(ids);
        assert!(seen.is_new("platform", b"1"), "the oldest is forgotten");
    }
}
