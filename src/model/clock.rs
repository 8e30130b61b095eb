use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A moment of wall time: microseconds since 1970-01-01T00:00:00Z. It is data for people and records; nothing is ordered by
/// it, and no interval is measured with it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// Returns the time elapsed from `earlier` to this, zero where the clock went backwards.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where wall time comes from. `main` makes the only real one; nothing else in `src` reads it.
pub trait Clock: Send + Sync {
    fn now(&self) -> Time;

    /// Returns how long the machine has been up, which nobody can set.
    fn boot(&self) -> Boot;
}

/// A moment since a start of the machine, sleep included (`CLOCK_BOOTTIME`). Only moments of one start can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Boot {
    /// Which start: the kernel's random id of it.
    pub id: Box<str>,
    /// In microseconds.
    pub elapsed: i64,
}
