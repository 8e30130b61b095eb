//! Which commits lie between two revisions.

use std::collections::HashSet;

use gix::ObjectId;

use super::SourceError;
use super::objects::Objects;
use crate::config::VerifyPolicy;

/// No more are judged at once.
pub(super) const COMMITS: usize = 100_000;

pub(super) enum Range {
    /// Newest first, without the tip.
    Whole(Vec<ObjectId>),
    /// The history at hand ends before that is known.
    Missing,
    TooLong,
}

/// Returns the commits behind `tip` that are neither `from` nor behind it: all of them, or those along first parents.
///
/// Only what commits say of their parents counts, so that each answer rests on object ids: a commit that is passed over is one
/// that `from` leads to.
pub(super) fn behind(
    objects: &mut Objects,
    tip: ObjectId,
    from: ObjectId,
    policy: VerifyPolicy,
) -> Result<Range, SourceError> {
    if tip == from {
        return Ok(Range::Whole(vec![]));
    }
    // Nearly always there is one straight line, and what lies behind its end is of no interest.
    if let Some(line) = line(objects, tip, from, policy)? {
        return Ok(Range::Whole(line));
    }
    let (past, whole) = past(objects, from)?;
    let (mut found, mut seen, mut queue) = (Vec::new(), HashSet::from([tip]), vec![tip]);
    while let Some(id) = queue.pop() {
        // A commit that is not known to lie behind `from` may do so all the same, where that history is not at hand.
        if objects.header(&id)?.is_none() {
            return Ok(Range::Missing);
        }
        for parent in parents(objects, &id, policy)? {
            if !past.contains(&parent) && seen.insert(parent) {
                found.push(parent);
                queue.push(parent);
            }
        }
        if found.len() > COMMITS {
            return Ok(if whole { Range::TooLong } else { Range::Missing });
        }
    }
    Ok(if whole || found.is_empty() { Range::Whole(found) } else { Range::Missing })
}

/// Returns the commits between, where each that is looked at has but one parent (or one that counts).
fn line(
    objects: &mut Objects,
    tip: ObjectId,
    from: ObjectId,
    policy: VerifyPolicy,
) -> Result<Option<Vec<ObjectId>>, SourceError> {
    let (mut between, mut at) = (Vec::new(), tip);
    while between.len() <= COMMITS && objects.header(&at)?.is_some() {
        let [parent] = parents(objects, &at, policy)?[..] else { return Ok(None) };
        if parent == from {
            return Ok(Some(between));
        }
        between.push(parent);
        at = parent;
    }
    Ok(None)
}

/// Returns `from` and what lies behind it, as far as it is at hand, and whether that is all of it.
fn past(objects: &mut Objects, from: ObjectId) -> Result<(HashSet<ObjectId>, bool), SourceError> {
    let (mut past, mut queue, mut whole) = (HashSet::from([from]), vec![from], true);
    while let Some(id) = queue.pop() {
        if past.len() > 2 * COMMITS || objects.header(&id)?.is_none() {
            whole = false;
            continue;
        }
        let parents = parents(objects, &id, VerifyPolicy::Range)?;
        queue.extend(parents.into_iter().filter(|parent| past.insert(*parent)));
    }
    Ok((past, whole))
}

fn parents(objects: &mut Objects, id: &ObjectId, policy: VerifyPolicy) -> Result<Vec<ObjectId>, SourceError> {
    let all = objects.commit(id)?.parent_ids();
    Ok(if policy == VerifyPolicy::FirstParent { all.take(1).collect() } else { all.collect() })
}
