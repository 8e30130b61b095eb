//! systemd units: enabled, running or masked as documents say, reloaded and restarted where something that names them changed.

mod allow;
mod apply;
mod folders;
mod health;
mod job;
mod look;
mod manager;
mod paths;
mod state;
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
pub(super) use self::look::{Survey, run};

/// How many units that were started lately are remembered.
const REMEMBERED: usize = 256;

/// The units of one target.
#[derive(Debug)]
pub(super) struct Units {
    bus: Arc<Bus>,
    allowed: Allowed,
    /// The target is this machine, not a scratch folder of it.
    whole: bool,
    /// Started or restarted by a sync of this process: they need no further restart, nor a reload.
    started: Mutex<VecDeque<(SyncId, String)>>,
    seen: Mutex<HashMap<(SyncId, String), Seen>>,
}

impl Units {
    pub(super) fn new(declared: &config::HostTarget, bus: Arc<Bus>) -> Self {
        Self {
            bus,
            allowed: Allowed::new(declared.units.clone()),
            whole: declared.root.is_none(),
            started: Mutex::default(),
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

    fn note_started(&self, sync: &SyncId, unit: &str) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.push_back((sync.clone(), unit.to_owned()));
        if started.len() > REMEMBERED {
            started.pop_front();
        }
    }

    fn was_started(&self, sync: &SyncId, unit: &str) -> bool {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.iter().any(|(by, name)| by == sync && name == unit)
    }
}

/// Returns whether this is trueup's own: whoever waits for its restart waits for itself.
fn own(unit: &str) -> bool {
    unit.starts_with("trueup")
}
