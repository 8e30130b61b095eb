//! When to sync: timers, bells, back-off, reload, stop. The only loop.
//!
//! ```text
//!   poller (one a repository) ──┐    a webhook only asks a poller to look now
//!   watch  (one a target) ──────┼──▶ bell ──▶ task (one an application) ──▶ sync
//!   people (API) ───────────────┘               ▲ interval, back-off
//! ```
//!
//! A bell carries a reason for the record and nothing else: each sync reads Git and the target itself.

mod application;
mod auditing;
mod begin;
mod bells;
mod commands;
mod daemon;
mod declared;
mod desk;
mod estate;
mod forges;
mod glass;
mod hooks;
mod housekeeping;
mod keeper;
mod metrics;
mod observing;
mod orphans;
mod owners;
mod poller;
mod preimages;
mod problems;
mod proposals;
mod reload;
mod requests;
mod shown;
mod reverting;
mod sinks;
mod standing;
mod status;
mod tokens;
mod traces;
mod trail;
pub mod unknown;
mod watchdog;
mod watcher;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{self, Body, BreakGlasses, DaemonBody, Entry, Masks, TrailError};
use crate::config::Config;
use crate::execute::Ledger;
use crate::model::{Actor, Clock, Mistake, Time};
use crate::notify::Surroundings;
use crate::policy::InForce;
use crate::store::{Store, StoreError};

pub use auditing::{Auditing, RecordQuery};
pub use daemon::Daemon;
pub use estate::StartError;
pub use hooks::{Hook, HookError, Hooks};
pub use observing::Observing;
pub use shown::{Face, LoginMeans, ShownError};
pub use standing::Standing;
pub use status::Summary;
pub use tokens::{NoToken, PREFIX, TokenAsked, TokenMade, Tokens};
pub use traces::TracesError;
pub use watchdog::Starved;

/// The running daemon. A clone is the same one.
#[derive(Clone)]
pub struct Agent {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    /// The file or folder that declares everything.
    configuration: PathBuf,
    started: Time,
    estate: tokio::sync::Mutex<estate::Estate>,
    /// Apart from the estate, so that no bell is lost while a configuration is being taken.
    bells: Arc<bells::Bells>,
    hooks: Arc<hooks::Hooks>,
    /// What metrics count.
    counts: Arc<metrics::Counts>,
    traces: Arc<traces::Traces>,
    face: Arc<shown::Face>,
    /// What `status` reads, so that it never waits for a reload.
    board: Arc<status::Board>,
    /// Reloads come one after the other, so that the newest is taken last.
    reloading: tokio::sync::Mutex<()>,
    /// Mistakes of a newer configuration that was not taken.
    rejected: Mutex<Vec<Mistake>>,
    /// Mistakes of documents in Git that were accepted, and do not fit the machine's files any more.
    left_out: Mutex<Vec<Mistake>>,
    turns: Arc<watchdog::Turns>,
    /// Cancelled once all is done that a start does before any application syncs.
    begun: CancellationToken,
    glasses: BreakGlasses,
    /// One was opened or ended.
    glass_changed: Notify,
    /// Held while an end is written down: each ends once.
    ending_glass: tokio::sync::Mutex<()>,
    rules: InForce,
    stands: standing::Stands,
    keyring: tokens::Keyring,
    /// What those who tell people work with.
    surroundings: Surroundings,
    trail: trail::Trail,
    /// Why the daemon ended itself.
    broken: Mutex<Option<TrailError>>,
    /// What the log masks.
    masks: Masks,
    tasks: TaskTracker,
    /// Cancelled: nobody is to watch any more.
    unwatched: CancellationToken,
    /// Cancelled: finish the step in hand, and start nothing new.
    stop: CancellationToken,
}

impl Agent {
    /// Opens the store and starts everything that `config` declares: recovery first, then the timers. `masks` is told of every
    /// secret before it is used.
    ///
    /// # Errors
    /// When the store cannot be opened, or a repository or target cannot be set up.
    pub async fn start(
        config: Config,
        configuration: PathBuf,
        clock: Arc<dyn Clock>,
        masks: Masks,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let (heard, looks) = (hooks::Known::read(&config)?, shown::Looks::read(&config)?);
        let traces = Arc::new(traces::Traces::open(&config)?);
        let store = Store::open(&config.daemon.data).await?;
        audit::check_tail(&store).await?;
        let glasses = BreakGlasses::load(&store).await?;
        let stands = standing::Stands::load(&store).await?;
        let keyring = tokens::Keyring::load(&store).await?;
        store.hold_reserve(config.daemon.trail.reserve_mib);
        let trail = trail::Trail::open(&store, &config, &clock).await?;
        let started = clock.now();
        let surroundings = Surroundings::new(store.clone(), clock.clone(), masks.clone());
        let hooks = Arc::new(hooks::Hooks::new(clock.clone()));
        let inner = Inner {
            store,
            clock,
            configuration,
            started,
            estate: tokio::sync::Mutex::default(),
            bells: Arc::default(),
            hooks,
            counts: Arc::default(),
            traces,
            face: Arc::default(),
            board: Arc::default(),
            reloading: tokio::sync::Mutex::default(),
            rejected: Mutex::default(),
            left_out: Mutex::default(),
            turns: Arc::default(),
            begun: CancellationToken::new(),
            glasses,
            glass_changed: Notify::new(),
            ending_glass: tokio::sync::Mutex::default(),
            rules: InForce::default(),
            stands,
            keyring,
            surroundings,
            trail,
            broken: Mutex::default(),
            masks,
            tasks: TaskTracker::new(),
            unwatched: CancellationToken::new(),
            stop,
        };
        let last_record = audit::last_time(&inner.store).await?;
        let agent = Self { inner: Arc::new(inner) };
        agent.tell("run", Body::Started(DaemonBody { version: env!("CARGO_PKG_VERSION").into() })).await?;
        agent.keep_trail();
        Box::pin(agent.settle(config)).await?;
        agent.hear(heard, looks).await;
        // What was edited by hand is kept before it is put right.
        Box::pin(agent.end_stale_glass(last_record)).await?;
        agent.inner.begun.cancel();
        agent.keep_glass();
        agent.keep_house();
        agent.follow_orphans();
        agent.follow_declarations();
        Ok(agent)
    }

    /// Returns how many there are of what.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.inner.board.summary()
    }

    /// Waits until the summary may be another one. For one who waits at a time; a change before the call is not lost.
    pub async fn changed(&self) {
        self.inner.board.changed.notified().await;
    }

    /// Waits until every task has ended; call after `stop` was cancelled.
    pub async fn stopped(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        let body = Body::Stopped(DaemonBody { version: env!("CARGO_PKG_VERSION").into() });
        if let Err(error) = self.tell("run", body).await {
            tracing::warn!(error = %crate::model::chain(&error), "could not record the stop");
        }
        self.end_trail().await;
        self.inner.traces.end().await;
    }

    /// Returns what webhooks are known by, and whom they ring.
    #[must_use]
    pub fn hooks(&self) -> Arc<Hooks> {
        self.inner.hooks.clone()
    }

    /// Returns how the API looks from elsewhere.
    #[must_use]
    pub fn face(&self) -> Arc<Face> {
        self.inner.face.clone()
    }

    /// Hears these webhooks, and no others, from now on, and looks so from elsewhere.
    async fn hear(&self, known: hooks::Known, looks: shown::Looks) {
        // Before the first delivery could be told of.
        let redactor = self.inner.estate.lock().await.redactor.clone();
        redactor.learn(known.secrets());
        redactor.learn(looks.secret());
        self.inner.hooks.set(known);
        self.inner.face.set(looks);
    }

    /// Returns why the daemon ended itself, where it did.
    #[must_use]
    pub fn broken(&self) -> Option<TrailError> {
        self.inner.broken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes back what lies in the store's journal and closes it; call when nobody asks any more.
    pub async fn close(&self) {
        if let Err(error) = self.inner.store.clone().close().await {
            tracing::warn!(error = %crate::model::chain(&error), "could not close the store");
        }
    }

    /// Records what concerns no application.
    async fn tell(&self, reason: &str, body: Body) -> Result<(), StoreError> {
        let actor = Actor::daemon(reason);
        let entry = Entry { application: None, revision: None, plan: None, sync: None, actor, body };
        let ledger = self.ledger().await;
        let write = || async {
            let mut tx = ledger.store.write().await?;
            audit::append(&mut tx, ledger.clock.now(), &ledger.redactor, std::slice::from_ref(&entry)).await?;
            tx.commit().await
        };
        ledger.store.insist(write).await
    }

    async fn ledger(&self) -> Ledger {
        let redactor = self.inner.estate.lock().await.redactor.clone();
        let (store, clock) = (self.inner.store.clone(), self.inner.clock.clone());
        Ledger { store, clock, redactor, glasses: self.inner.glasses.clone() }
    }
}
