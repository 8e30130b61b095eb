//! Proofs of RFC 9162: that a record is among those of a checkpoint (section 2.1.3), and that a trail only grew between two of
//! them (section 2.1.4). Making one reads every leaf hash; checking one takes about twenty hashes for a million records.

use std::ops::Range;

use super::leaf::Head;
use super::tree::{Tree, node_hash};
use crate::model::Digest;

/// Returns the ranges of leaves, counted from 0, whose roots prove that leaf `index` is among `size`: in the order of the proof.
pub(super) fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut ranges, mut within) = (vec![], 0..size);
    while within.end - within.start > 1 {
        let middle = split(&within);
        let (left, right) = (within.start..middle, middle..within.end);
        let (near, far) = if index < middle { (left, right) } else { (right, left) };
        ranges.push(far);
        within = near;
    }
    ranges.reverse();
    ranges
}

/// Returns the ranges whose roots prove that the tree of `size` leaves begins with that of `first` leaves.
pub(super) fn consistency_ranges(first: u64, size: u64) -> Vec<Range<u64>> {
    let (mut ranges, mut within) = (vec![], 0..size);
    while within.end != first && within.end > within.start {
        let middle = split(&within);
        if first <= middle {
            ranges.push(middle..within.end);
            within.end = middle;
        } else {
            ranges.push(within.start..middle);
            within.start = middle;
        }
    }
    // The old tree itself is known to whoever asks.
    if within.start > 0 {
        ranges.push(within);
    }
    ranges.reverse();
    ranges
}

/// Where a tree over these leaves parts: the largest power of two below their number.
fn split(range: &Range<u64>) -> u64 {
    range.start + (range.end - range.start).next_power_of_two() / 2
}

/// Computes the roots of disjoint ranges from leaf hashes that come in order, once.
pub(super) struct Roots {
    ranges: Vec<Range<u64>>,
    trees: Vec<Tree>,
}

impl Roots {
    pub(super) fn of(ranges: Vec<Range<u64>>) -> Self {
        let trees = vec![Tree::default(); ranges.len()];
        Self { ranges, trees }
    }

    /// Computes the root of all leaves.
    pub(super) fn whole(size: u64) -> Self {
        Self::of(std::iter::once(0..size).collect())
    }

    pub(super) fn leaf(&mut self, index: u64, hash: Digest) {
        if let Some(at) = self.ranges.iter().position(|range| range.contains(&index)) {
            self.trees[at].push(hash);
        }
    }

    /// Returns the roots, in the order of the ranges; `None` where leaves were missing.
    pub(super) fn finish(self) -> Option<Vec<Digest>> {
        let whole = |(range, tree): (&Range<u64>, &Tree)| tree.size == range.end - range.start;
        let complete = self.ranges.iter().zip(&self.trees).all(whole);
        complete.then(|| self.trees.iter().map(Tree::root).collect())
    }
}

/// Whether `proof` shows that the leaf with this hash and index, counted from 0, is among those of `head`.
pub(super) fn includes(head: &Head, index: u64, leaf: Digest, proof: &[Digest]) -> bool {
    if index >= head.size {
        return false;
    }
    let (mut at, mut last, mut root) = (index, head.size - 1, leaf);
    for node in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            root = node_hash(node, &root);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            root = node_hash(&root, node);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && root == head.root
}

/// Whether `proof` shows that the records of `old` are the first ones of `new`. The empty tree proves nothing, and is refused.
pub(super) fn extends(old: &Head, new: &Head, proof: &[Digest]) -> bool {
    if old.size == 0 || old.size > new.size {
        return false;
    }
    if old.size == new.size {
        return proof.is_empty() && old.root == new.root;
    }
    let (mut at, mut last) = (old.size - 1, new.size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (seed, rest) = if old.size.is_power_of_two() {
        (old.root, proof)
    } else {
        let Some((seed, rest)) = proof.split_first() else { return false };
        (*seed, rest)
    };
    let (mut first, mut second) = (seed, seed);
    for node in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (first, second) = (node_hash(node, &first), node_hash(node, &second));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            second = node_hash(&second, node);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && first == old.root && second == new.root
}

#[cfg(test)]
mod tests;
