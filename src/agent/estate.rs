use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Agent;
use super::commands::Asked;
use super::declared::{Force, has_target};
use super::forges::Hosted;
use super::hooks::HookError;
use super::orphans::Leaving;
use super::owners::Owners;
use super::shown::ShownError;
use super::sinks::Telling;
use super::traces::TracesError;
use crate::audit::{Redactor, TrailError};
use crate::config::{self, Application, Config, Declared, Repository, Transport};
use crate::forge::ForgeError;
use crate::model::{BreakGlassId, DigestKey, Name};
use crate::notify;
use crate::policy::Rules;
use crate::render::MemoryCache;
use crate::source::{self, Shared, SourceError};
use crate::store::{Definition, StoreError};
use crate::sync::{Holds, Neighbours, Origin, Within};
use crate::target::{self, Target, TargetError};

/// So many files of a repository are known by their object id; each takes about 100 bytes.
const BLOBS: usize = 20_000;

/// Everything that a configuration makes.
#[derive(Default)]
pub(super) struct Estate {
    /// What the machine's files declare.
    pub(super) machine: Config,
    /// What is in force: that, and what was accepted from Git.
    pub(super) config: Config,
    pub(super) redactor: Arc<Redactor>,
    pub(super) neighbours: Arc<Neighbours>,
    pub(super) repositories: BTreeMap<Name, Following>,
    pub(super) targets: BTreeMap<Name, Reached>,
    pub(super) applications: BTreeMap<Name, Kept>,
    pub(super) sinks: BTreeMap<Name, Telling>,
    /// What tells Git hosts, by repository.
    pub(super) forges: BTreeMap<Name, Hosted>,
    /// Applications that are declared no more, and are just being destroyed.
    pub(super) leaving: BTreeMap<Name, Leaving>,
}

/// A repository that is followed.
pub(super) struct Following {
    pub(super) declared: Arc<Repository>,
    transports: Vec<Transport>,
    pub(super) source: Arc<Shared>,
    /// The same, for who writes into it.
    pub(super) git: source::GitSource,
    /// Shared by all who render from it.
    pub(super) cache: Arc<MemoryCache>,
    pub(super) stop: CancellationToken,
}

/// A target that is within reach.
pub(super) struct Reached {
    /// `None` for the one that is built in.
    declared: Option<config::Target>,
    pub(super) target: Arc<dyn Target>,
    pub(super) owners: Arc<Owners>,
    pub(super) stop: CancellationToken,
}

impl Following {
    /// Returns who writes into it for an application, with a repository at hand in `folder`; nobody, where it does not say how.
    pub(super) fn reverter(&self, folder: PathBuf) -> Result<Option<Arc<source::Reverter>>, SourceError> {
        let Some(signs) = &self.declared.revert else { return Ok(None) };
        let reverter = source::Reverter::new(self.git.clone(), &self.declared, signs, &self.transports, folder)?;
        Ok(Some(Arc::new(reverter)))
    }
}

/// An application's task, from outside.
pub(super) struct Kept {
    pub(super) declared: Declared<Application>,
    pub(super) holds: Holds,
    pub(super) within: Option<Arc<Within>>,
    pub(super) commands: Asked,
    pub(super) stop: CancellationToken,
    pub(super) ended: tokio::task::JoinHandle<()>,
}

/// Why the daemon, or a new configuration, could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Trail(#[from] TrailError),
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
    #[error("could not set up the Git host of repository {name}")]
    Forge {
        name: Name,
        #[source]
        source: ForgeError,
    },
    #[error("could not end break-glass {id}: {why}")]
    BreakGlass { id: BreakGlassId, why: String },
    #[error("could not hear webhooks")]
    Hooks(#[from] HookError),
    #[error("could not send traces")]
    Traces(#[from] TracesError),
    #[error("could not show the API")]
    Shown(#[from] ShownError),
}

impl Agent {
    /// Makes the estate what the machine's files and what was accepted from Git say: what did not change goes on undisturbed, what
    /// was removed is left as it is on its target, and what is new begins.
    pub(super) async fn settle(&self, machine: Config) -> Result<(), StartError> {
        let force = self.in_force(machine).await?;
        let config = &force.config;
        let mut estate = self.inner.estate.lock().await;
        let repositories = self.new_repositories(&estate, config)?;
        let targets = self.new_targets(&estate, config)?;
        let mut secrets = source::secrets(config.repositories.values());
        secrets.extend(notify::secrets(config.notifications.values()));
        secrets.extend(self.inner.traces.secrets());
        let redactor = Arc::new(estate.redactor.renewed(secrets));
        self.inner.masks.set(redactor.clone());
        // Ending a task may take a while; what somebody may not do any more they may not do meanwhile.
        self.inner.stands.set(&force.machine, config);
        estate.neighbours.expect(declared([&estate.config, config]));
        self.end_removed(&mut estate, &force, &repositories, &targets).await;
        let gone = |target: &Name| targets.contains_key(target) || !has_target(config, target);
        self.end_leaving(&mut estate, config, gone).await;
        estate.neighbours.expect(declared([config]));
        estate.redactor = redactor;
        let judged_otherwise = estate.config.policies != config.policies || estate.config.people != config.people;
        // Before the first of its applications begins.
        self.inner.rules.set(Rules::new(&config.policies, &config.people));
        self.settle_sinks(&mut estate, config).await?;
        self.settle_forges(&mut estate, config).await?;
        for (name, following) in repositories {
            self.follow(&name, &following);
            estate.repositories.insert(name, following);
        }
        let mut open = self.open_syncs().await?;
        for (name, reached) in targets {
            self.reach(&name, &reached, &open).await?;
            estate.targets.insert(name, reached);
        }
        let new = |name: &Name| !estate.applications.contains_key(name);
        for (name, declared) in config.applications.iter().filter(|(name, _)| new(name)) {
            // Before the first of them begins: none may take another for gone.
            let origin = estate.origin(&force, name, &declared.spec, self.inner.store.key());
            estate.neighbours.declare(name, &declared.spec.target, origin);
        }
        self.note_definitions(&estate, config).await?;
        for (name, declared) in &config.applications {
            if !estate.applications.contains_key(name) {
                let kept = self.keep(&estate, &force, name, declared, open.remove(name)).await?;
                estate.applications.insert(name.clone(), kept);
            }
        }
        (estate.machine, estate.config) = ((*force.machine).clone(), force.config.clone());
        self.resume_ends(&mut estate, open.into_values()).await?;
        self.see_orphans(&estate.neighbours).await;
        if judged_otherwise {
            self.inner.bells.ring("policy", |_, _| true);
        }
        // What a removed application held may be waited for.
        self.ring_waiting();
        drop(estate);
        self.leave_out(&force).await;
        Ok(())
    }

    /// Writes down how applications are declared that begin now, where that is news: once they are declared no more, nothing else
    /// tells by which rules their end is judged.
    async fn note_definitions(&self, estate: &Estate, config: &Config) -> Result<(), StoreError> {
        let new: Vec<_> =
            config.applications.iter().filter(|(name, _)| !estate.applications.contains_key(*name)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut states = self.inner.store.applications().await?;
        let mut news = vec![];
        for (name, declared) in new {
            let mut state = states.remove(name).unwrap_or_default();
            let definition = Some(definition(declared));
            if state.definition != definition {
                state.definition = definition;
                news.push((name, state));
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        let mut tx = self.inner.store.write().await?;
        for (name, state) in news {
            tx.put_application(name, &state).await?;
        }
        tx.commit().await
    }

    fn new_repositories(&self, estate: &Estate, config: &Config) -> Result<BTreeMap<Name, Following>, StartError> {
        let transports = &config.daemon.transports;
        let unchanged = |name: &Name, declared: &Repository| {
            let following = estate.repositories.get(name);
            following.is_some_and(|f| is_reached_as(&f.declared, declared) && f.transports == *transports)
        };
        let mut new = BTreeMap::new();
        let followed = config.repositories.iter().filter(|(name, _)| is_followed(config, name));
        for (name, declared) in followed.filter(|(name, declared)| !unchanged(name, declared)) {
            let folder = self.inner.store.folder().join("mirrors").join(name.as_str());
            let source = source::GitSource::new(declared, transports, folder)
                .map_err(|source| StartError::Source { name: name.clone(), source })?;
            let git = source.clone();
            let source = Arc::new(Shared::new(Arc::new(source), self.inner.clock.clone()));
            let (declared, transports) = (Arc::new(declared.clone()), transports.clone());
            let stop = self.inner.stop.child_token();
            let cache = Arc::new(MemoryCache::new(BLOBS));
            new.insert(name.clone(), Following { declared, transports, source, git, cache, stop });
        }
        Ok(new)
    }

    fn new_targets(&self, estate: &Estate, config: &Config) -> Result<BTreeMap<Name, Reached>, StartError> {
        let unchanged = |name: &Name, declared: &config::Target| {
            estate.targets.get(name).is_some_and(|r| r.declared.as_ref() == Some(declared))
        };
        let mut new = BTreeMap::new();
        let built_in = Name::declarations();
        if has_target(config, &built_in) && !estate.targets.contains_key(&built_in) {
            let target = Arc::new(target::Documents::new(self.inner.store.clone()));
            let stop = self.inner.stop.child_token();
            new.insert(built_in, Reached { declared: None, target, owners: Arc::default(), stop });
        }
        for (name, declared) in config.targets.iter().filter(|(name, declared)| !unchanged(name, declared)) {
            let target = target::adapter(declared, self.inner.store.key())
                .map_err(|source| StartError::Target { name: name.clone(), source })?;
            let (declared, stop) = (Some(declared.clone()), self.inner.stop.child_token());
            new.insert(name.clone(), Reached { declared, target, owners: Arc::default(), stop });
        }
        Ok(new)
    }

    /// Ends, and waits for, every task whose definition is gone or not the same any more.
    async fn end_removed(
        &self,
        estate: &mut Estate,
        force: &Force,
        repositories: &BTreeMap<Name, Following>,
        targets: &BTreeMap<Name, Reached>,
    ) {
        let config = &force.config;
        let goes_on = |name: &Name, kept: &Kept| {
            config.applications.get(name).is_some_and(|declared| {
                *declared == kept.declared
                    && (&kept.holds, &kept.within) == (&force.holds(&declared.spec), &force.within(name))
                    && !repositories.contains_key(&declared.spec.source.repository)
                    && !targets.contains_key(&declared.spec.target)
            })
        };
        let ending: Vec<Name> =
            estate.applications.iter().filter(|(n, k)| !goes_on(n, k)).map(|(n, _)| n.clone()).collect();
        for name in ending {
            let Some(kept) = estate.applications.remove(&name) else { continue };
            self.inner.bells.take_down(&name);
            kept.stop.cancel();
            // A task that panicked has ended as well.
            let _ = kept.ended.await;
            estate.neighbours.forget(&name);
            self.inner.board.forget(&name);
            self.inner.counts.forget_application(&name);
            if let Some(reached) = estate.targets.get(&kept.declared.spec.target) {
                reached.owners.forget(&name);
            }
        }
        estate.repositories.retain(|name, following| {
            let stays = is_followed(config, name) && !repositories.contains_key(name);
            if !stays {
                following.stop.cancel();
                self.inner.board.unfollow(name);
                self.inner.counts.forget_repository(name);
            }
            stays
        });
        estate.targets.retain(|name, reached| {
            let stays = has_target(config, name) && !targets.contains_key(name);
            if !stays {
                reached.stop.cancel();
            }
            stays
        });
    }
}

impl Estate {
    /// Returns from where an application is rendered.
    pub(super) fn origin(&self, force: &Force, name: &Name, spec: &Application, key: &DigestKey) -> Origin {
        // `check` has seen to it that its repository is declared.
        let following = &self.repositories[&spec.source.repository];
        Origin {
            application: Arc::new(spec.clone()),
            repository: following.declared.clone(),
            source: following.source.clone(),
            cache: following.cache.clone(),
            key: key.derive("trueup/secret/v1"),
            redactor: self.redactor.clone(),
            holds: force.holds(spec),
            within: force.within(name),
        }
    }
}

fn definition(declared: &Declared<Application>) -> Definition {
    let source = &declared.spec.source;
    let layers = source.layers().into_iter().map(str::to_owned).collect();
    Definition { labels: declared.labels.clone(), repository: source.repository.clone(), layers }
}

/// Whether one is followed as the other is: by what its webhook is known, and what its Git host is told, is another matter.
fn is_reached_as(one: &Repository, other: &Repository) -> bool {
    let apart = |declared: &Repository| Repository { webhook: None, forge: None, ..declared.clone() };
    apart(one) == apart(other)
}

/// Whether a repository is declared for more than checkpoints, which are only pushed to it.
fn is_followed(config: &Config, name: &Name) -> bool {
    let publishes = config.daemon.trail.publish.git.as_ref().is_some_and(|git| git.repository == *name);
    let rendered = || config.applications.values().any(|declared| declared.spec.source.repository == *name);
    config.repositories.contains_key(name) && (!publishes || rendered())
}

/// Returns each declared application, after its target.
fn declared<'c>(configs: impl IntoIterator<Item = &'c Config>) -> BTreeSet<(Name, Name)> {
    let applications = configs.into_iter().flat_map(|config| &config.applications);
    applications.map(|(name, declared)| (declared.spec.target.clone(), name.clone())).collect()
}
