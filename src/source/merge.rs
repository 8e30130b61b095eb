//! What merging one revision into another would give: a tree that no commit has, kept in memory.
//!
//! Three ways, as git merges: gix does it, over the objects of the mirror; what it makes is written nowhere.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gix::ObjectId;
use gix::merge::blob::builtin_driver::text::Labels;
use gix::merge::tree::TreatAsUnresolved;
use gix::objs::Kind;
use tokio::runtime::Handle;

use super::error::harmless;
use super::git::{Inner, id_of, noted};
use super::mirror::Generation;
use super::objects::{Objects, corrupt};
use super::tree::GitTree;
use super::{Merge, SourceError, SourceErrorKind, Tree};
use crate::config::VerifyPolicy;
use crate::model::Revision;

/// So many conflicts are named.
const MOST_NAMED: usize = 20;

/// Histories that part at more commits are not followed: each may be a walk through all of history for each other.
const MOST_EDGES: usize = 64;

/// No further walk begins after this.
const LONGEST: Duration = Duration::from_secs(10);

/// Objects that are in no repository, by their ids.
pub(super) type Made = HashMap<ObjectId, (Kind, Vec<u8>)>;

impl Inner {
    /// Merges `head` into `base`, both of which were fetched.
    pub(super) fn merge(&self, runtime: &Handle, base: &Revision, head: &Revision) -> Result<Merge, SourceError> {
        let (ours, theirs) = (id_of(base)?, id_of(head)?);
        self.ensure(runtime.clone(), &ours)?;
        let generation = self.ensure(runtime.clone(), &theirs)?;
        // Fetches history until all is known that the one has and the other has not.
        let behind = self.behind(runtime, &generation, theirs, ours, VerifyPolicy::Range)?;
        let behind = behind.map_err(|why| SourceError::new(SourceErrorKind::RevisionMissing, why))?;
        let mut objects = Objects::new(&generation.store()?);
        let meets = meets(&mut objects, (ours, theirs), &behind).map_err(|error| noted(&generation, error))?;
        let Some(meets) = meets else { return Ok(Merge::Tangled) };
        let root = |objects: &mut Objects, id: &ObjectId| {
            let odd = |error| corrupt(id, "is a commit without a tree").because(error);
            objects.commit(id)?.tree_id().map_err(odd)
        };
        let (mine, other) = (root(&mut objects, &ours)?, root(&mut objects, &theirs)?);
        let (root, made) = match meets.as_slice() {
            // It brings nothing, or all that there is and more.
            [Meets::Contained] => (mine, Made::new()),
            [Meets::At(at)] if *at == ours => (other, Made::new()),
            [Meets::At(at)] => {
                let trunk = root(&mut objects, at)?;
                drop(objects);
                match merged(&generation, trunk, mine, other)? {
                    Ok(merged) => merged,
                    Err(conflicts) => return Ok(Merge::Conflict(conflicts)),
                }
            }
            [] => return Ok(Merge::Unrelated),
            _ => return Ok(Merge::Crossed),
        };
        let (limits, ids) = (self.declared.limits.clone(), Mutex::default());
        let made = Arc::new(made);
        Ok(Merge::Clean(
            Arc::new(GitTree { revision: head.clone(), root, generation, limits, made, ids }) as Arc<dyn Tree>
        ))
    }
}

/// Where two histories meet.
#[derive(PartialEq, Eq)]
enum Meets {
    /// The one has all of the other.
    Contained,
    At(ObjectId),
}

/// Returns the best common ancestors: those parents of what only `theirs` has that `ours` has too, and no other of them leads to.
/// `None` where there are too many, or it takes too long.
fn meets(
    objects: &mut Objects,
    (ours, theirs): (ObjectId, ObjectId),
    behind: &[ObjectId],
) -> Result<Option<Vec<Meets>>, SourceError> {
    let until = Instant::now() + LONGEST;
    if objects.reaches(&ours, &theirs)? == Some(true) || ours == theirs {
        return Ok(Some(vec![Meets::Contained]));
    }
    let new: HashSet<_> = behind.iter().copied().chain([theirs]).collect();
    let mut edges = vec![];
    for id in &new {
        for parent in objects.commit(id)?.parent_ids() {
            if !new.contains(&parent) && !edges.contains(&parent) {
                edges.push(parent);
            }
        }
        if edges.len() > MOST_EDGES {
            return Ok(None);
        }
    }
    let mut best = vec![];
    for edge in &edges {
        let mut behind_another = false;
        for other in edges.iter().filter(|other| *other != edge) {
            if Instant::now() >= until {
                return Ok(None);
            }
            behind_another |= objects.reaches(other, edge)? == Some(true);
        }
        if !behind_another {
            best.push(Meets::At(*edge));
        }
    }
    Ok(Some(best))
}

/// Merges trees. Returns the new root, with all objects that are not in the mirror, or the paths at which they conflict.
fn merged(
    generation: &Generation,
    trunk: ObjectId,
    ours: ObjectId,
    theirs: ObjectId,
) -> Result<Result<(ObjectId, Made), Vec<String>>, SourceError> {
    let failed =
        |error: gix::Error| SourceError::new(SourceErrorKind::Mirror, "could not merge the trees").because(error);
    // Nothing of the machine's or anybody's configuration of git has a say, so that no driver and no filter is ever run.
    let options = gix::open::Options::isolated().open_path_as_is(true);
    let repository = options.open(&generation.path).map_err(failed)?.to_thread_local();
    let mut repository = repository.with_object_memory();
    let done = {
        let options = repository.tree_merge_options().map_err(failed)?;
        let mut outcome = repository.merge_trees(trunk, ours, theirs, Labels::default(), options).map_err(failed)?;
        let conflicts = outcome.conflicts.iter().filter(|one| one.is_unresolved(TreatAsUnresolved::git()));
        let conflicts: Vec<_> =
            conflicts.take(MOST_NAMED).map(|one| harmless(one.changes_in_resolution().0.location())).collect();
        if conflicts.is_empty() { Ok(outcome.tree.write().map_err(failed)?.detach()) } else { Err(conflicts) }
    };
    let made = repository.objects.take_object_memory().unwrap_or_default();
    Ok(done.map(|root| (root, made.iter().map(|(id, object)| (*id, object.clone())).collect())))
}
