use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

use crate::model::Name;
use crate::model::view::SyncReport;
use crate::sync::{Passed, Room};

/// A sync that finds nothing to do takes milliseconds; one that waits for health, minutes.
const SYNC: [f64; 8] = [0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];
const ROOM: [f64; 7] = [0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 300.0];

/// What is counted from the start on. What is removed from the configuration is forgotten here.
#[derive(Debug)]
pub(in crate::agent) struct Counts {
    counted: Mutex<Counted>,
    pub(super) sync_time: Histogram,
    pub(super) room_time: [(Room, Histogram); Room::ALL.len()],
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) syncs: BTreeMap<(Name, &'static str), u64>,
    pub(super) steps_done: u64,
    pub(super) steps_failed: u64,
    /// Looks at a repository: those that succeeded, and those that did not.
    pub(super) polls: BTreeMap<Name, (u64, u64)>,
}

impl Default for Counts {
    fn default() -> Self {
        let room_time = Room::ALL.map(|room| (room, Histogram::new(ROOM)));
        Self { counted: Mutex::default(), sync_time: Histogram::new(SYNC), room_time }
    }
}

impl Counts {
    /// Counts a sync that has ended.
    pub(in crate::agent) fn synced(&self, report: &SyncReport, passed: &Passed) {
        let mut counted = self.lock();
        *counted.syncs.entry((report.application.clone(), report.outcome.as_str())).or_default() += 1;
        for step in &report.steps {
            let done = matches!(step.result.as_str(), "done" | "already");
            *(if done { &mut counted.steps_done } else { &mut counted.steps_failed }) += 1;
        }
        drop(counted);
        self.sync_time.observe(Duration::from_millis(report.milliseconds).as_secs_f64());
        for passage in &passed.passages {
            if let Some((_, time)) = self.room_time.iter().find(|(room, _)| *room == passage.room) {
                time.observe(passage.took.as_secs_f64());
            }
        }
    }

    /// Counts a look at a repository.
    pub(in crate::agent) fn polled(&self, repository: &Name, ok: bool) {
        let mut counted = self.lock();
        let (good, failed) = counted.polls.entry(repository.clone()).or_default();
        *(if ok { good } else { failed }) += 1;
    }

    pub(in crate::agent) fn forget_application(&self, name: &Name) {
        self.lock().syncs.retain(|(application, _), _| application != name);
    }

    pub(in crate::agent) fn forget_repository(&self, name: &Name) {
        self.lock().polls.remove(name);
    }

    pub(super) fn counted(&self) -> Counted {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
