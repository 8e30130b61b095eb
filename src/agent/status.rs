use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use crate::config::{Application, Declared};
use crate::model::view::{
    ApplicationStatus, NotificationStatus, OrphanStatus, RepositoryStatus, RevertStatus, SyncReport,
};
use crate::model::{Guard, Name, Outcome, Time};
use crate::notify::Sink;
use crate::source::{Polled, Shared};
use crate::sync::{Memory, Room};

/// What `status` shows, kept by those who know it.
#[derive(Default)]
pub(super) struct Board {
    applications: Mutex<BTreeMap<Name, ApplicationStatus>>,
    repositories: Mutex<BTreeMap<Name, Followed>>,
    sinks: Mutex<BTreeMap<Name, Arc<Sink>>>,
    orphans: Mutex<Vec<OrphanStatus>>,
    /// Something of an application that is declared no more may have been taken over.
    pub(super) taken_over: Notify,
    /// What is declared in Git, and in force, may be another.
    pub(super) declared: Notify,
    /// How often objects were let go of: who found one held meanwhile looks again.
    let_go: AtomicU64,
    /// The summary may be another one.
    pub(super) changed: Notify,
    /// The same, for any number of those who watch.
    pub(super) pulse: watch::Sender<()>,
}

/// The daemon in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub repositories: usize,
    /// How many applications there are in each state: `syncing`, `suspended`, `new`, or how their last sync ended.
    pub applications: BTreeMap<&'static str, usize>,
}

/// A repository as declared, and where its answers come from.
#[derive(Clone)]
pub(super) struct Followed {
    pub(super) url: String,
    pub(super) reference: String,
    pub(super) source: Arc<Shared>,
}

impl Board {
    pub(super) fn declare(&self, name: &Name, declared: &Declared<Application>) {
        let layers = declared.spec.source.layers();
        let status = ApplicationStatus {
            name: name.clone(),
            labels: declared.labels.clone(),
            target: declared.spec.target.clone(),
            repository: declared.spec.source.repository.clone(),
            paths: layers.into_iter().map(|layer| if layer.is_empty() { "." } else { layer }.to_owned()).collect(),
            outcome: None,
            syncing: false,
            room: None,
            since: None,
            code: None,
            message: None,
            findings: vec![],
            changes_at: None,
            plan: None,
            applied: None,
            good: None,
            bad: None,
            revert: None,
            objects: 0,
            syncs: 0,
            suspended: None,
        };
        self.applications.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), status);
        self.beat();
    }

    pub(super) fn forget(&self, name: &Name) {
        self.applications.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.beat();
    }

    pub(super) fn syncing(&self, name: &Name, syncing: bool) {
        self.change(name, |status| status.syncing = syncing);
    }

    /// Shows where a sync is just now.
    pub(super) fn inside(&self, name: &Name, room: Option<Room>) {
        self.change(name, |status| status.room = room.map(|room| room.as_str().into()));
    }

    /// Shows how a sync ended.
    pub(super) fn ended(&self, name: &Name, report: &SyncReport, now: Time) {
        self.change(name, |status| {
            if status.outcome != Some(report.outcome) || status.code != report.code {
                status.since = Some(now);
            }
            status.outcome = Some(report.outcome);
            status.code.clone_from(&report.code);
            status.message.clone_from(&report.message);
            status.findings.clone_from(&report.findings);
            status.changes_at = report.changes_at;
            status.plan = report.plan.filter(|_| report.outcome == Outcome::Held);
            status.syncs += 1;
            status.syncing = false;
        });
    }

    /// Shows that a sync is stuck, until it ends.
    pub(super) fn stuck(&self, name: &Name, code: &str, message: String, now: Time) {
        self.change(name, |status| {
            (status.outcome, status.since) = (Some(Outcome::Failed), Some(now));
            (status.code, status.message) = (Some(code.into()), Some(message));
        });
    }

    /// Shows what is remembered.
    pub(super) fn remembered(&self, name: &Name, memory: &Memory, branch: &str) {
        self.change(name, |status| {
            let state = &memory.state;
            status.applied = state.applied.as_ref().map(|applied| applied.revision.clone());
            status.good = state.good.as_ref().and_then(|good| good.revision.clone());
            status.bad = state.bad_inputs.as_ref().map(|bad| bad.revision.clone());
            status.revert = state.revert.as_ref().map(|revert| RevertStatus {
                stage: revert.stage.as_str().into(),
                branch: revert.beside.clone().unwrap_or_else(|| branch.to_owned()),
                commit: revert.made.as_ref().map(|made| made.commit.clone()),
                good: revert.good.clone(),
                code: revert.code.clone(),
                message: revert.message.clone(),
                link: revert.link.clone(),
            });
            status.objects = memory.inventory.objects.len();
            status.suspended = state.suspended.as_ref().map(|suspended| suspended.reason.clone());
        });
    }

    /// Shows which applications are declared no more and left something.
    pub(super) fn orphaned(&self, all: Vec<OrphanStatus>) {
        *self.orphans.lock().unwrap_or_else(PoisonError::into_inner) = all;
        self.beat();
    }

    pub(super) fn orphans(&self) -> Vec<OrphanStatus> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note that an application let go of objects.
    pub(super) fn let_go(&self) {
        self.let_go.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn times_let_go(&self) -> u64 {
        self.let_go.load(Ordering::Acquire)
    }

    /// Returns the applications of which this guard left something out, or which it holds.
    pub(super) fn held_by(&self, guard: Guard) -> BTreeSet<Name> {
        let applications = self.applications.lock().unwrap_or_else(PoisonError::into_inner);
        let held = applications.iter().filter(|(_, one)| one.findings.iter().any(|finding| finding.guard == guard));
        held.map(|(name, _)| name.clone()).collect()
    }

    fn beat(&self) {
        self.changed.notify_one();
        self.pulse.send_replace(());
    }

    fn change(&self, name: &Name, change: impl FnOnce(&mut ApplicationStatus)) {
        if let Some(status) = self.applications.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            change(status);
        }
        self.beat();
    }

    pub(super) fn application(&self, name: &Name) -> Option<ApplicationStatus> {
        self.applications.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn summary(&self) -> Summary {
        let repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner).len();
        let mut summary = Summary { repositories, ..Summary::default() };
        for one in self.applications.lock().unwrap_or_else(PoisonError::into_inner).values() {
            *summary.applications.entry(one.state()).or_default() += 1;
        }
        summary
    }

    pub(super) fn applications(&self) -> Vec<ApplicationStatus> {
        self.applications.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn follow(&self, name: &Name, followed: Followed) {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), followed);
        self.beat();
    }

    pub(super) fn unfollow(&self, name: &Name) {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.beat();
    }

    /// Takes note of who tells people now.
    pub(super) fn told_by(&self, sinks: BTreeMap<Name, Arc<Sink>>) {
        *self.sinks.lock().unwrap_or_else(PoisonError::into_inner) = sinks;
    }

    pub(super) fn sink(&self, name: &str) -> Option<Arc<Sink>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn notifications(&self) -> Vec<NotificationStatus> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).values().map(|sink| sink.status()).collect()
    }

    pub(super) fn repositories(&self) -> Vec<RepositoryStatus> {
        let repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        repositories.iter().map(|(name, followed)| repository(name, followed)).collect()
    }
}

fn repository(name: &Name, followed: &Followed) -> RepositoryStatus {
    let polled = followed.source.last();
    let (state, message) = match &polled {
        None => ("waiting".to_owned(), None),
        Some(Polled { head: Ok(_), .. }) => ("ok".to_owned(), None),
        Some(Polled { head: Err(error), .. }) => {
            (error.kind.code().to_owned(), Some(crate::model::chain(error.as_ref())))
        }
    };
    let head = polled.as_ref().and_then(|polled| polled.head.as_ref().ok());
    RepositoryStatus {
        name: name.clone(),
        url: followed.url.clone(),
        reference: head.map_or_else(|| followed.reference.clone(), |head| head.reference.clone()),
        head: head.map(|head| head.revision.clone()),
        state,
        message,
        polled: polled.as_ref().map(|polled| polled.at),
    }
}
