//! Wall time → instants: a zone is stretches of time in which its clock runs evenly, and at their edges it jumps.

use jiff::Timestamp;

use super::Recurrence;

/// What is further away than five years is not looked for.
pub(super) const HORIZON: i64 = 5 * 366 * 24 * 3600 * SECOND;
const SECOND: i64 = 1_000_000;

/// Time during which a clock is off from UTC by one amount. All in microseconds.
#[derive(Clone, Copy)]
struct Stretch {
    /// Its first instant.
    from: i64,
    /// The first instant of the next one.
    until: i64,
    /// What the clock shows is the instant and this.
    offset: i64,
    /// The offset before `from`.
    before: i64,
}

impl Stretch {
    fn wall(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset)
    }

    fn instant(&self, wall: i64) -> i64 {
        wall.saturating_sub(self.offset)
    }
}

/// Returns the nearest instant of which zones are known, with room for a horizon on both sides.
pub(super) fn within(instant: i64) -> i64 {
    const YEAR: i64 = 366 * 24 * 3600 * SECOND;
    instant.clamp(-1_900 * YEAR, 7_900 * YEAR)
}

fn timestamp(instant: i64) -> Timestamp {
    let end = if instant < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(instant).unwrap_or(end)
}

fn microseconds(seconds: i32) -> i64 {
    i64::from(seconds) * SECOND
}

impl Recurrence {
    fn stretch(&self, instant: i64) -> Stretch {
        let at = timestamp(instant);
        let offset = microseconds(self.zone.to_offset(at).seconds());
        // `preceding` means strictly before.
        let from = self.zone.preceding(timestamp(instant.saturating_add(1))).next();
        let from = from.map_or(i64::MIN, |change| change.timestamp().as_microsecond());
        let until = self.zone.following(at).next().map_or(i64::MAX, |change| change.timestamp().as_microsecond());
        let before = match from {
            i64::MIN => offset,
            from => microseconds(self.zone.to_offset(timestamp(from - 1)).seconds()),
        };
        Stretch { from, until, offset, before }
    }

    /// Returns the wall time with which the starts of a stretch begin: what the clock shows a second time was there already.
    fn first(&self, stretch: &Stretch) -> i64 {
        let offset = if self.times.every_hour { stretch.offset } else { stretch.offset.max(stretch.before) };
        stretch.from.saturating_add(offset)
    }

    /// Whether the clock skipped a start as this stretch began.
    fn skipped(&self, stretch: &Stretch) -> bool {
        let (from, until) = (stretch.from.saturating_add(stretch.before), stretch.wall(stretch.from));
        from < until && !self.times.every_hour && self.times.next(from, until).is_some()
    }

    /// Returns the last start in the time before `now` that one opening takes, `now` included.
    pub(super) fn last_start(&self, now: i64) -> Option<i64> {
        // What started then has just ended.
        let floor = now - self.length + 1;
        let mut to = now;
        loop {
            let stretch = self.stretch(to);
            let from = self.first(&stretch).max(stretch.wall(floor));
            if let Some(start) = self.times.last(from, stretch.wall(to)) {
                return Some(stretch.instant(start));
            }
            if stretch.from < floor {
                return None;
            }
            if self.skipped(&stretch) {
                return Some(stretch.from);
            }
            to = stretch.from - 1;
        }
    }

    /// Returns the first start in `from..until`.
    pub(super) fn next_start(&self, mut from: i64, until: i64) -> Option<i64> {
        while from < until {
            let stretch = self.stretch(from);
            if from == stretch.from && self.skipped(&stretch) {
                return Some(from);
            }
            let wall = self.first(&stretch).max(stretch.wall(from));
            let end = stretch.until.min(until);
            if let Some(start) = self.times.next(wall, stretch.wall(end)) {
                return Some(stretch.instant(start));
            }
            from = end;
        }
        None
    }

    /// Returns when the opening that a start begins ends, with all that are joined to it; `None` past the horizon.
    pub(super) fn end(&self, mut start: i64, horizon: i64) -> Option<i64> {
        while start < horizon {
            let stretch = self.stretch(start);
            let wall = stretch.wall(start);
            // A start that the clock skipped is none on the wall.
            if self.times.next(wall, wall + 1).is_some() {
                start = stretch.instant(self.times.joined(wall, stretch.wall(stretch.until.min(horizon))));
            }
            let end = start + self.length;
            match self.next_start(start + 1, end + 1) {
                Some(next) => start = next,
                None => return Some(end).filter(|end| *end <= horizon),
            }
        }
        None
    }
}
