use std::time::Duration;

use tokio::time::sleep;

use super::Agent;
use super::estate::StartError;
use crate::audit::{BreakGlassBody, Glass, GlassEvent};
use crate::model::{Actor, BreakGlassEnd, Time};

/// The clocks are looked at this often while one is open: whoever sets one gains no more than this.
const LOOK: Duration = Duration::from_secs(15);
/// An end that could not be recorded is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// People are reminded when a tenth is left, and no earlier than this before the end, in seconds.
const EARLIEST_REMINDER: i64 = 15 * 60;

impl Agent {
    /// Reminds of break-glass and ends it, until the daemon stops. Nothing wakes while none is open.
    pub(super) fn keep_glass(&self) {
        let agent = self.clone();
        self.inner.tasks.spawn(async move {
            loop {
                let wait = agent.look_at_glass().await;
                tokio::select! {
                    () = rest(wait) => {} // a timer holds no data
                    () = agent.inner.glass_changed.notified() => {} // a permit that is not taken stays
                    () = agent.inner.stop.cancelled() => return, // level-triggered
                }
            }
        });
    }

    /// Ends what a start finds to be over; and all of it, where the clock stands before the last record: how long it has lasted
    /// cannot be told.
    ///
    /// # Errors
    /// When it cannot be written down: it would go on counting.
    pub(super) async fn end_stale_glass(&self, last_record: Option<Time>) -> Result<(), StartError> {
        let set_back = last_record.is_some_and(|last| self.inner.clock.now() < last);
        for glass in self.inner.glasses.all().into_iter().filter(Glass::is_open) {
            let over = glass.opening.ended(self.inner.clock.now(), &self.inner.clock.boot());
            if let Some(end) = if set_back { Some(BreakGlassEnd::ClockSetBack) } else { over } {
                let ended = self.end_glass(&glass, end, &Actor::daemon("expiry")).await;
                ended.map_err(|problem| StartError::BreakGlass { id: glass.opening.id.clone(), why: problem.title })?;
            }
        }
        Ok(())
    }

    /// Does what is due, and returns when to look again; never, where none is open.
    async fn look_at_glass(&self) -> Option<Duration> {
        let mut wait = None;
        for glass in self.inner.glasses.all().into_iter().filter(Glass::is_open) {
            let (now, boot) = (self.inner.clock.now(), self.inner.clock.boot());
            if let Some(end) = glass.opening.ended(now, &boot) {
                if !self.expire(&glass, end).await {
                    wait = Some(AGAIN);
                }
                continue;
            }
            let reminder = reminder(&glass);
            if !glass.reminded && now >= reminder {
                let body = BreakGlassBody::new(&glass.opening.id, GlassEvent::Reminded);
                let _ = self.record_glass(&glass.opening.applications, &Actor::daemon("reminder"), body).await;
            }
            let next = if now < reminder { reminder } else { glass.opening.until() };
            let soon = next.since(now).max(Duration::from_millis(1)).min(LOOK);
            wait = Some(wait.map_or(soon, |wait: Duration| wait.min(soon)));
        }
        wait
    }

    /// Returns whether the end is recorded. Without its record it counts no more all the same.
    async fn expire(&self, glass: &Glass, end: BreakGlassEnd) -> bool {
        let Err(problem) = self.end_glass(glass, end, &Actor::daemon("expiry")).await else { return true };
        // A person may have ended it meanwhile.
        if self.inner.glasses.get(&glass.opening.id.0).is_none_or(|glass| !glass.is_open()) {
            return true;
        }
        tracing::error!(id = %glass.opening.id, code = %problem.code, error = %problem.title, "could not record the end of a break-glass");
        false
    }
}

/// Returns when to remind people of its end.
fn reminder(glass: &Glass) -> Time {
    let left = (i64::from(glass.opening.lasts) / 10).min(EARLIEST_REMINDER);
    glass.opening.until().plus_seconds(-left)
}

async fn rest(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
