use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a wait may take beyond the deadline of what it waits for: a deadline is noticed, and told of, some time later.
const MARGIN: Duration = Duration::from_mins(1);

/// What a sync waits for just now. A clone is the same.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<Option<Wait>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub what: &'static str,
    pub since: Instant,
    /// It has its own deadline, and answers before this.
    pub until: Instant,
}

impl Progress {
    /// Says that the next thing waits for `what`, which ends by itself within `patience`.
    pub fn waits(&self, what: &'static str, patience: Duration) {
        let since = Instant::now();
        self.set(Some(Wait { what, since, until: since + patience + MARGIN }));
    }

    /// Says that nothing is waited for.
    pub fn idle(&self) {
        self.set(None);
    }

    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, wait: Option<Wait>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = wait;
    }
}

impl Wait {
    /// Whether it should have had its answer by now.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        now > self.until
    }
}
