//! The machine's clock, for tests that drive a room with it: what it says is not what they are about.

use std::time::{SystemTime, UNIX_EPOCH};

use trueup::model::{Boot, Clock, Time};

pub(crate) struct Machine;

impl Clock for Machine {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn boot(&self) -> Boot {
        Boot { id: "a test".into(), elapsed: self.now().0 }
    }
}
