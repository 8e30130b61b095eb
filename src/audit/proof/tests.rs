use super::*;
use crate::audit::tree::leaf_hash;

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn head(leaves: &[Digest]) -> Head {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree.head()
}

fn roots(ranges: Vec<Range<u64>>, leaves: &[Digest]) -> Vec<Digest> {
    let mut roots = Roots::of(ranges);
    (0..).zip(leaves).for_each(|(index, leaf)| roots.leaf(index, *leaf));
    roots.finish().expect("every leaf is there")
}

fn inclusion(index: u64, leaves: &[Digest]) -> Vec<Digest> {
    roots(inclusion_ranges(index, leaves.len() as u64), leaves)
}

fn consistency(first: u64, leaves: &[Digest]) -> Vec<Digest> {
    roots(consistency_ranges(first, leaves.len() as u64), leaves)
}

/// Every way to spoil a proof that a verifier might let pass.
fn spoilt(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let odd = leaf_hash(b"odd");
    let mut all = vec![vec![odd], [proof, &[odd]].concat(), [&[odd], proof].concat()];
    for at in 0..proof.len() {
        let mut other = proof.to_vec();
        other[at] = odd;
        all.push(other);
        all.push([&proof[..at], &proof[at + 1..]].concat());
        all.push([&proof[..=at], &proof[at..]].concat());
        if at > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(at, at - 1);
            all.push(swapped);
        }
    }
    if !proof.is_empty() {
        all.push(vec![]);
        all.push([proof, proof].concat());
    }
    all
}

#[test]
fn the_proofs_of_certificate_transparency_come_out() {
    // The reference vectors of google/certificate-transparency: eight leaves, the path of the first, and from 6 leaves to 8.
    let texts: [&[u8]; 8] = [
        b"",
        b"\0",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let leaves = texts.map(leaf_hash);
    let written = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Digest>>();
    let path = written(&[
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
    let grown = written(&[
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]);
    assert_eq!(head(&leaves).root.to_string(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    assert_eq!(inclusion(0, &leaves), path);
    assert_eq!(consistency(6, &leaves), grown);
    assert!(includes(&head(&leaves), 0, leaves[0], &path) && extends(&head(&leaves[..6]), &head(&leaves), &grown));
}

#[test]
fn every_proof_of_every_small_tree_verifies_and_no_spoilt_one_does() {
    for size in 1..40_u64 {
        let all = leaves(size);
        let head = head(&all);
        for index in 0..size {
            let leaf = all[usize::try_from(index).unwrap()];
            let proof = inclusion(index, &all);
            assert!(includes(&head, index, leaf, &proof), "{index} of {size}");
            for other in (0..=size).chain([u64::MAX]).filter(|other| *other != index) {
                assert!(!includes(&head, other, leaf, &proof), "{index} of {size} as {other}");
            }
            assert!(!includes(&head, index, leaf_hash(b"another"), &proof));
            for spoilt in spoilt(&proof).iter().filter(|spoilt| **spoilt != proof) {
                assert!(!includes(&head, index, leaf, spoilt), "{index} of {size}: {spoilt:?}");
            }
        }
        assert!(!includes(&Head { size: 0, root: head.root }, 0, all[0], &[]));
    }
}

#[test]
fn every_step_of_growth_verifies_and_no_spoilt_one_does() {
    for size in 1..40_u64 {
        let all = leaves(size);
        let new = head(&all);
        for first in 1..=size {
            let old = head(&all[..usize::try_from(first).unwrap()]);
            let proof = consistency(first, &all);
            assert!(extends(&old, &new, &proof), "{first} to {size}");
            let another = Head { root: leaf_hash(b"another"), ..old };
            assert!(!extends(&another, &new, &proof) && !extends(&old, &Head { root: another.root, ..new }, &proof));
            for other in (0..=size + 1).filter(|other| *other != first) {
                assert!(!extends(&Head { size: other, ..old }, &new, &proof), "{first} to {size}, as from {other}");
            }
            for spoilt in spoilt(&proof).iter().filter(|spoilt| **spoilt != proof) {
                assert!(!extends(&old, &new, spoilt), "{first} to {size}: {spoilt:?}");
            }
        }
        let empty = Head { size: 0, root: Digest::of(b"") };
        assert!(!extends(&empty, &new, &[]) && !extends(&new, &empty, &[]), "nothing proves nothing");
    }
}

#[test]
fn a_proof_of_one_size_does_not_pass_against_the_root_of_another() {
    // immudb took the size from the proof (CVE-2022-36111).
    for size in 2..40_u64 {
        let (small, large) = (leaves(size), leaves(size + 1));
        for index in 0..size {
            let leaf = small[usize::try_from(index).unwrap()];
            for (head, proof) in [(head(&large), inclusion(index, &small)), (head(&small), inclusion(index, &large))] {
                assert!(!includes(&head, index, leaf, &proof), "{index} of {size}");
            }
        }
        let (old, between) = (head(&small[..1]), consistency(1, &small));
        assert!(!extends(&old, &head(&large), &between));
    }
}

#[test]
fn ranges_that_lack_a_leaf_have_no_roots() {
    let mut roots = Roots::of(inclusion_ranges(3, 10));
    (0..9).for_each(|index| roots.leaf(index, leaf_hash(b"")));
    assert_eq!(roots.finish(), None);
}
