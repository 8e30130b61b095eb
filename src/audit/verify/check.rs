//! What can be said of one record by itself.

use super::page::{Filed, Page};
use crate::audit::body::TrailBody;
use crate::audit::export::Line;
use crate::audit::leaf::{Leaf, VERSION, commitment};
use crate::audit::tree::leaf_hash;
use crate::audit::{Body, Kind};
use crate::model::{Digest, Name};
use crate::store::StoreError;

/// A record that was looked at.
pub(in crate::audit) struct Checked {
    pub(in crate::audit) seq: u64,
    hash: Digest,
    pub(super) payload: Payload,
    /// What it says of the trail itself.
    pub(super) trail: Option<TrailBody>,
    problems: Vec<String>,
}

impl Checked {
    pub(in crate::audit) const fn hash(&self) -> Digest {
        self.hash
    }

    pub(in crate::audit) fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// What is left of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    There,
    Erased,
    /// Its bytes lie in the archive as well.
    Archived,
}

/// Judges records of the store. The columns beside the bytes are what lists are made by: they must not say anything else.
pub(super) fn page(page: &Page) -> Result<Vec<Checked>, StoreError> {
    Ok(page.records()?.iter().map(filed).collect())
}

fn filed(filed: &Filed) -> Checked {
    let (mut checked, leaf) = judge(&filed.line);
    if !filed.is_text {
        checked.problems.push("it is filed under bytes that no word finds".into());
    }
    if filed.hash != Some(checked.hash) {
        checked.problems.push("it is not what its hash was made of".into());
    }
    if checked.payload == Payload::Archived
        && (filed.kind.as_str(), &filed.application, &filed.sync) != ("", &None, &None)
    {
        checked.problems.push("it is filed though it lies in the archive".into());
    }
    if let Some(leaf) = leaf {
        let kind = filed.kind == leaf.kind.as_str();
        let application = filed.application.as_deref() == leaf.application.as_ref().map(Name::as_str);
        let sync = filed.sync.as_deref() == leaf.sync.as_ref().map(|sync| &*sync.0);
        if !(kind && application && sync) {
            checked.problems.push("it is filed under what it does not say".into());
        }
    }
    checked
}

/// Judges a line of an export.
pub(in crate::audit) fn line(line: &Line) -> Checked {
    judge(line).0
}

fn judge(line: &Line) -> (Checked, Option<Leaf>) {
    let mut checked =
        Checked { seq: line.seq, hash: Digest::ABSENT, payload: Payload::There, trail: None, problems: vec![] };
    if line.bytes.is_empty() && line.salt.is_none() && line.payload.is_none() {
        // Whether it may be gone is for the records to say.
        checked.payload = Payload::Archived;
        match line.hash {
            Some(hash) => checked.hash = hash,
            None => checked.problems.push("it is gone, and so is its hash".into()),
        }
        return (checked, None);
    }
    checked.hash = leaf_hash(line.bytes.as_bytes());
    if line.hash.is_some() {
        checked.problems.push("a hash stands beside what it is made of".into());
    }
    let leaf = match serde_json::from_str::<Leaf>(&line.bytes) {
        Ok(leaf) if leaf.v == VERSION => leaf,
        Ok(leaf) => {
            checked.problems.push(format!("its version {} is not known here", leaf.v));
            return (checked, None);
        }
        Err(_) => {
            checked.problems.push("it is no record".into());
            return (checked, None);
        }
    };
    if leaf.seq != line.seq {
        checked.problems.push(format!("it was written as number {}", leaf.seq));
    }
    match (&line.salt, &line.payload) {
        (Some(salt), Some(payload)) if commitment(salt, payload) == leaf.payload => {
            if leaf.kind == Kind::Trail {
                match serde_json::from_str(payload) {
                    Ok(Body::Trail(body)) => checked.trail = Some(body),
                    _ => checked.problems.push("what it says of the trail cannot be read".into()),
                }
            }
        }
        (None, None) => {
            checked.payload = Payload::Erased;
            if leaf.kind == Kind::Trail {
                checked.problems.push("what it says of the trail is gone, which is never erased".into());
            }
        }
        _ => checked.problems.push("its payload is not the one that was written".into()),
    }
    (checked, Some(leaf))
}
