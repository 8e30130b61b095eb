//! What records make together: one order without gaps, one tree, one line of keys, and the heads that checkpoints say.

mod finish;

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Checked, Payload};
use super::given::Given;
use super::report::Problem;
use crate::audit::body::TrailBody;
use crate::audit::export::Begin;
use crate::audit::tree::Tree;
use crate::audit::{Checkpoint, Keys, Note, NoteError, Segment, VerifyKey};
use crate::model::Digest;

/// A trail that is damaged all over need not be listed all over.
const MOST_PROBLEMS: usize = 100;

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
    /// What the trail that the part is of says was erased.
    known_erased: BTreeSet<u64>,
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
            known_erased: given.erasures.iter().copied().collect(),
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
