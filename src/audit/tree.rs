use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// The tree of RFC 9162, section 2.1, as the roots of its complete subtrees, widest first: as many as `size` has bits set.
/// All that an append needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) size: u64,
    peaks: Vec<Digest>,
}

/// Returns the hash of a leaf. The prefix keeps a leaf from being passed off as a node.
pub(super) fn leaf_hash(bytes: &[u8]) -> Digest {
    hash(&[&[0], bytes])
}

pub(super) fn node_hash(left: &Digest, right: &Digest) -> Digest {
    hash(&[&[1], left.as_bytes(), right.as_bytes()])
}

pub(super) fn hash(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Digest::from_bytes(hasher.finalize().into())
}

impl Tree {
    /// Returns the tree that these peaks make, if there are as many as it has.
    pub(super) fn from_peaks(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, peaks })
    }

    pub(super) fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Adds a leaf: as many subtrees become complete as the size ends in ones.
    pub(super) fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Returns the Merkle tree hash; that of nothing is the hash of nothing.
    pub(super) fn root(&self) -> Digest {
        let join = |right: Digest, left: &Digest| node_hash(left, &right);
        match self.peaks.split_last() {
            None => Digest::of(b""),
            Some((last, rest)) => rest.iter().rev().fold(*last, join),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9162, section 2.1.1, as it is written there.
    fn by_the_book(leaves: &[Vec<u8>]) -> Digest {
        match leaves.len() {
            0 => Digest::of(b""),
            1 => leaf_hash(&leaves[0]),
            n => {
                let k = (n.next_power_of_two() / 2).max(1);
                node_hash(&by_the_book(&leaves[..k]), &by_the_book(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_peaks_have_the_root_of_the_book_at_every_size() {
        let mut tree = Tree::default();
        let mut leaves = vec![];
        for n in 0..130_u32 {
            assert_eq!(tree.root(), by_the_book(&leaves), "{n} leaves");
            assert_eq!(Tree::from_peaks(tree.size, tree.peaks().to_vec()), Some(tree.clone()));
            leaves.push(n.to_be_bytes().to_vec());
            tree.push(leaf_hash(&n.to_be_bytes()));
        }
    }

    #[test]
    fn known_roots_of_certificate_transparency_come_out() {
        // The reference vectors of google/certificate-transparency: leaves "", 00, 10, 2021.
        let leaves: [&[u8]; 4] = [b"", &[0], &[0x10], &[0x20, 0x21]];
        let mut tree = Tree::default();
        for leaf in leaves {
            tree.push(leaf_hash(leaf));
        }
        let root = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
        assert_eq!(tree.root().to_string(), root);
        assert_eq!(leaf_hash(b"").to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    #[test]
    fn a_leaf_that_looks_like_a_node_is_not_one() {
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let forged = [left.as_bytes().as_slice(), right.as_bytes()].concat();
        assert_ne!(leaf_hash(&forged), node_hash(&left, &right));
        assert_ne!(leaf_hash(&[&[1], forged.as_slice()].concat()), node_hash(&left, &right));
    }
}
