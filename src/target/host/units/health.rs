//! How units are doing: active, and not restarted for a while.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::manager::{Facts, SERVICE};
use super::{REMEMBERED, Units};
use crate::model::host::{HostSpec, UnitHealth};
use crate::model::{Health, HealthState};
use crate::target::{Asked, Call};

/// A unit that was restarted this often while it was waited for will not settle.
const RESTARTS: u64 = 5;

/// What was seen of a unit since its health was first asked for in a sync.
#[derive(Debug)]
pub(super) struct Seen {
    began: Instant,
    /// Restarts by systemd when it was first seen.
    restarts: u64,
    /// Which run it was, and since when.
    run: (u64, String),
    since: Instant,
}

impl Units {
    /// Returns how a unit is doing; what was seen of it is kept from one question to the next.
    pub(in crate::target::host) async fn health(&self, call: &Call, asked: &Asked<'_>) -> Health {
        let health = |state, message: String| Health { id: asked.id.clone(), state, message };
        let Some(Ok(spec)) = asked.spec.map(HostSpec::from_spec) else {
            return health(HealthState::Healthy, String::new());
        };
        let (unit, running, wanted) = match spec {
            HostSpec::Unit(unit) => (asked.id.name.to_string(), unit.running, unit.health),
            HostSpec::Signal(signal) => (signal.unit, None, signal.health),
            _ => return health(HealthState::Healthy, String::new()),
        };
        // Where nothing was done, what was stopped before stays stopped; what was restarted or reloaded is to be active.
        let running = running.or_else(|| self.was_acted_on(&call.sync, &unit).then_some(true));
        if let Some(why) = self.nobody() {
            return health(HealthState::Unknown, why.into());
        }
        let facts = match self.fact(call, &unit).await {
            Ok(facts) => facts,
            Err(error) => return health(HealthState::Unknown, crate::model::chain(&error)),
        };
        let (state, message) = match (running, facts.active.as_str()) {
            // Not up, and rightly so: nobody asks its probe.
            (Some(false), "inactive" | "failed") | (None, "inactive") => (HealthState::Suspended, String::new()),
            (Some(false), active) => (HealthState::Degraded, format!("it should be stopped and is {active}")),
            (None, "failed") if matches!(asked.id.kind.as_ref(), crate::model::host::UNIT) => {
                (HealthState::Suspended, String::new())
            }
            (_, "inactive") if facts.has_run => (HealthState::Healthy, String::new()),
            (_, "inactive" | "failed") => {
                let restarts = self.restarts(call, &unit, &facts).await;
                let why = self.why(call, &unit).await;
                (HealthState::Degraded, format!("it is {}{restarts}{why}", facts.active))
            }
            _ => self.settling(call, &unit, &facts, &wanted).await,
        };
        health(state, message)
    }

    /// A unit that is up, or on its way.
    async fn settling(&self, call: &Call, unit: &str, facts: &Facts, wanted: &UnitHealth) -> (HealthState, String) {
        let run = match self.properties(call, facts, None).await {
            Ok(properties) => properties.bytes("InvocationID"),
            Err(error) => return (HealthState::Unknown, crate::model::chain(&error)),
        };
        let restarts = self.count(call, facts).await;
        let now = Instant::now();
        let (began, first, since) = self.see(call, unit, (restarts, run), now);
        let again = restarts.saturating_sub(first);
        let settle = Duration::from_millis(wanted.settle);
        if facts.active == "active" && now.duration_since(since) >= settle {
            return (HealthState::Healthy, String::new());
        }
        let message = format!("it is {} ({}), restarted {again} times", facts.active, facts.sub);
        if again >= RESTARTS || now.duration_since(began) >= Duration::from_secs(wanted.timeout.into()) {
            let why = self.why(call, unit).await;
            return (HealthState::Degraded, format!("it does not settle: {message}{why}"));
        }
        (HealthState::Progressing, message)
    }

    /// Notes which run this is; returns when the unit was first seen, with how many restarts, and since when it is this run.
    fn see(&self, call: &Call, unit: &str, run: (u64, String), now: Instant) -> (Instant, u64, Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (call.sync.clone(), unit.to_owned());
        if seen.len() >= REMEMBERED && !seen.contains_key(&key) {
            let oldest = seen.iter().min_by_key(|(_, seen)| seen.began).map(|(key, _)| key.clone());
            oldest.map(|oldest| seen.remove(&oldest));
        }
        let seen =
            seen.entry(key).or_insert_with(|| Seen { began: now, restarts: run.0, run: run.clone(), since: now });
        if seen.run != run {
            (seen.run, seen.since) = (run, now);
        }
        (seen.began, seen.restarts, seen.since)
    }

    /// Returns how long this sync has waited for the probe of an object: since it was first asked this.
    pub(in crate::target::host) fn waited(&self, call: &Call, object: &str) -> Duration {
        let now = Instant::now();
        let (began, ..) = self.see(call, &format!("probe {object}"), (0, String::new()), now);
        now.duration_since(began)
    }

    async fn count(&self, call: &Call, facts: &Facts) -> u64 {
        if !facts.id.ends_with(".service") {
            return 0;
        }
        self.properties(call, facts, Some(SERVICE)).await.map_or(0, |service| service.number("NRestarts"))
    }

    async fn restarts(&self, call: &Call, unit: &str, facts: &Facts) -> String {
        let count = self.count(call, facts).await;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.get(&(call.sync.clone(), unit.to_owned())).map_or(0, |seen| seen.restarts);
        match count.saturating_sub(first) {
            0 => String::new(),
            again => format!(", restarted {again} times"),
        }
    }
}
