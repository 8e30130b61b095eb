//! How a sync goes from room to room, and how long each takes: what metrics and traces are made of.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Clock, SyncId, Time};

/// A room of the house, as a sync passes through it. These words are fixed: they are labels and names of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// Git is asked where the ref is.
    Source,
    /// Signatures are judged, and a tree becomes what is desired.
    Render,
    /// The target is asked what each object is, and would become.
    Preview,
    Plan,
    Policy,
    /// From the intent of the first step to the outcome of the last.
    Execute,
    /// What changed settles.
    Health,
    /// The end is written into the trail.
    Audit,
}

impl Room {
    pub const ALL: [Self; 8] =
        [Self::Source, Self::Render, Self::Preview, Self::Plan, Self::Policy, Self::Execute, Self::Health, Self::Audit];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Render => "render",
            Self::Preview => "preview",
            Self::Plan => "plan",
            Self::Policy => "policy",
            Self::Execute => "execute",
            Self::Health => "health",
            Self::Audit => "audit",
        }
    }
}

/// One room that was passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    pub room: Room,
    pub entered: Time,
    pub took: Duration,
    /// The sync could not go on from here as it was meant to.
    pub failed: bool,
}

/// What one sync passed through, in order. A sync that keeps true or goes back enters some rooms again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub passages: Vec<Passage>,
    /// Of its last execution, where there was one.
    pub sync: Option<SyncId>,
}

/// Who shows where a sync is just now.
type Shown = Arc<dyn Fn(Option<Room>) + Send + Sync>;

/// The way of one application's syncs through the rooms. A clone is the same.
#[derive(Clone)]
pub struct Course {
    clock: Arc<dyn Clock>,
    shown: Shown,
    passed: Arc<Mutex<Passed>>,
}

/// A room that a sync is in. It leaves when this is dropped.
pub struct Inside {
    course: Course,
    room: Room,
    entered: Time,
    since: Instant,
    failed: bool,
}

impl Course {
    /// Returns one that calls `shown` whenever a room is entered or left.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, shown: impl Fn(Option<Room>) + Send + Sync + 'static) -> Self {
        Self { clock, shown: Arc::new(shown), passed: Arc::default() }
    }

    /// Enters a room, until what is returned is dropped.
    #[must_use]
    pub fn enter(&self, room: Room) -> Inside {
        (self.shown)(Some(room));
        Inside { course: self.clone(), room, entered: self.clock.now(), since: Instant::now(), failed: false }
    }

    /// Says by which id the execution is known.
    pub fn executes(&self, sync: &SyncId) {
        self.passed().sync = Some(sync.clone());
    }

    /// Returns what was passed through since this was last asked.
    #[must_use]
    pub fn take(&self) -> Passed {
        std::mem::take(&mut *self.passed())
    }

    fn passed(&self) -> std::sync::MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Leaves, with what came of it.
    pub fn leave<T, E>(mut self, result: &Result<T, E>) {
        self.failed = result.is_err();
    }

    /// Takes note that it did not go well in here.
    pub fn fails(&mut self) {
        self.failed = true;
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let (room, entered, took, failed) = (self.room, self.entered, self.since.elapsed(), self.failed);
        self.course.passed().passages.push(Passage { room, entered, took, failed });
        (self.course.shown)(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Boot;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Time {
            Time(7)
        }

        fn boot(&self) -> Boot {
            Boot { id: "boot".into(), elapsed: 0 }
        }
    }

    #[test]
    fn rooms_are_kept_in_the_order_in_which_they_were_left_and_shown_while_one_is_inside() {
        let shown: Arc<Mutex<Vec<_>>> = Arc::default();
        let seen = shown.clone();
        let course = Course::new(Arc::new(Still), move |room| seen.lock().unwrap().push(room));
        let pause = Duration::from_millis(5);
        for room in [Room::Source, Room::Render] {
            let inside = course.enter(room);
            std::thread::sleep(pause);
            inside.leave(&if room == Room::Render { Err(()) } else { Ok(()) });
        }
        course.executes(&SyncId("s-1".into()));
        let passed = course.take();
        let rooms: Vec<_> =
            passed.passages.iter().map(|passage| (passage.room, passage.entered, passage.failed)).collect();
        assert_eq!(rooms, [(Room::Source, Time(7), false), (Room::Render, Time(7), true)]);
        assert!(passed.passages.iter().all(|passage| passage.took >= pause), "{passed:?}");
        assert_eq!(passed.sync, Some(SyncId("s-1".into())));
        assert_eq!(course.take(), Passed::default(), "the next sync begins with nothing");
        assert_eq!(*shown.lock().unwrap(), [Some(Room::Source), None, Some(Room::Render), None]);
    }
}
