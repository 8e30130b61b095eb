//! systemd units: enabled, running or masked as documents say, reloaded and restarted where something that names them changed.

mod allow;
mod apply;
mod folders;
mod health;
mod job;
mod look;
mod manager;
mod own;
mod paths;
mod state;
mod touched;
mod verify;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use self::allow::Allowed;
use self::health::Seen;
use crate::config;
use crate::model::SyncId;
use crate::target::bus::Bus;

pub(super) use self::apply::digest;
pub(super) use self::folders::changed;
pub(super) use self::look::Survey;
use self::own::{itself, own};

/// How many units that were started lately are remembered.
const REMEMBERED: usize = 256;

/// What was done to a unit, which is to be active after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acted {
    /// It needs no further restart, nor a reload.
    Started,
    Reloaded,
}

/// The units of one target.
#[derive(Debug)]
pub(super) struct Units {
    bus: Arc<Bus>,
    allowed: Allowed,
    /// The target is this machine, not a scratch folder of it.
    whole: bool,
    /// What syncs of this process did to units.
    acted: Mutex<VecDeque<(SyncId, String, Acted)>>,
    /// Syncs for which this process changed anything but by a run.
    changed: Mutex<VecDeque<SyncId>>,
    seen: Mutex<HashMap<(SyncId, String), Seen>>,
}

impl Units {
    pub(super) fn new(declared: &config::HostTarget, bus: Arc<Bus>) -> Self {
        Self {
            bus,
            allowed: Allowed::new(declared.units.clone()),
            whole: declared.root.is_none(),
            acted: Mutex::default(),
            changed: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Returns why systemd cannot be asked to act on this target.
    fn nobody(&self) -> Option<&'static str> {
        if !self.whole {
            return Some("the target has a root of its own, and systemd looks after this machine");
        }
        (!Bus::rules_here()).then_some("systemd does not run here, or takes no orders from this user")
    }

    /// Notes that a sync changed something: what began before that has not seen it.
    pub(super) fn note_changed(&self, sync: &SyncId) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if !changed.contains(sync) {
            changed.push_back(sync.clone());
        }
        if changed.len() > REMEMBERED {
            changed.pop_front();
        }
    }

    fn has_changed(&self, sync: &SyncId) -> bool {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).contains(sync)
    }

    fn note(&self, sync: &SyncId, unit: &str, act: Acted) {
        let mut acted = self.acted.lock().unwrap_or_else(PoisonError::into_inner);
        acted.push_back((sync.clone(), unit.to_owned(), act));
        if acted.len() > REMEMBERED {
            acted.pop_front();
        }
    }

    fn was(&self, act: Acted, sync: &SyncId, unit: &str) -> bool {
        let acted = self.acted.lock().unwrap_or_else(PoisonError::into_inner);
        acted.iter().any(|(by, name, done)| by == sync && name == unit && *done == act)
    }

    /// Returns whether this sync had the unit do something after which it is to be active.
    fn was_acted_on(&self, sync: &SyncId, unit: &str) -> bool {
        [Acted::Started, Acted::Reloaded].into_iter().any(|act| self.was(act, sync, unit))
    }
}
