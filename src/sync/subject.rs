use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::candidate::{Candidate, Origin};
use super::course::Course;
use super::neighbours::Neighbours;
use super::progress::Progress;
use super::upgrade::Before;
use crate::audit::{BreakGlasses, Quiet, Redactor};
use crate::config::SyncPolicy;
use crate::model::{Actor, Clock, Desired, Digest, Inventory, Name, ObjectId, Spec, SyncId, Time};
use crate::policy::InForce;
use crate::store::{ApplicationState, Open, Store, StoreError};
use crate::target::{Call, Target};

/// How long one act of a sync on its target may take altogether.
pub(super) const PATIENCE: Duration = Duration::from_mins(15);

/// One application, and all that a sync of it needs.
pub struct Subject {
    pub name: Name,
    pub target_name: Name,
    pub labels: BTreeMap<String, String>,
    pub policy: SyncPolicy,
    pub rules: InForce,
    pub origin: Origin,
    pub target: Arc<dyn Target>,
    pub neighbours: Arc<Neighbours>,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub redactor: Arc<Redactor>,
    pub glasses: BreakGlasses,
    /// Cancelled: finish the step in hand.
    pub cancel: CancellationToken,
    pub progress: Progress,
    pub course: Course,
    pub memory: Memory,
}

/// What is known between two syncs, so that a round without news asks the store nothing.
#[derive(Default)]
pub struct Memory {
    pub state: ApplicationState,
    /// An execution that has begun and is not closed: it is taken up before anything newer is looked at.
    pub open: Option<Open>,
    pub inventory: Inventory,
    /// Handlers that must still run, with what they run.
    pub owed: BTreeMap<ObjectId, Spec>,
    pub candidate: Option<Candidate>,
    /// The stored Desired that the application is kept true to while the newest revision is held, by its digest.
    pub kept: Option<(Digest, Arc<Desired>)>,
    /// Syncs that found nothing to do since something was last told.
    pub quiet: Option<Quiet>,
    /// Someone else may have moved rows of our inventory.
    pub stale: bool,
    /// How often the open execution came to a step of which nobody could tell whether it happened.
    pub doubts: u32,
    /// The version of trueup that applied what is applied, until this one has shown that it sees it alike.
    pub before: Option<Before>,
    /// There is more to look at than the sync did: it is to be followed by another one at once.
    pub again: bool,
}

/// What set a sync off. It says who rang, never what to do.
#[derive(Clone, Debug)]
pub struct Ring {
    pub actor: Actor,
    /// The remote must be asked, if it was not since then.
    pub since: Option<Instant>,
    /// A person says so: inputs that failed before are tried again.
    pub insist: bool,
    /// A person lets Git decide over what was found on the target.
    pub adopt: bool,
}

impl Ring {
    #[must_use]
    pub fn daemon(reason: &str) -> Self {
        Self { actor: Actor::daemon(reason), since: None, insist: false, adopt: false }
    }
}

impl Memory {
    /// Reads what the store remembers of an application.
    pub async fn load(store: &Store, target: &Name, name: &Name) -> Result<Self, StoreError> {
        let state = store.application(name).await?;
        let inventory = store.inventory(target, name).await?;
        let owed = store.owed(name).await?.into_iter().map(|owed| (owed.id, owed.spec)).collect();
        Ok(Self { state, inventory, owed, ..Self::default() })
    }

    /// Counts a sync that found nothing to do.
    pub fn count_quiet(&mut self, now: Time) {
        let quiet = self.quiet.get_or_insert(Quiet { count: 0, first: now, last: now });
        quiet.count += 1;
        quiet.last = now;
    }
}

impl Subject {
    /// Returns what goes with the calls of one sync.
    pub(super) fn call(&self, sync: SyncId, actor: &Actor) -> Call {
        Call {
            deadline: Instant::now() + PATIENCE,
            cancel: self.cancel.clone(),
            fence: self.store.fence(),
            sync,
            actor: actor.clone(),
        }
    }

    /// Writes what is remembered of the application, and nothing else.
    pub(super) async fn remember(&mut self, state: ApplicationState) -> Result<(), StoreError> {
        let mut tx = self.store.write().await?;
        tx.put_application(&self.name, &state).await?;
        tx.commit().await?;
        self.memory.state = state;
        Ok(())
    }

    /// Reads the inventory again where someone else may have changed it.
    pub(super) async fn refresh(&mut self) -> Result<(), StoreError> {
        if self.memory.stale {
            self.memory.inventory = self.store.inventory(&self.target_name, &self.name).await?;
            self.memory.stale = false;
        }
        Ok(())
    }
}
