//! Wall time alone: which minutes of which days. No zone is known here.

use jiff::civil::Date;
use jiff::{Timestamp, tz::Offset};

use super::fields::Fields;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The wall times at which openings start. A wall time is the microseconds since 1970 that a clock in UTC would count while
/// it shows that time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Times {
    fields: Fields,
    /// The starts of a day, counted from its midnight, in order; at least one.
    starts: Vec<i64>,
    /// For each start of a day, the last one of that day which is joined to it.
    joined: Vec<usize>,
    length: i64,
    pub every_hour: bool,
}

impl Times {
    /// `length` is how long an opening lasts, in microseconds.
    pub(super) fn new(fields: &Fields, length: i64) -> Self {
        let at = |minute: i64| fields.hours >> (minute / 60) & 1 == 1 && fields.minutes >> (minute % 60) & 1 == 1;
        let starts: Vec<_> = (0..24 * 60).filter(|minute| at(*minute)).map(|minute| minute * MINUTE).collect();
        let mut joined: Vec<_> = (0..starts.len()).collect();
        for at in (1..starts.len()).rev() {
            if starts[at] - starts[at - 1] <= length {
                joined[at - 1] = joined[at];
            }
        }
        Self { fields: *fields, starts, joined, length, every_hour: fields.hours == (1 << 24) - 1 }
    }

    /// Returns the first start in `from..until`.
    pub(super) fn next(&self, from: i64, until: i64) -> Option<i64> {
        let mut day = Day::of(from)?;
        while day.midnight < until {
            if self.on(day.date) {
                let at = self.starts.partition_point(|start| day.midnight + start < from);
                if let Some(start) = self.starts.get(at) {
                    return Some(day.midnight + start).filter(|start| *start < until);
                }
            }
            day = day.tomorrow()?;
        }
        None
    }

    /// Returns the last start in `from..=to`.
    pub(super) fn last(&self, from: i64, to: i64) -> Option<i64> {
        let mut day = Day::of(to)?;
        while day.midnight + DAY > from {
            if self.on(day.date) {
                let after = self.starts.partition_point(|start| day.midnight + start <= to);
                if let Some(start) = after.checked_sub(1).and_then(|at| self.starts.get(at)) {
                    return Some(day.midnight + start).filter(|start| *start >= from);
                }
            }
            day = day.yesterday()?;
        }
        None
    }

    /// Returns the last start before `until` that `start` is joined to, over as many days as it takes.
    pub(super) fn joined(&self, start: i64, until: i64) -> i64 {
        let Some(mut day) = Day::of(start) else { return start };
        let mut last = start;
        let mut at = self.starts.partition_point(|time| day.midnight + time < start);
        loop {
            let Some(end) = self.joined.get(at).copied() else { return last };
            let before = self.starts.partition_point(|time| day.midnight + time < until);
            match before.checked_sub(1) {
                Some(before) if before >= at => last = day.midnight + self.starts[end.min(before)],
                _ => return last,
            }
            if end + 1 < self.starts.len() || before < self.starts.len() {
                return last;
            }
            // On to the next day that has any, unless that is too far away.
            at = 0;
            loop {
                let Some(tomorrow) = day.tomorrow() else { return last };
                day = tomorrow;
                if day.midnight + self.starts[0] - last > self.length {
                    return last;
                }
                if self.on(day.date) {
                    break;
                }
            }
        }
    }

    fn on(&self, date: Date) -> bool {
        let bit = |bits: u64, value: i8| bits >> value & 1 == 1;
        let month = bit(self.fields.months, date.month());
        let day = bit(self.fields.days, date.day());
        let weekday = bit(self.fields.weekdays, date.weekday().to_sunday_zero_offset());
        month && if self.fields.either { day || weekday } else { day && weekday }
    }
}

#[derive(Clone, Copy)]
struct Day {
    date: Date,
    midnight: i64,
}

impl Day {
    /// Returns the day of a wall time; `None` past the years that dates have.
    fn of(time: i64) -> Option<Self> {
        let midnight = time.div_euclid(DAY) * DAY;
        let date = Offset::UTC.to_datetime(Timestamp::from_microsecond(midnight).ok()?).date();
        Some(Self { date, midnight })
    }

    fn tomorrow(self) -> Option<Self> {
        Some(Self { date: self.date.tomorrow().ok()?, midnight: self.midnight + DAY })
    }

    fn yesterday(self) -> Option<Self> {
        Some(Self { date: self.date.yesterday().ok()?, midnight: self.midnight - DAY })
    }
}
