//! What came of it, once everything was read.

use std::sync::Arc;

use super::Verifier;
use crate::audit::verify::pipeline::Pipeline;
use crate::audit::verify::report::{Held, Report};
use crate::audit::{Checkpoint, Head, Note, NoteError, VerifyKey};

/// So many signatures are verified at a time.
const SIGNATURES: usize = 256;

impl Verifier {
    /// Says what came of it, once all was taken. `head`: what the trail says of its own end.
    pub(in crate::audit) async fn finish(mut self, head: Option<Head>) -> Report {
        let read = self.tree.head();
        if let Some(head) = head {
            if read.size != head.size {
                self.problem(None, format!("{} records were read, the head counts {}", read.size, head.size));
            }
            if read.root != head.root {
                self.problem(None, format!("the root is {}, the head says {}", read.root, head.root));
            }
        }
        self.untold();
        let trusted = match self.anchors.as_slice() {
            [] => self.keys.iter().cloned().collect(),
            anchors => self.keys.linked(anchors),
        };
        let mut covered = self.own_checkpoints(&trusted).await;
        let given = std::mem::take(&mut self.given);
        let mut checkpoints = vec![];
        for (place, note) in given {
            match note {
                Ok((checkpoint, note)) => checkpoints.push(self.held(place, &note, &checkpoint, &trusted)),
                Err(error) => self.problem(None, format!("{place}: {error}")),
            }
        }
        let root = |size: u64| self.wanted.get(&size).copied().flatten().map(|root| Head { size, root });
        let roots = self.sizes.iter().copied().filter_map(root).collect();
        covered = checkpoints.iter().filter(|held| held.holds).map(|held| held.size).fold(covered, u64::max);
        Report {
            begin: self.begin,
            size: read.size,
            root: read.root,
            erased: self.erased.each().collect(),
            erasures: self.told_erased.into_iter().collect(),
            archived: self.archived.count,
            segments: self.told_archived,
            roots,
            covered,
            keys: trusted.iter().map(ToString::to_string).collect(),
            vouched: !self.anchors.is_empty(),
            checkpoints,
            problems: self.problems,
            omitted: self.omitted,
        }
    }

    /// Names what is gone without a record that says so. A part that ends early is a file of the archive: it was written with all
    /// of its records, so that none may lack its bytes, and what was erased since, the trail tells.
    fn untold(&mut self) {
        let part = self.until.is_some();
        if let Some(until) = self.until.filter(|until| *until != self.tree.size) {
            self.problem(None, format!("it is to end with record {until}"));
        }
        self.told_archived.sort_by_key(|segment| segment.first);
        let (told, archived) = (&self.told_erased, &self.told_archived);
        let told = |seq: &u64| told.contains(seq) || part && self.known_erased.contains(seq);
        let within = |seq: u64| {
            let at = archived.partition_point(|segment| segment.first <= seq);
            archived[..at].last().is_some_and(|segment| seq <= segment.last)
        };
        let erased = self.erased.each().filter(|seq| !told(seq)).map(|seq| (seq, "its payload is gone"));
        let gone = self.archived.each().filter(|seq| part || !within(*seq)).map(|seq| (seq, "it is gone"));
        let untold: Vec<_> = erased.chain(gone).collect();
        let why = if part { "no record of this part says why" } else { "no record says why" };
        for (seq, what) in untold {
            self.problem(Some(seq), format!("{what}, and {why}"));
        }
    }

    /// Verifies who signed the trail's own checkpoints. Returns how many records the largest of those covers that a trusted key
    /// has signed.
    async fn own_checkpoints(&mut self, trusted: &[VerifyKey]) -> u64 {
        let own = std::mem::take(&mut self.own);
        let keys: Arc<[VerifyKey]> = self.keys.iter().chain(trusted).cloned().collect();
        let trusted: Arc<[VerifyKey]> = trusted.into();
        let mut parts = own.chunks(SIGNATURES).map(<[_]>::to_vec);
        let (mut pool, mut covered, mut any) = (Pipeline::new(signatures), 0, false);
        loop {
            while pool.has_room()
                && let Some(notes) = parts.next()
            {
                pool.put((notes, keys.clone(), trusted.clone()));
            }
            let Ok(Some(judged)) = pool.next().await else { break };
            for (size, signed) in judged {
                any = true;
                match signed {
                    Ok(true) => covered = covered.max(size),
                    Ok(false) => {}
                    Err(error) => self.problem(None, format!("its own checkpoint of {size} records: {error}")),
                }
            }
        }
        if any && covered == 0 && !self.anchors.is_empty() {
            self.problem(None, "none of its own checkpoints is signed by a key that was given");
        }
        covered
    }

    /// Holds the trail against a checkpoint that was kept elsewhere.
    fn held(&mut self, place: String, note: &Note, checkpoint: &Checkpoint, trusted: &[VerifyKey]) -> Held {
        let Head { size, root } = checkpoint.head;
        let before = self.problems.len() + usize::try_from(self.omitted).unwrap_or(usize::MAX);
        if let Err(error) = note.verify(trusted) {
            self.problem(None, format!("the checkpoint of {size} records ({place}): {error}"));
        }
        match self.wanted.get(&size).copied().flatten() {
            Some(found) if found == root => {}
            Some(_) => {
                let what = format!("the first {size} records are not those of the checkpoint ({place})");
                self.problem(None, what);
            }
            None if size > self.tree.size => {
                let here = self.tree.size;
                self.problem(None, format!("a checkpoint covers {size} records ({place}), and there are only {here}"));
            }
            None => {
                let begin = self.begin;
                self.problem(
                    None,
                    format!("a checkpoint of {size} records ({place}) cannot be judged after record {begin}"),
                );
            }
        }
        let after = self.problems.len() + usize::try_from(self.omitted).unwrap_or(usize::MAX);
        Held { place, size, root, holds: before == after }
    }
}

type Signatures = (Vec<(u64, Note)>, Arc<[VerifyKey]>, Arc<[VerifyKey]>);

/// Tells of each note whether a trusted key is among those that signed it.
fn signatures((notes, keys, trusted): &Signatures) -> Vec<(u64, Result<bool, NoteError>)> {
    let judge = |(size, note): &(u64, Note)| {
        let signed = note.verify(keys.iter());
        (*size, signed.map(|signers| signers.iter().any(|signer| trusted.contains(signer))))
    };
    notes.iter().map(judge).collect()
}
