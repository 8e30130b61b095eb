//! What is old leaves the store, and what must not be known any more is erased.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Trail;
use crate::agent::Agent;
use crate::agent::problems::store_problem;
use crate::audit::{self, By, EraseError, Retention, Segment};
use crate::model::{Actor, Problem, Time, chain};

/// What moves out by itself goes in files of some size: else each day would leave one.
const LEAST: u64 = 1000;

impl Trail {
    /// Returns how many records are covered by a checkpoint that is at every place; the log has each one.
    fn published(&self) -> u64 {
        let places = self.places.iter().map(|place| place.status().published.unwrap_or(0));
        places.min().or_else(|| self.status().checkpoint).unwrap_or(0)
    }
}

impl Agent {
    /// Moves records into the archive, where there is one, that are older than the configuration says.
    pub(in crate::agent) async fn archive_old(&self) {
        let trail = self.inner.estate.lock().await.config.daemon.trail.clone();
        if trail.archive.is_none() {
            return;
        }
        if let Err(problem) = self.move_out(trail.keep.0, LEAST, Actor::daemon("retention")).await {
            tracing::warn!(code = problem.code, "could not move old records into the archive: {}", problem.title);
        }
    }

    /// `least`: no file is made for fewer records.
    pub(in crate::agent) async fn move_out(
        &self,
        older: Duration,
        least: u64,
        actor: Actor,
    ) -> Result<Vec<Segment>, Problem> {
        let folder = self.inner.estate.lock().await.config.daemon.trail.archive.clone();
        let none = || {
            let problem = Problem::new(409, "trail.no-archive", "no archive is declared");
            problem.hint("name a folder in the Daemon document: trail: { archive: PATH }")
        };
        let folder = folder.ok_or_else(none)?;
        let _alone = self.inner.trail.upkeep.lock().await;
        let ledger = self.ledger().await;
        let now = ledger.clock.now();
        let older = i64::try_from(older.as_micros()).unwrap_or(i64::MAX);
        // Break-glass is what its records say, as long as it is open; what nobody was told of yet is read again, too.
        let keep: BTreeSet<u64> = ledger.glasses.open_records().into_iter().collect();
        let told = ledger.store.told_everywhere().await.map_err(|error| store_problem(&error))?;
        let retention = Retention {
            folder: &folder,
            before: Time(now.0.saturating_sub(older)),
            published: self.inner.trail.published().min(told.unwrap_or(u64::MAX)),
            least,
            keep: &keep,
        };
        let by = By { actor, reason: None, redactor: &ledger.redactor, now };
        audit::archive(&ledger.store, &retention, &by).await.map_err(|error| store_problem(&error))
    }

    pub(in crate::agent) async fn erase_payload(&self, record: u64, reason: &str, actor: Actor) -> Result<(), Problem> {
        let archive = self.inner.estate.lock().await.config.daemon.trail.archive.clone();
        let _alone = self.inner.trail.upkeep.lock().await;
        let ledger = self.ledger().await;
        if ledger.glasses.open_records().contains(&record) {
            let problem =
                Problem::new(409, "break-glass.open", format!("record {record} is of a break-glass that is open"));
            return Err(problem.hint("what it says is in force: `trueup break-glass close` it first"));
        }
        let (reason, now) = (Some(reason.to_owned()), ledger.clock.now());
        let by = By { actor, reason, redactor: &ledger.redactor, now };
        audit::erase(&ledger.store, record, archive.as_deref(), &by).await.map_err(|error| match &error {
            EraseError::Store(error) => store_problem(error),
            EraseError::Unknown(_) => Problem::new(404, "record.unknown", chain(&error)),
            EraseError::Upkeep(_) => Problem::new(409, "record.upkeep", chain(&error)),
            EraseError::Archived { .. } => Problem::new(409, "record.archived", chain(&error)),
            EraseError::Already(_) => Problem::new(409, "record.erased", chain(&error)),
        })
    }
}
