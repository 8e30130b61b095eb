use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::audit::{Head, Segment};
use crate::model::Digest;

/// What a check of the whole trail found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// How many records come before the first one that was read, where it is a part.
    pub begin: u64,
    /// How many records there are, with those.
    pub size: u64,
    /// The root over what was read.
    pub root: Digest,
    /// The records whose payloads are erased. That is no damage where it is on the record.
    pub erased: Vec<u64>,
    /// The records whose payloads were erased, as records tell.
    pub erasures: Vec<u64>,
    /// How many records lie in the archive, on the record: here only their hashes were looked at.
    pub archived: u64,
    /// What lies in the archive, as records tell.
    pub segments: Vec<Segment>,
    /// The roots at the sizes that were asked for, as far as they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<Head>,
    /// How many records from the first on a checkpoint covers, by a key that is trusted here: what lies after them is not
    /// promised.
    pub covered: u64,
    /// The keys that are trusted.
    pub keys: Vec<String>,
    /// Whether the keys were given. Else they are those that the trail itself names, and nobody vouches for them.
    pub vouched: bool,
    /// Each checkpoint that was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<Held>,
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub omitted: u64,
}

/// A checkpoint that the trail was held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    pub place: String,
    pub size: u64,
    pub root: Digest,
    /// The first `size` records are those that it covers, and a key that is trusted has signed it.
    pub holds: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TrailProblem")]
pub struct Problem {
    /// The record's number; `None` where the trail as a whole is meant.
    pub seq: Option<u64>,
    pub what: String,
}

impl Report {
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }

    /// Joins what the same trail was found to be beside two parts of what was given.
    #[must_use]
    pub fn and(mut self, mut later: Self) -> Self {
        self.checkpoints.append(&mut later.checkpoints);
        self.problems.retain(|problem| !later.problems.contains(problem));
        self.problems.append(&mut later.problems);
        let (covered, omitted) = (self.covered.max(later.covered), self.omitted.max(later.omitted));
        Self { checkpoints: self.checkpoints, problems: self.problems, covered, omitted, ..later }
    }
}
