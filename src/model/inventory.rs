use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::iter::Peekable;

use serde::{Deserialize, Serialize};

use super::{Digest, Fingerprint, ObjectId};

/// The objects kept true for one application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub objects: BTreeMap<ObjectId, Owned>,
}

/// One object of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    pub origin: Origin,
    pub left: Left,
}

/// Looks objects up one after the other. Those that come in ascending order cost one walk over the map altogether, which is
/// several times quicker than as many searches from its top.
pub struct Walk<'a, V> {
    map: &'a BTreeMap<ObjectId, V>,
    ahead: Peekable<Iter<'a, ObjectId, V>>,
}

impl<'a, V> Walk<'a, V> {
    #[must_use]
    pub fn new(map: &'a BTreeMap<ObjectId, V>) -> Self {
        Self { map, ahead: map.iter().peekable() }
    }

    /// Returns what the map holds under `id`.
    pub fn find(&mut self, id: &ObjectId) -> Option<&'a V> {
        while let Some((next, value)) = self.ahead.peek() {
            match (*next).cmp(id) {
                Ordering::Less => drop(self.ahead.next()),
                Ordering::Equal => return Some(value),
                Ordering::Greater => break,
            }
        }
        // It is not there, or the walk has passed it.
        self.map.get(id)
    }
}

/// How an object came to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Created,
    Adopted,
    /// Found identical at first contact: may be corrected, never deleted, until adopted.
    Matched,
}

/// How we last left (or found) an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// [`super::Spec::digest`] of what was desired then.
    pub spec: Digest,
    /// Digest of the normalised live state then.
    pub state: Digest,
    pub fingerprint: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_finds_what_a_search_finds_in_whatever_order() {
        let id = |n: u32| ObjectId::new("path", &format!("/{n:03}"));
        let map: BTreeMap<_, _> = (0..100).step_by(3).map(|n| (id(n), n)).collect();
        let orders: [Vec<u32>; 3] = [(0..100).collect(), (0..100).rev().collect(), vec![50, 51, 3, 99, 0, 51, 52]];
        for order in orders {
            let mut walk = Walk::new(&map);
            for n in order {
                assert_eq!(walk.find(&id(n)), map.get(&id(n)), "{n}");
            }
        }
    }
}
