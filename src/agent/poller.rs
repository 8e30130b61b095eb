use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::metrics::Counts;
use crate::model::{Name, Pace, event};
use crate::source::{Head, Polled, Shared};
use crate::store::Store;

/// Looks at one repository, at its interval and with back-off, or when its bell rings, and calls `news` when the followed ref
/// moved or became (un)reachable, or others may sign now.
pub(super) struct Poller {
    pub(super) name: Name,
    pub(super) source: Arc<Shared>,
    pub(super) store: Store,
    pub(super) interval: Duration,
    /// Look now: the hint of a webhook.
    pub(super) bell: Arc<Notify>,
    pub(super) pace: Pace,
    pub(super) counts: Arc<Counts>,
    pub(super) stop: CancellationToken,
}

/// What applications are rung for.
#[derive(PartialEq)]
enum Seen {
    At(Head),
    Wrong(&'static str),
}

impl Poller {
    pub(super) async fn run(mut self, news: impl Fn()) {
        let mut seen = None;
        let mut failures = 0;
        loop {
            if self.store.may_begin().is_err() {
                // What is fetched would take the room of the last records.
                let wait = self.pace.jitter(self.interval);
                tokio::select! {
                    () = sleep(wait) => continue, // a timer holds no data
                    () = self.stop.cancelled() => return, // level-triggered
                }
            }
            let polled = tokio::select! {
                // Dropping a poll loses nothing: the mirror is written by a task that goes on, or not at all.
                polled = self.source.poll(Instant::now()) => polled,
                () = self.stop.cancelled() => return, // level-triggered
            };
            self.counts.polled(&self.name, polled.head.is_ok());
            let now = match &polled.head {
                Ok(head) => {
                    failures = 0;
                    Seen::At(head.clone())
                }
                Err(error) => {
                    failures += 1;
                    Seen::Wrong(error.kind.code())
                }
            };
            if seen.as_ref() != Some(&now) {
                self.say(&polled);
                news();
                seen = Some(now);
            }
            let wait = match failures {
                0 => self.pace.jitter(self.interval),
                failures => self.pace.back_off(self.interval, failures),
            };
            tokio::select! {
                () = sleep(wait) => {} // a timer holds no data
                () = self.bell.notified() => {} // a permit that is not taken stays
                () = self.stop.cancelled() => return, // level-triggered
            }
        }
    }

    /// Says what is new.
    fn say(&self, polled: &Polled) {
        let repository = self.name.as_str();
        match &polled.head {
            Ok(head) => {
                let (event, revision) = (event::REPOSITORY_MOVED.name, head.revision.to_string());
                tracing::info!(event, repository, revision, "{} is at {}", head.reference, head.revision.short());
            }
            Err(error) => {
                let (event, code) = (event::REPOSITORY_FAILED.name, error.kind.code());
                let message = crate::model::chain(error.as_ref());
                tracing::warn!(event, repository, code, "could not follow the repository: {message}");
            }
        }
    }
}
