use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use crate::model::Name;
use crate::source::{Head, Shared};

/// Looks at one repository, at its interval and with back-off, and calls `news` when the followed ref moved or became
/// (un)reachable, or others may sign now.
pub(super) struct Poller {
    pub(super) name: Name,
    pub(super) source: Arc<Shared>,
    pub(super) interval: Duration,
    pub(super) pace: Pace,
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
            let polled = tokio::select! {
                // Dropping a poll loses nothing: the mirror is written by a task that goes on, or not at all.
                polled = self.source.poll(Instant::now()) => polled,
                () = self.stop.cancelled() => return, // level-triggered
            };
            let now = match &polled.head {
                Ok(head) => {
                    failures = 0;
                    Seen::At(head.clone())
                }
                Err(error) => {
                    failures += 1;
                    let message = crate::model::chain(error.as_ref());
                    tracing::warn!(repository = %self.name, code = error.kind.code(), error = message, "could not poll");
                    Seen::Wrong(error.kind.code())
                }
            };
            if seen.as_ref() != Some(&now) {
                news();
                seen = Some(now);
            }
            let wait = match failures {
                0 => self.pace.jitter(self.interval),
                failures => self.pace.back_off(self.interval, failures),
            };
            tokio::select! {
                () = sleep(wait) => {} // a timer holds no data
                () = self.stop.cancelled() => return, // level-triggered
            }
        }
    }
}
