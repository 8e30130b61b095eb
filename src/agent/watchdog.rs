//! Whether the daemon makes progress: what the service manager's watchdog is fed by. A wait that is within its own deadline is
//! progress. One application that is past it is told of and gives back its turn, so that it starves nobody; it does not end
//! the daemon. A store that hangs does, and so do as many stuck applications as there are turns: then nothing else is left to
//! try. (A runtime that does not run asks none of this, and feeds nothing.)

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::Agent;
use crate::model::{Name, event};
use crate::sync::{Progress, Wait};

/// Syncs that run at the same time: enough to keep both a slow target and a slow remote from holding up the rest, few enough
/// to bound memory.
const AT_ONCE: usize = 8;

/// Why the daemon makes no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Starved {
    #[error("the store has not answered for {} s", .0.as_secs())]
    Store(Duration),
    #[error("{0} applications are stuck, and no turn is left")]
    Turns(usize),
}

/// Who may sync just now.
pub(super) struct Turns {
    at_once: Arc<Semaphore>,
    seats: Mutex<BTreeMap<Name, Seat>>,
    /// What was found when it was last looked.
    starved: AtomicBool,
}

/// What one application has of the turns while it is busy.
struct Seat {
    progress: Progress,
    /// Given back early where it is stuck.
    permit: Option<OwnedSemaphorePermit>,
    stuck: bool,
}

/// A turn. It ends when dropped.
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    name: Name,
}

impl Default for Turns {
    fn default() -> Self {
        Self { at_once: Arc::new(Semaphore::new(AT_ONCE)), seats: Mutex::default(), starved: AtomicBool::new(false) }
    }
}

impl Turns {
    /// Waits for a turn to sync.
    pub(super) async fn take(&self, name: &Name, progress: &Progress) -> Turn<'_> {
        // The semaphore is never closed; were it, syncing unbounded would be better than not at all.
        let permit = self.at_once.clone().acquire_owned().await.ok();
        self.sit(name, progress, permit)
    }

    /// Begins something that takes no turn, but may get stuck.
    pub(super) fn aside(&self, name: &Name, progress: &Progress) -> Turn<'_> {
        self.sit(name, progress, None)
    }

    /// Whether there was no progress when it was last looked.
    pub(super) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Acquire)
    }

    fn sit(&self, name: &Name, progress: &Progress, permit: Option<OwnedSemaphorePermit>) -> Turn<'_> {
        let seat = Seat { progress: progress.clone(), permit, stuck: false };
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), seat);
        Turn { turns: self, name: name.clone() }
    }

    /// Takes the turn from those that are newly stuck, and returns them with how many are stuck altogether.
    fn look(&self, now: Instant) -> (Vec<(Name, Wait)>, usize) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newly = vec![];
        for (name, seat) in seats.iter_mut() {
            let late = seat.progress.wait().filter(|wait| wait.is_late(now));
            if let (Some(wait), false) = (late, seat.stuck) {
                newly.push((name.clone(), wait));
                seat.permit = None;
            }
            seat.stuck = late.is_some();
        }
        (newly, seats.values().filter(|seat| seat.stuck).count())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut seats = self.turns.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = seats.remove(&self.name) {
            seat.progress.idle();
        }
    }
}

/// Decides whether the watchdog is fed.
fn judge(store: Result<(), Duration>, stuck: usize) -> Result<(), Starved> {
    store.map_err(Starved::Store)?;
    if stuck >= AT_ONCE { Err(Starved::Turns(stuck)) } else { Ok(()) }
}

impl Agent {
    /// Looks whether there is progress, and gives back the turns of those that are stuck. `patience`: how long the store may
    /// take to answer.
    ///
    /// # Errors
    /// When there is none: the watchdog is not to be fed.
    pub async fn progresses(&self, patience: Duration) -> Result<(), Starved> {
        let store = self.inner.store.clone();
        // A task of its own, which goes on: an answer that is only late is taken from the connection all the same. An error is
        // an answer too: what cannot be read now is told by whoever needs it.
        let answer = tokio::spawn(async move { store.answers().await });
        let store = timeout(patience, answer).await.map(|_| ()).map_err(|_| patience);
        let (newly, stuck) = self.inner.turns.look(Instant::now());
        for (name, wait) in newly {
            let (event, app, code) = (event::APPLICATION_STUCK.name, name.as_str(), "sync.stuck");
            let message = format!("stuck: no answer from {} for {} s", wait.what, wait.since.elapsed().as_secs());
            tracing::warn!(event, app, code, "{message}; its turn goes to others");
            self.inner.board.stuck(&name, code, message, self.inner.clock.now());
        }
        let judged = judge(store, stuck);
        self.inner.turns.starved.store(judged.is_err(), Ordering::Release);
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Name {
        format!("app-{number}").parse().unwrap()
    }

    #[test]
    fn a_hung_store_and_as_many_stuck_as_turns_starve_the_watchdog_and_nothing_else_does() {
        let patience = Duration::from_secs(10);
        assert_eq!(judge(Ok(()), 0), Ok(()));
        assert_eq!(judge(Ok(()), AT_ONCE - 1), Ok(()));
        assert_eq!(judge(Ok(()), AT_ONCE), Err(Starved::Turns(AT_ONCE)));
        assert_eq!(judge(Err(patience), 0), Err(Starved::Store(patience)));
    }

    #[tokio::test]
    async fn a_wait_within_its_deadline_is_progress_and_one_beyond_gives_back_its_turn_once() {
        let turns = Turns::default();
        let progress = Progress::default();
        let turn = turns.take(&name(0), &progress).await;
        progress.waits("the target", Duration::from_mins(1));
        assert_eq!(turns.look(Instant::now() + Duration::from_secs(100)), (vec![], 0), "within deadline and margin");
        assert_eq!(turns.at_once.available_permits(), AT_ONCE - 1);
        let late = Instant::now() + Duration::from_secs(121);
        let (newly, stuck) = turns.look(late);
        assert_eq!((newly[0].0.clone(), newly[0].1.what, stuck), (name(0), "the target", 1));
        assert_eq!(turns.at_once.available_permits(), AT_ONCE);
        assert_eq!(turns.look(late), (vec![], 1), "told once, and stuck still");
        progress.waits("health", Duration::from_mins(1));
        assert_eq!(turns.look(Instant::now()), (vec![], 0), "it came back");
        drop(turn);
        assert_eq!((turns.at_once.available_permits(), progress.wait()), (AT_ONCE, None));
    }

    #[tokio::test]
    async fn stuck_applications_keep_nobody_waiting_until_all_turns_are_gone() {
        let turns = Turns::default();
        let mut held = vec![];
        for number in 0..AT_ONCE {
            let progress = Progress::default();
            held.push(turns.take(&name(number), &progress).await);
            progress.waits("the target", Duration::ZERO);
        }
        assert_eq!(turns.at_once.available_permits(), 0);
        let (newly, stuck) = turns.look(Instant::now() + Duration::from_mins(2));
        assert_eq!((newly.len(), judge(Ok(()), stuck)), (AT_ONCE, Err(Starved::Turns(AT_ONCE))));
        assert_eq!(turns.at_once.available_permits(), AT_ONCE);
    }
}
