//! When a window is open: five-field cron, a time zone, and a length.
//!
//! The language is that of POSIX `crontab` with the names, steps and `@` words of Vixie cron, and that cron's rule for days:
//! where both day of month and weekday are restricted, either is enough. The crate `cron`, which reads Quartz's language, sees
//! its fields only in the forms that mean the same in both, and is not asked when they come: it skips and doubles at changes
//! of the clock. The rules there are:
//!
//! - A time that the clock skips opens at the next one that exists.
//! - A time that comes twice opens the first time. A schedule of every hour goes by elapsed time instead, as Vixie cron does
//!   with it: it opens in both of two hours of one name, and in no hour that is skipped.
//! - The length is elapsed time: a day in which the clock changes has 23 or 25 hours, whatever a window of `24h` says.

mod fields;
mod times;
mod walk;
mod zone;

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::Time;
use times::Times;

/// The longest that one opening may last.
pub const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Openings that come again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    times: Times,
    zone: TimeZone,
    /// In microseconds.
    length: i64,
}

/// Whether a recurrence is open at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    pub open: bool,
    /// When that changes; `None` where it does not within five years.
    pub until: Option<Time>,
}

/// Why there is no such recurrence, and which of its three parts is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    #[error("{message}")]
    Cron { message: String, hint: Option<String> },
    #[error("{message}")]
    Zone { message: String, hint: Option<String> },
    #[error("expected a length of more than 0 and at most 366d")]
    Length,
}

impl InvalidSchedule {
    /// Returns how to mend it, where that can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Cron { hint, .. } | Self::Zone { hint, .. } => hint.as_deref(),
            Self::Length => None,
        }
    }
}

impl Recurrence {
    /// Reads five fields (minute, hour, day of month, month, weekday) or one of `@hourly`, `@daily`, `@weekly`, `@monthly`,
    /// `@yearly`. `zone` is a name of the IANA database, and `length` how long each opening lasts, counted in microseconds.
    ///
    /// # Errors
    /// When one of the three is not that, or the fields name no day that any year has.
    pub fn new(cron: &str, zone: &str, length: Duration) -> Result<Self, InvalidSchedule> {
        let fields = fields::parse(cron)?;
        let zone = zone::find(zone)?;
        if length > LONGEST {
            return Err(InvalidSchedule::Length);
        }
        match i64::try_from(length.as_micros()) {
            Ok(length @ 1..) => Ok(Self { times: Times::new(&fields, length), zone, length }),
            _ => Err(InvalidSchedule::Length),
        }
    }

    /// Returns whether `now` lies in an opening, and when that changes. An opening lasts from its start until just before the
    /// start and its length; one that begins before another has ended, or as it ends, is one with it.
    #[must_use]
    pub fn at(&self, now: Time) -> Opening {
        let now = walk::within(now.0);
        let horizon = now.saturating_add(walk::HORIZON);
        let (open, until) = match self.last_start(now) {
            Some(start) => (true, self.end(start, horizon)),
            None => (false, self.next_start(now.saturating_add(1), horizon)),
        };
        Opening { open, until: until.map(Time) }
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
