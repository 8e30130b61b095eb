//! One poll's conversation: find the ref, fetch what is new, deepen until relations are known.

use std::sync::Arc;

use gix::ObjectId;

use super::budget::Budget;
use super::followed::qualified;
use super::git::{Inner, has_commit, id_of, noted};
use super::mirror::Generation;
use super::objects::Objects;
use super::remote::{Remote, Wants, absent};
use super::{Relation, SourceError, SourceErrorKind, connect, disk, pack};
use crate::model::Revision;

/// With so many packs, the next news are fetched as one, beside.
const PACKS: usize = 20;

/// How far history is fetched, step by step, to find how two commits relate. The last is git's word for all of it.
const DEPTHS: [u32; 4] = [50, 500, 5_000, 0x7fff_ffff];

pub(super) struct Session<'a> {
    source: &'a Inner,
    budget: Arc<Budget>,
    remote: Option<Remote>,
    names: Vec<String>,
}

impl<'a> Session<'a> {
    pub(super) fn new(source: &'a Inner, budget: Arc<Budget>) -> Self {
        Self { source, budget, remote: None, names: Vec::new() }
    }

    fn remote(&mut self) -> Result<&mut Remote, SourceError> {
        let remote = if let Some(remote) = self.remote.take() {
            remote
        } else {
            let connection = connect::open(&self.source.declared, &self.source.address, &self.budget)?;
            Remote::greet(connection, Arc::clone(&self.budget), &self.names)?
        };
        Ok(self.remote.insert(remote))
    }

    /// Lets the connection say what it knows of an error, and ends it.
    fn explained(&mut self, error: SourceError) -> SourceError {
        match self.remote.take() {
            Some(mut remote) => remote.connection.explain(error),
            None => error,
        }
    }

    /// Returns what the ref points to on the server.
    pub(super) fn find(&mut self, reference: &str) -> Result<ObjectId, SourceError> {
        self.names = vec![reference.into()];
        let names = self.names.clone();
        let found = self.remote()?.find(&names).map_err(|error| self.explained(error))?;
        match found.get(reference) {
            Some(id) => Ok(*id),
            None => Err(absent(self.remote()?, reference)),
        }
    }

    /// Returns what a branch or tag points to and the commit that it stands for, fetched; `None` where there is neither.
    pub(super) fn named(&mut self, name: &str) -> Result<Option<(ObjectId, ObjectId)>, SourceError> {
        let candidates = match name.strip_prefix("refs/") {
            Some(rest) => vec![qualified("refs/", rest)?],
            None => ["refs/heads/", "refs/tags/"].iter().flat_map(|prefix| qualified(prefix, name)).collect(),
        };
        if candidates.is_empty() {
            return Ok(None);
        }
        self.names.clone_from(&candidates);
        let found = self.remote()?.find(&candidates).map_err(|error| self.explained(error))?;
        let (reference, id) = match found.iter().collect::<Vec<_>>()[..] {
            [] => return Ok(None),
            [(reference, id)] => (reference.clone(), *id),
            _ => {
                let message = format!("{name} is both a branch and a tag: say refs/heads/{name} or refs/tags/{name}");
                return Err(SourceError::new(SourceErrorKind::RefMissing, message));
            }
        };
        let (generation, fresh) = self.place()?;
        if !has_object(&generation, &id) {
            let depth = generation.head().is_none().then_some(1);
            self.fetch(&generation, vec![id], depth)?;
        }
        self.keep(&generation, fresh)?;
        let commit = Objects::new(&generation.store()?).peel(id, reference.strip_prefix("refs/tags/"));
        commit.map(|commit| Some((id, commit))).map_err(|error| noted(&generation, error))
    }

    /// Fetches one commit by its id.
    pub(super) fn pin(&mut self, id: ObjectId) -> Result<Arc<Generation>, SourceError> {
        let (generation, fresh) = self.place()?;
        if !has_commit(&generation, &id) {
            self.fetch_alone(&generation, id)?;
            self.keep(&generation, fresh)?;
            Objects::new(&generation.store()?).commit(&id).map_err(|error| noted(&generation, error))?;
        }
        Ok(generation)
    }

    /// Returns a mirror to fetch into beside what is followed, and whether it is a fresh one.
    fn place(&self) -> Result<(Arc<Generation>, bool), SourceError> {
        match self.source.usable() {
            Some(generation) => Ok((generation, false)),
            None => Ok((self.source.mirror.fresh()?, true)),
        }
    }

    fn keep(&self, generation: &Arc<Generation>, fresh: bool) -> Result<(), SourceError> {
        if fresh {
            self.source.mirror.take_into_use(Arc::clone(generation))?;
            self.source.seen().head = None;
        }
        Ok(())
    }

    /// Fetches a commit whose history is of no interest, where part of the history is all there is anyway.
    fn fetch_alone(&mut self, generation: &Generation, id: ObjectId) -> Result<(), SourceError> {
        let partial = generation.head().is_none() || !generation.shallow()?.is_empty();
        self.fetch(generation, vec![id], partial.then_some(1))
    }

    /// Brings the mirror to where the followed ref is now, and returns the commit.
    pub(super) fn follow(
        &mut self,
        id: ObjectId,
        generation: Option<Arc<Generation>>,
        applied: &[Revision],
    ) -> Result<ObjectId, SourceError> {
        let kept = generation.filter(|generation| generation.head().is_some() && !self.is_full(generation));
        let (generation, fresh) = match kept {
            Some(generation) => (generation, false),
            None => (self.source.mirror.fresh()?, true),
        };
        if fresh {
            self.fetch(&generation, vec![id], Some(1))?;
        } else if !has_object(&generation, &id) {
            self.fetch(&generation, vec![id], None)?;
        }
        let commit = Objects::new(&generation.store()?).peel(id, self.source.followed.tag());
        let commit = commit.map_err(|error| noted(&generation, error))?;
        // A head is only a head with its tree.
        let root = Objects::new(&generation.store()?).commit(&commit)?.tree_id();
        let broken = |error| super::objects::corrupt(&commit, "is a commit without a tree").because(error);
        let root = root.map_err(broken)?;
        if Objects::new(&generation.store()?).header(&root)?.is_none() {
            return Err(noted(&generation, super::objects::corrupt(&root, "is missing")));
        }
        self.relate(&generation, commit, applied)?;
        generation.set_head(&id)?;
        if fresh {
            self.source.mirror.take_into_use(generation)?;
        }
        let mut seen = self.source.seen();
        seen.head = Some((id, commit));
        seen.related = applied.iter().cloned().collect();
        Ok(commit)
    }

    /// Fetches history until it is known how `head` stands to each of `applied`, or there is no more to be had.
    pub(super) fn relate(
        &mut self,
        generation: &Generation,
        head: ObjectId,
        applied: &[Revision],
    ) -> Result<(), SourceError> {
        let mut open: Vec<_> = applied.iter().filter_map(|one| id_of(one).ok()).collect();
        let mut depths = DEPTHS.iter();
        loop {
            let mut objects = Objects::new(&generation.store()?);
            let mut unknown = Vec::new();
            for id in open {
                let relation = objects.relation(&id, &head).map_err(|error| noted(generation, error))?;
                if relation == Relation::Unknown {
                    unknown.push(id);
                }
            }
            open = unknown;
            let missing: Vec<_> = open.iter().filter(|id| !has_commit(generation, id)).copied().collect();
            for id in missing {
                // A server that has not got it cannot have it among the ancestors of anything, unless it is an old one that
                // gives only what a ref points to.
                if !self.want(generation, id)? && !self.remote()?.is_old() {
                    open.retain(|one| *one != id);
                }
            }
            let Some(depth) = depths.next().filter(|_| !open.is_empty()) else { return Ok(()) };
            if generation.shallow()?.is_empty() || !self.deepen(generation, head, &open, *depth)? {
                return Ok(());
            }
        }
    }

    /// Fetches more of the history behind two commits, the more the higher `step`. Returns whether there was more to ask for.
    pub(super) fn further(
        &mut self,
        generation: &Generation,
        head: ObjectId,
        other: ObjectId,
        step: usize,
    ) -> Result<bool, SourceError> {
        let Some(depth) = DEPTHS.get(step) else { return Ok(false) };
        if generation.shallow()?.is_empty() {
            return Ok(false);
        }
        self.deepen(generation, head, &[other], *depth)
    }

    /// Fetches an applied commit. Returns whether the server has it.
    fn want(&mut self, generation: &Generation, id: ObjectId) -> Result<bool, SourceError> {
        match self.fetch_alone(generation, id) {
            Ok(()) => Ok(true),
            Err(error) if error.kind == SourceErrorKind::RevisionMissing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fetches more of the history. Returns whether there is room for it.
    fn deepen(
        &mut self,
        generation: &Generation,
        head: ObjectId,
        others: &[ObjectId],
        depth: u32,
    ) -> Result<bool, SourceError> {
        let known = others.iter().filter(|id| has_commit(generation, id)).copied();
        let wants = std::iter::once(head).chain(known).collect();
        match self.fetch(generation, wants, Some(depth)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind == SourceErrorKind::TooLarge => {
                tracing::warn!(repository = %self.source.address, "history is too large to tell how revisions relate");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Fetches `wants` into the mirror.
    fn fetch(&mut self, generation: &Generation, wants: Vec<ObjectId>, depth: Option<u32>) -> Result<(), SourceError> {
        self.check_room(generation)?;
        let haves = generation.head().filter(|id| has_object(generation, id)).into_iter().collect();
        let shallow = generation.shallow()?.into_iter().collect();
        let asked = Wants { ids: wants, haves, shallow, depth };
        let budget = Arc::clone(&self.budget);
        let remote = self.remote()?;
        let fetched = remote.fetch(&asked, |stream| pack::take(stream, generation, &budget));
        let old = remote.is_old();
        match fetched {
            Ok(((), boundary)) => {
                if old {
                    // Such a server hangs up after one answer.
                    self.remote = None;
                }
                generation.move_boundary(&boundary)
            }
            Err(error) => Err(self.explained(error)),
        }
    }

    /// Tells whether the next news are better fetched anew, beside: without them, a mirror would grow to its limit and stay
    /// there.
    fn is_full(&self, generation: &Generation) -> bool {
        let limit = self.source.declared.limits.mirror_mib.saturating_mul(1024 * 1024);
        generation.count_packs() >= PACKS || disk::size(&generation.packs()).is_ok_and(|size| size > limit / 4 * 3)
    }

    fn check_room(&self, generation: &Generation) -> Result<(), SourceError> {
        let failed = |error| SourceError::mirror("could not measure the mirror", error);
        let size = disk::size(&generation.packs()).map_err(failed)?;
        let limit = self.source.declared.limits.mirror_mib;
        self.budget.already(size);
        if size < limit.saturating_mul(1024 * 1024) {
            return Ok(());
        }
        let message = format!("the mirror has its {limit} MiB; raise `limits.mirrorMib` if that is right");
        Err(SourceError::new(SourceErrorKind::TooLarge, message))
    }
}

fn has_object(generation: &Generation, id: &ObjectId) -> bool {
    generation.store().is_ok_and(|store| Objects::new(&store).header(id).is_ok_and(|found| found.is_some()))
}
