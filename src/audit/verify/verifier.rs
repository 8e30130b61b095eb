//! What records make together: one order without gaps, one tree, one line of keys, and the heads that checkpoints say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::{Checked, Payload};
use super::given::Given;
use super::pipeline::Pipeline;
use super::report::{Held, Problem, Report};
use crate::audit::body::TrailBody;
use crate::audit::export::Begin;
use crate::audit::tree::Tree;
use crate::audit::{Checkpoint, Head, Keys, Note, NoteError, Segment, VerifyKey};
use crate::model::Digest;

/// A trail that is damaged all over need not be listed all over.
const MOST_PROBLEMS: usize = 100;
/// So many signatures are verified at a time.
const SIGNATURES: usize = 256;

/// A checkpoint, and the note that says so.
type Noted = (Checkpoint, Note);

/// Holds record after record against what the trail promises.
pub(in crate::audit) struct Verifier {
    given: Vec<(String, Result<Noted, NoteError>)>,
    anchors: Vec<VerifyKey>,
    tree: Tree,
    /// How many records come before what is read: of these nothing is known but their tree.
    begin: u64,
    /// Where a part is meant to end.
    until: Option<u64>,
    /// The number of the last record.
    last: u64,
    erased: Ranges,
    archived: Ranges,
    /// What the records say was erased and archived.
    told_erased: BTreeSet<u64>,
    told_archived: Vec<Segment>,
    /// Sizes that were asked for.
    sizes: Vec<u64>,
    keys: Keys,
    /// Sizes whose roots are wanted, and the roots once they are known.
    wanted: BTreeMap<u64, Option<Digest>>,
    /// Checkpoints that the trail itself has, whose roots are right.
    own: Vec<(u64, Note)>,
    problems: Vec<Problem>,
    omitted: u64,
}

impl Verifier {
    pub(in crate::audit) fn new(given: &Given) -> Self {
        let read = |note: Result<Note, NoteError>| {
            let note = note?;
            Ok((Checkpoint::parse(&note)?, note))
        };
        let notes: Vec<_> = given.notes().into_iter().map(|(place, note)| (place, read(note))).collect();
        let wanted = notes.iter().filter_map(|(_, note)| note.as_ref().ok()).map(|(one, _)| (one.head.size, None));
        Self {
            wanted: wanted.chain(given.sizes.iter().map(|size| (*size, None))).collect(),
            sizes: given.sizes.clone(),
            given: notes,
            anchors: given.keys.clone(),
            tree: Tree::default(),
            begin: 0,
            until: None,
            last: 0,
            erased: Ranges::default(),
            archived: Ranges::default(),
            told_erased: BTreeSet::new(),
            told_archived: vec![],
            keys: Keys::default(),
            own: vec![],
            problems: vec![],
            omitted: 0,
        }
    }

    /// Takes note that what follows is a part of a trail.
    pub(in crate::audit) fn begin(&mut self, begin: Begin) {
        if self.tree.size > 0 || self.begin > 0 {
            self.problem(None, "it begins a second time");
            return;
        }
        self.until = begin.until;
        match Tree::from_peaks(begin.after, begin.peaks) {
            Some(tree) => (self.tree, self.begin, self.last) = (tree, begin.after, begin.after),
            None => self.problem(None, "the tree that it begins with makes no sense"),
        }
        self.note_root();
        for note in begin.keys {
            if let Err(why) = self.keys.add(&note) {
                self.problem(None, format!("a key that it begins with: {why}"));
            }
        }
    }

    /// Takes records in order, and the checkpoints of the trail itself that end among them, the smallest first.
    pub(super) fn records(&mut self, records: Vec<Checked>, own: Vec<(u64, String)>) {
        let mut own = own.into_iter().peekable();
        for record in records {
            let seq = record.seq;
            self.record(record);
            while let Some((_, text)) = own.next_if(|(size, _)| *size <= seq) {
                self.checkpoint(&text);
            }
        }
    }

    pub(in crate::audit) fn record(&mut self, record: Checked) {
        let (seq, hash) = (record.seq, record.hash());
        for what in record.problems() {
            self.problem(Some(seq), what.clone());
        }
        if seq <= self.last {
            self.problem(Some(seq), format!("it comes after number {}", self.last));
        } else if seq > self.last + 1 {
            let (first, last) = (self.last + 1, seq - 1);
            let what = if first == last { "it is missing".to_owned() } else { format!("missing, up to number {last}") };
            self.problem(Some(first), what);
        }
        self.last = self.last.max(seq);
        match record.payload {
            Payload::There => {}
            Payload::Erased => self.erased.add(seq),
            Payload::Archived => self.archived.add(seq),
        }
        if let Some(body) = record.trail {
            self.told(seq, body);
        }
        self.tree.push(hash);
        self.note_root();
    }

    fn note_root(&mut self) {
        if let Some(root) = self.wanted.get_mut(&self.tree.size) {
            *root = Some(self.tree.root());
        }
    }

    /// Takes what a record says of the trail itself.
    fn told(&mut self, seq: u64, body: TrailBody) {
        match body {
            TrailBody::Key { statement, .. } => match self.keys.add(&statement) {
                Ok(statement) if statement.head != self.tree.head() => {
                    self.problem(Some(seq), "the key that it introduces was introduced elsewhere");
                }
                Ok(_) => {}
                Err(why) => self.problem(Some(seq), format!("the key that it introduces: {why}")),
            },
            TrailBody::Archived { first, last, file } => self.told_archived.push(Segment { first, last, file }),
            TrailBody::Erased { record, .. } => {
                self.told_erased.insert(record);
            }
        }
    }

    /// Takes a checkpoint of the trail itself, which is to be of just what was read so far.
    pub(in crate::audit) fn checkpoint(&mut self, text: &str) {
        let size = self.tree.size;
        let read = Note::parse(text).and_then(|note| Ok((Checkpoint::parse(&note)?, note)));
        match read {
            Ok((checkpoint, note)) if checkpoint.head == self.tree.head() => self.own.push((size, note)),
            Ok((checkpoint, _)) => {
                let size = checkpoint.head.size;
                self.problem(
                    None,
                    format!("its own checkpoint of {size} records is not of the records that are there"),
                );
            }
            Err(error) => self.problem(None, format!("its own checkpoint after {size} records: {error}")),
        }
    }

    pub(in crate::audit) fn problem(&mut self, seq: Option<u64>, what: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { seq, what: what.into() });
        } else {
            self.omitted += 1;
        }
    }

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

    /// Names what is gone without a record that says so. What a part that ends early may say later is not known.
    fn untold(&mut self) {
        if let Some(until) = self.until {
            if until != self.tree.size {
                self.problem(None, format!("it is to end with record {until}"));
            }
            return;
        }
        self.told_archived.sort_by_key(|segment| segment.first);
        let (told, archived) = (&self.told_erased, &self.told_archived);
        let within = |seq: u64| {
            let at = archived.partition_point(|segment| segment.first <= seq);
            archived[..at].last().is_some_and(|segment| seq <= segment.last)
        };
        let erased = self.erased.each().filter(|seq| !told.contains(seq)).map(|seq| (seq, "its payload is gone"));
        let gone = self.archived.each().filter(|seq| !within(*seq)).map(|seq| (seq, "it is gone"));
        let untold: Vec<_> = erased.chain(gone).collect();
        for (seq, what) in untold {
            self.problem(Some(seq), format!("{what}, and no record says why"));
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

/// Numbers, most of which follow each other.
#[derive(Default)]
struct Ranges {
    ranges: Vec<(u64, u64)>,
    count: u64,
}

impl Ranges {
    fn add(&mut self, number: u64) {
        self.count += 1;
        match self.ranges.last_mut() {
            Some((_, last)) if number == *last + 1 => *last = number,
            _ => self.ranges.push((number, number)),
        }
    }

    fn each(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges.iter().flat_map(|(first, last)| *first..=*last)
    }
}
