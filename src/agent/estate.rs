use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Agent;
use super::application::Task;
use super::commands::Command;
use super::owners::Owners;
use super::pace::Pace;
use super::poller::Poller;
use super::status::Followed;
use super::watcher::Watcher;
use crate::audit::Redactor;
use crate::config::{Application, Config, Declared, Repository, Transport};
use crate::model::{Actor, Name, SyncId};
use crate::render::MemoryCache;
use crate::source::{self, Shared, SourceError};
use crate::store::{Open, StoreError};
use crate::sync::{Memory, Neighbours, Origin, Ring, Subject};
use crate::target::{self, Call, Target, TargetError};

/// Commands queue here while a sync runs; a bell that finds the queue full is answered by the sync that comes anyway.
const QUEUE: usize = 32;

/// So many files of a repository are known by their object id; each takes about 100 bytes.
const BLOBS: usize = 20_000;

/// Everything that a configuration makes.
#[derive(Default)]
pub(super) struct Estate {
    pub(super) config: Config,
    pub(super) redactor: Arc<Redactor>,
    pub(super) neighbours: Arc<Neighbours>,
    repositories: BTreeMap<Name, Following>,
    targets: BTreeMap<Name, Reached>,
    pub(super) applications: BTreeMap<Name, Kept>,
}

struct Following {
    declared: Arc<Repository>,
    transports: Vec<Transport>,
    source: Arc<Shared>,
    /// Shared by all who render from it.
    cache: Arc<MemoryCache>,
    stop: CancellationToken,
}

struct Reached {
    declared: crate::config::Target,
    target: Arc<dyn Target>,
    owners: Arc<Owners>,
    stop: CancellationToken,
}

/// An application's task, from outside.
pub(super) struct Kept {
    declared: Declared<Application>,
    pub(super) commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

/// Why the daemon, or a new configuration, could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not set up repository {name}")]
    Source {
        name: Name,
        #[source]
        source: SourceError,
    },
    #[error("could not set up target {name}")]
    Target {
        name: Name,
        #[source]
        source: TargetError,
    },
}

impl Agent {
    /// Makes the estate what `config` says: what did not change goes on undisturbed, what was removed is left as it is on its
    /// target, and what is new begins.
    pub(super) async fn settle(&self, config: Config) -> Result<(), StartError> {
        let mut estate = self.inner.estate.lock().await;
        let repositories = self.new_repositories(&estate, &config)?;
        let targets = self.new_targets(&estate, &config)?;
        let redactor = Arc::new(Redactor::new(source::secrets(config.repositories.values())));
        self.end_removed(&mut estate, &config, &repositories, &targets).await;
        estate.redactor = redactor;
        for (name, following) in repositories {
            self.follow(&name, &following);
            estate.repositories.insert(name, following);
        }
        let mut open = self.open_syncs().await?;
        for (name, reached) in targets {
            self.reach(&name, &reached, &open).await?;
            estate.targets.insert(name, reached);
        }
        for (name, declared) in &config.applications {
            if !estate.applications.contains_key(name) {
                let kept = self.keep(&estate, &config, name, declared, open.remove(name)).await?;
                estate.applications.insert(name.clone(), kept);
            }
        }
        estate.config = config;
        Ok(())
    }

    fn new_repositories(&self, estate: &Estate, config: &Config) -> Result<BTreeMap<Name, Following>, StartError> {
        let transports = &config.daemon.transports;
        let unchanged = |name: &Name, declared: &Repository| {
            let following = estate.repositories.get(name);
            following.is_some_and(|f| *f.declared == *declared && f.transports == *transports)
        };
        let mut new = BTreeMap::new();
        for (name, declared) in config.repositories.iter().filter(|(name, declared)| !unchanged(name, declared)) {
            let folder = self.inner.store.folder().join("mirrors").join(name.as_str());
            let source = source::GitSource::new(declared, transports, folder)
                .map_err(|source| StartError::Source { name: name.clone(), source })?;
            let source = Arc::new(Shared::new(Arc::new(source), self.inner.clock.clone()));
            let (declared, transports) = (Arc::new(declared.clone()), transports.clone());
            let stop = self.inner.stop.child_token();
            let cache = Arc::new(MemoryCache::new(BLOBS));
            new.insert(name.clone(), Following { declared, transports, source, cache, stop });
        }
        Ok(new)
    }

    fn new_targets(&self, estate: &Estate, config: &Config) -> Result<BTreeMap<Name, Reached>, StartError> {
        let unchanged = |name: &Name, declared: &crate::config::Target| {
            estate.targets.get(name).is_some_and(|r| r.declared == *declared)
        };
        let mut new = BTreeMap::new();
        for (name, declared) in config.targets.iter().filter(|(name, declared)| !unchanged(name, declared)) {
            let target = target::adapter(declared, self.inner.store.key())
                .map_err(|source| StartError::Target { name: name.clone(), source })?;
            let (declared, stop) = (declared.clone(), self.inner.stop.child_token());
            new.insert(name.clone(), Reached { declared, target, owners: Arc::default(), stop });
        }
        Ok(new)
    }

    /// Ends, and waits for, every task whose definition is gone or not the same any more.
    async fn end_removed(
        &self,
        estate: &mut Estate,
        config: &Config,
        repositories: &BTreeMap<Name, Following>,
        targets: &BTreeMap<Name, Reached>,
    ) {
        let goes_on = |name: &Name, kept: &Kept| {
            config.applications.get(name).is_some_and(|declared| {
                *declared == kept.declared
                    && !repositories.contains_key(&declared.spec.source.repository)
                    && !targets.contains_key(&declared.spec.target)
            })
        };
        let ending: Vec<Name> =
            estate.applications.iter().filter(|(n, k)| !goes_on(n, k)).map(|(n, _)| n.clone()).collect();
        for name in ending {
            let Some(kept) = estate.applications.remove(&name) else { continue };
            kept.stop.cancel();
            // A task that panicked has ended as well.
            let _ = kept.ended.await;
            estate.neighbours.forget(&name);
            self.inner.board.forget(&name);
            if let Some(reached) = estate.targets.get(&kept.declared.spec.target) {
                reached.owners.forget(&name);
            }
        }
        estate.repositories.retain(|name, following| {
            let stays = config.repositories.contains_key(name) && !repositories.contains_key(name);
            if !stays {
                following.stop.cancel();
                self.inner.board.unfollow(name);
            }
            stays
        });
        estate.targets.retain(|name, reached| {
            let stays = config.targets.contains_key(name) && !targets.contains_key(name);
            if !stays {
                reached.stop.cancel();
            }
            stays
        });
    }

    fn follow(&self, name: &Name, following: &Following) {
        let followed = Followed {
            url: following.declared.url.clone(),
            reference: reference(&following.declared),
            source: following.source.clone(),
        };
        self.inner.board.follow(name, followed);
        let poller = Poller {
            name: name.clone(),
            source: following.source.clone(),
            interval: following.declared.poll.0,
            pace: Pace::new(self.inner.store.key(), format!("repository {name}")),
            stop: following.stop.clone(),
        };
        let (agent, name) = (self.clone(), name.clone());
        self.inner.tasks.spawn(poller.run(move || agent.ring_followers(&name)));
    }

    /// Removes what a crash left half-way, then watches.
    async fn reach(&self, name: &Name, reached: &Reached, open: &BTreeMap<Name, Open>) -> Result<(), StartError> {
        let mut touched = self.inner.store.owned_on(name).await?;
        let plans = open.values().map(|open| &open.prepared.plan).filter(|plan| plan.target == *name);
        touched.extend(plans.flat_map(|plan| plan.steps.iter().map(|step| step.id.clone())));
        let call = Call {
            deadline: tokio::time::Instant::now() + std::time::Duration::from_mins(1),
            cancel: reached.stop.clone(),
            fence: self.inner.store.fence(),
            sync: SyncId("recover".into()),
            actor: Actor::daemon("recovery"),
        };
        if let Err(error) = reached.target.recover(&call, &touched).await {
            let message = crate::model::chain(&error);
            tracing::warn!(target_name = %name, error = message, "could not clean up after the last run");
        }
        let watcher = Watcher {
            name: name.clone(),
            target: reached.target.clone(),
            owners: reached.owners.clone(),
            stop: reached.stop.clone(),
        };
        let agent = self.clone();
        self.inner.tasks.spawn(watcher.run(move |name| agent.ring(name, "live change")));
        Ok(())
    }

    async fn open_syncs(&self) -> Result<BTreeMap<Name, Open>, StartError> {
        let open = self.inner.store.open_syncs().await?;
        Ok(open.into_iter().map(|open| (open.prepared.plan.application.clone(), open)).collect())
    }

    /// Begins the task of an application.
    async fn keep(
        &self,
        estate: &Estate,
        config: &Config,
        name: &Name,
        declared: &Declared<Application>,
        open: Option<Open>,
    ) -> Result<Kept, StartError> {
        let spec = &declared.spec;
        // `check` has seen to it that both are declared.
        let (following, reached) = (&estate.repositories[&spec.source.repository], &estate.targets[&spec.target]);
        let memory = Memory::load(&self.inner.store, &spec.target, name).await?;
        if let Some(applied) = &memory.state.applied {
            following.source.applied(name, applied.revision.clone());
        }
        let origin = Origin {
            application: Arc::new(spec.clone()),
            repository: following.declared.clone(),
            source: following.source.clone(),
            cache: following.cache.clone(),
        };
        estate.neighbours.declare(name, &spec.target, origin.clone());
        self.inner.board.declare(name, declared);
        let stop = self.inner.stop.child_token();
        let subject = Subject {
            name: name.clone(),
            target_name: spec.target.clone(),
            policy: spec.sync.clone(),
            origin,
            target: reached.target.clone(),
            neighbours: estate.neighbours.clone(),
            store: self.inner.store.clone(),
            clock: self.inner.clock.clone(),
            redactor: estate.redactor.clone(),
            cancel: stop.clone(),
            memory,
        };
        let (commands, receiver) = mpsc::channel(QUEUE);
        let task = Task {
            subject,
            commands: receiver,
            board: self.inner.board.clone(),
            owners: reached.owners.clone(),
            pace: Pace::new(self.inner.store.key(), format!("application {name} of {}", config.daemon.data.display())),
            at_once: self.inner.at_once.clone(),
            stop: stop.clone(),
            failures: 0,
        };
        let ended = self.inner.tasks.spawn(task.run(open));
        Ok(Kept { declared: declared.clone(), commands, stop, ended })
    }

    /// Rings the bell of one application. Where the estate is being changed the bell is not heard: every task that begins
    /// syncs at once.
    pub(super) fn ring(&self, name: &Name, reason: &str) {
        let Ok(estate) = self.inner.estate.try_lock() else { return };
        if let Some(kept) = estate.applications.get(name) {
            // A full queue holds a bell already.
            let _ = kept.commands.try_send(Command::Ring(Ring::daemon(reason)));
        }
    }

    fn ring_followers(&self, repository: &Name) {
        let Ok(estate) = self.inner.estate.try_lock() else { return };
        for kept in estate.applications.values().filter(|kept| kept.declared.spec.source.repository == *repository) {
            let _ = kept.commands.try_send(Command::Ring(Ring::daemon("poll")));
        }
    }
}

fn reference(declared: &Repository) -> String {
    match (&declared.branch, &declared.tag, &declared.commit) {
        (_, _, Some(commit)) => commit.clone(),
        (_, Some(tag), _) => format!("refs/tags/{tag}"),
        (Some(branch), ..) => format!("refs/heads/{branch}"),
        (None, None, None) => "refs/heads/main".into(),
    }
}
