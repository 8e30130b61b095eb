//! The source that asks a real repository.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gix::ObjectId;
use tokio::runtime::Handle;

use super::budget::Budget;
use super::fetch::Session;
use super::followed::Followed;
use super::mirror::{Generation, Mirror};
use super::objects::Objects;
use super::tree::GitTree;
use super::verify::Judge;
use super::{
    Commit, Head, Merge, Relation, SignedBy, Source, SourceError, SourceErrorKind, Tree, address, author, connect,
};
use crate::config::{Repository, RepositoryUrl, Transport, VerifyPolicy};
use crate::model::{Revision, Time};

/// Who wrote more commits than this at once is not told.
const MOST_NEWS: usize = 10_000;

/// A declared repository, its mirror, and what of it was seen.
///
/// # Guarantees
/// Nothing that the server says is believed before it was checked against an object id; a poll without news writes nothing.
/// Cloning is cheap, and the clones are one source.
#[derive(Clone)]
pub struct GitSource {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) declared: Repository,
    pub(super) address: RepositoryUrl,
    pub(super) followed: Followed,
    pub(super) mirror: Mirror,
    /// Where signatures are asked for.
    pub(super) judge: Option<Judge>,
    /// One conversation with the server at a time.
    turn: Mutex<()>,
    pub(super) seen: Mutex<Seen>,
}

/// What the last conversation told.
#[derive(Default)]
pub(super) struct Seen {
    /// What the followed ref points to, and the commit that it stands for. Both are in the mirror.
    pub(super) head: Option<(ObjectId, ObjectId)>,
    /// Applied revisions whose relation to the head was looked for, with whatever success.
    pub(super) related: HashSet<Revision>,
}

impl GitSource {
    /// Opens the source of a declared repository. Its mirror lives in `folder`; what a crash left there is removed. Nothing is
    /// asked of the server yet.
    ///
    /// # Errors
    /// `Transport` for a URL that is refused or not among `transports`, `Mirror` for a folder that cannot be used.
    pub fn new(declared: &Repository, transports: &[Transport], folder: PathBuf) -> Result<Self, SourceError> {
        let address = address::of(declared)?;
        connect::check(declared, &address, transports)?;
        let followed = Followed::of(declared)?;
        // Objects outside of every application come along too, so a little more than one file may have.
        let mib = declared.limits.file_mib.saturating_mul(2).clamp(96, 4096);
        let alloc = usize::try_from(mib * 1024 * 1024).unwrap_or(usize::MAX);
        let mirror = Mirror::open(folder, alloc)?;
        let (turn, seen) = (Mutex::new(()), Mutex::default());
        let judge = declared.verify.as_ref().map(Judge::new);
        let declared = declared.clone();
        Ok(Self { inner: Arc::new(Inner { declared, address, followed, mirror, judge, turn, seen }) })
    }

    /// Runs `act` where it may block, and tells what it was for if it fails.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        what: String,
        act: impl FnOnce(&Inner, Handle) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (inner, runtime) = (Arc::clone(&self.inner), Handle::current());
        let done = tokio::task::spawn_blocking(move || {
            let address = inner.address.to_string();
            act(&inner, runtime).map_err(|error| error.while_doing(format!("could not {what} of {address}")))
        });
        let broken = |error| SourceError::new(SourceErrorKind::Mirror, "could not finish reading Git").because(error);
        done.await.map_err(|error: tokio::task::JoinError| broken(error))?
    }
}

#[async_trait]
impl Source for GitSource {
    async fn poll(&self, applied: &[Revision]) -> Result<Head, SourceError> {
        let applied = applied.to_vec();
        let what = format!("poll {}", self.inner.followed.reference());
        self.blocking(what, move |inner, runtime| inner.poll(runtime, &applied)).await
    }

    async fn resolve(&self, name: &str) -> Result<Head, SourceError> {
        let name = name.to_owned();
        let what = format!("find {:?}", super::error::harmless(name.as_bytes()));
        self.blocking(what, move |inner, runtime| inner.resolve(runtime, &name)).await
    }

    async fn verify(
        &self,
        head: &Head,
        applied: Option<&Revision>,
        now: Time,
    ) -> Result<Option<SignedBy>, SourceError> {
        if self.inner.judge.is_none() {
            return Ok(None);
        }
        let (head, applied) = (head.clone(), applied.cloned());
        let what = format!("verify {}", head.revision.short());
        self.blocking(what, move |inner, runtime| inner.verify(&runtime, &head, applied.as_ref(), now)).await
    }

    async fn relation(&self, from: &Revision, to: &Revision) -> Result<Relation, SourceError> {
        let (from, to) = (id_of(from)?, id_of(to)?);
        self.blocking("compare revisions".into(), move |inner, _| inner.objects()?.relation(&from, &to)).await
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn Tree>, SourceError> {
        let revision = revision.clone();
        self.blocking(format!("read {}", revision.short()), move |inner, runtime| inner.tree(runtime, revision)).await
    }

    async fn commit(&self, revision: &Revision) -> Result<Commit, SourceError> {
        let id = id_of(revision)?;
        let read = move |inner: &Inner, runtime| {
            let generation = inner.ensure(runtime, &id)?;
            let mut objects = Objects::new(&generation.store()?);
            told(&mut objects, &id).map_err(|error| noted(&generation, error))
        };
        self.blocking(format!("read {}", revision.short()), read).await
    }

    async fn news(
        &self,
        from: Option<&Revision>,
        to: &Revision,
        now: Time,
    ) -> Result<Option<Vec<Commit>>, SourceError> {
        let (from, to) = (from.map(id_of).transpose()?, id_of(to)?);
        let what = format!("read the commits up to {to}");
        self.blocking(what, move |inner, runtime| inner.news(&runtime, from, to, now)).await
    }

    async fn merge(&self, base: &Revision, head: &Revision) -> Result<Merge, SourceError> {
        let (base, head) = (base.clone(), head.clone());
        let what = format!("merge {} into {}", head.short(), base.short());
        self.blocking(what, move |inner, runtime| inner.merge(&runtime, &base, &head)).await
    }
}

impl Inner {
    /// Returns where the followed ref is, having fetched what is new.
    fn poll(&self, runtime: Handle, applied: &[Revision]) -> Result<Head, SourceError> {
        let _turn = self.turn();
        let mut session = Session::new(self, self.budget(runtime));
        let id = match &self.followed {
            Followed::Commit(id) => *id,
            Followed::Branch(name) | Followed::Tag(name) => session.find(name)?,
        };
        let known = self.known_head(id, self.usable().as_deref());
        // Looking may have shown that it is damaged.
        let generation = self.usable();
        let commit = match (known, &generation) {
            (Some(commit), Some(generation)) => {
                let news: Vec<_> = applied.iter().filter(|one| !self.seen().related.contains(*one)).cloned().collect();
                session.relate(generation, commit, &news)?;
                self.seen().related.extend(news);
                commit
            }
            // What was refused is told by its id: there is nothing else to know it by.
            _ => session
                .follow(id, generation, applied)
                .map_err(|error| error.while_doing(format!("could not fetch {id}")))?,
        };
        self.head(self.followed.reference(), &id, &commit)
    }

    /// Returns the commit that `id` stands for if the mirror is there already.
    fn known_head(&self, id: ObjectId, generation: Option<&Generation>) -> Option<ObjectId> {
        let generation = generation?;
        if let Some((head, commit)) = self.seen().head {
            return (head == id).then_some(commit);
        }
        // After a start: the mirror knows, and is looked into once.
        if generation.head() != Some(id) {
            return None;
        }
        let store = generation.store().ok()?;
        let commit = Objects::new(&store).peel(id, self.followed.tag());
        let commit = commit.map_err(|error| noted(generation, error)).ok()?;
        self.seen().head = Some((id, commit));
        Some(commit)
    }

    fn resolve(&self, runtime: Handle, name: &str) -> Result<Head, SourceError> {
        if let Ok(revision) = name.parse::<Revision>() {
            let id = id_of(&revision)?;
            self.ensure(runtime, &id)?;
            return self.head(name.to_owned(), &id, &id);
        }
        let _turn = self.turn();
        let mut session = Session::new(self, self.budget(runtime));
        if let Some((object, commit)) = session.named(name)? {
            return self.head(name.to_owned(), &object, &commit);
        }
        let abbreviated = self.objects().ok().and_then(|objects| objects.abbreviated(name).transpose()).transpose()?;
        let missing = || {
            let message = "there is no such branch or tag, and no commit at hand begins so: give the full commit id";
            SourceError::new(SourceErrorKind::RevisionMissing, message)
        };
        let commit = abbreviated.ok_or_else(missing)?;
        self.head(name.to_owned(), &commit, &commit)
    }

    fn head(&self, reference: String, object: &ObjectId, commit: &ObjectId) -> Result<Head, SourceError> {
        let trust = self.judge.as_ref().map_or(0, Judge::changes);
        Ok(Head { revision: revision_of(commit)?, reference, object: object.to_string(), trust })
    }

    fn news(
        &self,
        runtime: &Handle,
        from: Option<ObjectId>,
        to: ObjectId,
        now: Time,
    ) -> Result<Option<Vec<Commit>>, SourceError> {
        let generation = self.ensure(runtime.clone(), &to)?;
        if from == Some(to) {
            return Ok(Some(vec![]));
        }
        let mut ids = vec![to];
        if let Some(from) = from {
            let Ok(behind) = self.behind(runtime, &generation, to, from, VerifyPolicy::Range)? else { return Ok(None) };
            ids.extend(behind);
        }
        if ids.len() > MOST_NEWS {
            return Ok(None);
        }
        let mut objects = Objects::new(&generation.store()?);
        let mut read = |id: &ObjectId| {
            let commit = told(&mut objects, id).map_err(|error| noted(&generation, error))?;
            let signer = self.signer(&mut objects, id, now);
            Ok(Commit { signer, ..commit })
        };
        ids.iter().map(&mut read).collect::<Result<_, SourceError>>().map(Some)
    }

    fn tree(&self, runtime: Handle, revision: Revision) -> Result<Arc<dyn Tree>, SourceError> {
        let id = id_of(&revision)?;
        let generation = self.ensure(runtime, &id)?;
        let mut objects = Objects::new(&generation.store()?);
        let root = objects.commit(&id).and_then(|mut commit| {
            commit.tree_id().map_err(|error| super::objects::corrupt(&id, "is a commit without a tree").because(error))
        });
        let root = root.map_err(|error| noted(&generation, error))?;
        let (limits, ids) = (self.declared.limits.clone(), Mutex::new(HashMap::new()));
        Ok(Arc::new(GitTree { revision, root, generation, limits, made: Arc::default(), ids }))
    }

    /// Returns a mirror that has the commit, fetched by its id where needed.
    pub(super) fn ensure(&self, runtime: Handle, id: &ObjectId) -> Result<Arc<Generation>, SourceError> {
        let at_hand = |generation: &Arc<Generation>| has_commit(generation, id);
        if let Some(generation) = self.usable().filter(at_hand) {
            return Ok(generation);
        }
        let _turn = self.turn();
        let fetched = Session::new(self, self.budget(runtime)).pin(*id);
        // A damaged mirror may still hold this one whole; each object is checked when it is read.
        fetched.or_else(|error| self.mirror.current().filter(at_hand).ok_or(error))
    }

    /// Fetches more of the history behind two commits, the more the higher `step`. Returns whether there was more to ask for.
    pub(super) fn further(
        &self,
        runtime: &Handle,
        generation: &Generation,
        head: ObjectId,
        other: ObjectId,
        step: usize,
    ) -> Result<bool, SourceError> {
        let _turn = self.turn();
        Session::new(self, self.budget(runtime.clone())).further(generation, head, other, step)
    }

    fn objects(&self) -> Result<Objects, SourceError> {
        let empty = || SourceError::new(SourceErrorKind::RevisionMissing, "nothing was fetched yet");
        Ok(Objects::new(&self.mirror.current().ok_or_else(empty)?.store()?))
    }

    /// Returns the mirror, unless it is to be fetched anew.
    pub(super) fn usable(&self) -> Option<Arc<Generation>> {
        self.mirror.current().filter(|generation| !generation.is_condemned())
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self, runtime: Handle) -> Arc<Budget> {
        let limits = &self.declared.limits;
        Budget::new(runtime, limits.timeout.0, limits.mirror_mib.saturating_mul(1024 * 1024))
    }
}

/// Reads what a commit says of itself.
fn told(objects: &mut Objects, id: &ObjectId) -> Result<Commit, SourceError> {
    Ok(author::read(revision_of(id)?, objects.commit(id)?))
}

/// Lets the next poll fetch anew where an object is not what its id says.
pub(super) fn noted(generation: &Generation, error: SourceError) -> SourceError {
    if error.kind == SourceErrorKind::Corrupt {
        generation.condemn();
    }
    error
}

pub(super) fn has_commit(generation: &Generation, id: &ObjectId) -> bool {
    let header = generation.store().and_then(|store| Objects::new(&store).header(id));
    header.is_ok_and(|found| found.is_some_and(|(kind, _)| kind == gix::objs::Kind::Commit))
}

pub(super) fn id_of(revision: &Revision) -> Result<ObjectId, SourceError> {
    let id = ObjectId::from_hex(revision.as_str().as_bytes()).ok().filter(|id| id.kind() == gix::hash::Kind::Sha1);
    let unsupported = || {
        let message = format!("{revision} is a SHA-256 id, which is not supported yet");
        SourceError::new(SourceErrorKind::RevisionMissing, message)
    };
    id.ok_or_else(unsupported)
}

pub(super) fn revision_of(id: &ObjectId) -> Result<Revision, SourceError> {
    let odd = |error| SourceError::new(SourceErrorKind::RevisionMissing, "the commit id is none").because(error);
    id.to_string().parse().map_err(|error: crate::model::InvalidRevision| odd(error))
}
