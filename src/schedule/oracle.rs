//! Another reader of cron, `croner`, held against this one: what starts, what is open, and when that changes.

use std::collections::BTreeSet;
use std::time::Duration;

use croner::parser::CronParser;
use croner::{Cron, Direction};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use proptest::prelude::*;
use proptest::sample::select;

use super::{Opening, Recurrence};
use crate::model::Time;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Their clocks change at different hours, by half an hour, at midnight, in the south, never; or are off by odd minutes.
const ZONES: [&str; 12] = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "UTC",
];

fn croner(text: &str, both: bool) -> Cron {
    CronParser::builder().dom_and_dow(both).build().parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns the starts in `from..=to`. Croner knows two sorts of jobs, as Vixie cron does: those at one time of day, which are
/// never lost and never doubled, and others, which go by elapsed time. A schedule of certain hours is a set of the first.
fn expected(fields: &Written, zone: &str, from: i64, to: i64) -> BTreeSet<i64> {
    let [minute, hour, day, month, weekday] = &fields.0;
    let both = day.starts_with('*') || weekday.starts_with('*');
    let days = format!("{day} {month} {weekday}");
    let times = if hour == "*" {
        vec![format!("{minute} *")]
    } else {
        let values = |field: &str, to: u32| (0..to).filter(|value| listed(field, *value)).collect::<Vec<_>>();
        let (minutes, hours) = (values(minute, 60), values(hour, 24));
        hours.iter().flat_map(|hour| minutes.iter().map(move |minute| format!("{minute} {hour}"))).collect()
    };
    let zone = TimeZone::get(zone).unwrap();
    let begin = Zoned::new(Timestamp::from_microsecond(from).unwrap(), zone);
    let mut starts = BTreeSet::new();
    for time in times {
        let text = format!("{time} {days}");
        let found = croner(&text, both).iter_from(begin.clone(), Direction::Forward);
        starts.extend(found.map(|at| at.timestamp().as_microsecond()).take_while(|at| *at <= to));
    }
    starts
}

/// Reads what [`written`] writes: numbers and ranges.
fn listed(field: &str, value: u32) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').map_or((item, 1), |(range, step)| (range, step.parse().unwrap()));
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None if range == "*" => (0, 59),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        (first..=last).contains(&value) && (value - first).is_multiple_of(step)
    })
}

#[derive(Clone, Debug)]
struct Written([String; 5]);

/// A field of up to three numbers and ranges, or one of `whole`.
fn field(first: u32, last: u32, whole: &'static [&'static str]) -> impl Strategy<Value = String> {
    let item = (first..=last, first..=last, 1_u32..6, 0..4).prop_map(move |(a, b, step, form)| match form {
        0 => format!("{}-{}", a.min(b), a.max(b).min(a.min(b) + 3)),
        1 => format!("{}-{}/{step}", a.min(b), a.max(b).min(a.min(b) + 9)),
        _ => a.to_string(),
    });
    let several = proptest::collection::vec(item, 1..3).prop_map(|items| items.join(","));
    prop_oneof![select(whole).prop_map(str::to_owned), several]
}

fn written() -> impl Strategy<Value = Written> {
    let minute = field(0, 59, &["0", "30", "*/20"]);
    let hour = field(0, 23, &["*", "2", "1-3", "0", "23", "*/6"]);
    let day = field(1, 31, &["*", "*", "*/2", "1", "29-31"]);
    let month = field(1, 12, &["*", "*", "3,10", "Mar-Nov", "OCT", "2"]);
    let weekday = field(0, 7, &["*", "*", "*/2", "1-5", "Sun", "5-7", "mon,Fri", "7"]);
    (minute, hour, day, month, weekday).prop_map(|(a, b, c, d, e)| Written([a, b, c, d, e]))
}

/// Some instant of the years 2000 to 2039: half of the time near to a change of the clock.
fn instant(zone: &str, day: i64, near: bool) -> i64 {
    let at = Timestamp::from_second(946_684_800).unwrap().as_microsecond() + day * DAY;
    let zone = TimeZone::get(zone).unwrap();
    let change = zone.following(Timestamp::from_microsecond(at).unwrap()).next();
    match change {
        Some(change) if near => change.timestamp().as_microsecond() + day % 48 * HOUR - 24 * HOUR,
        _ => at,
    }
}

/// Joins starts to openings, and says what holds at `now`.
fn opening(starts: &BTreeSet<i64>, length: i64, now: i64) -> Opening {
    let Some(last) = starts.range(..=now).next_back().filter(|last| now < **last + length) else {
        return Opening { open: false, until: starts.range(now + 1..).next().copied().map(Time) };
    };
    let end = starts.range(last..).fold(last + length, |end, start| if *start <= end { start + length } else { end });
    Opening { open: true, until: Some(Time(end)) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_opens_when_croner_starts(
        fields in written(),
        zone in select(&ZONES[..]),
        day in 0_i64..14_600,
        near in any::<bool>(),
        length in prop_oneof![1_i64..600, 600_i64..4_000],
    ) {
        let text = fields.0.join(" ");
        let length = length * 60_000_000;
        let recurrence = match Recurrence::new(&text, zone, Duration::from_micros(u64::try_from(length).unwrap())) {
            Ok(recurrence) => recurrence,
            Err(error) => {
                prop_assert!(error.to_string().contains("no month of these"), "{}: {}", text, error);
                return Ok(());
            }
        };
        let now = instant(zone, day, near);
        // Far enough to see the end of what begins near `now`.
        let (from, to) = (now - length - DAY, now + length + 6 * DAY);
        let starts = expected(&fields, zone, from, to);
        let mut found = BTreeSet::new();
        let mut next = from;
        while let Some(start) = recurrence.next_start(next, to + 1) {
            found.insert(start);
            next = start + 1;
        }
        let shown = |starts: &BTreeSet<i64>| starts.iter().map(|start| Time(*start).to_string()).collect::<Vec<_>>();
        prop_assert_eq!(shown(&found), shown(&starts), "{} in {}", text, zone);
        for at in [now, now + HOUR / 2, now + 25 * HOUR] {
            let (is, should) = (recurrence.at(Time(at)), opening(&starts, length, at));
            prop_assert_eq!(is.open, should.open, "{} in {} at {}", text, zone, Time(at));
            // What lies past the starts that were asked for is not known here.
            match should.until.filter(|until| until.0 + length <= to) {
                Some(until) => prop_assert_eq!(is.until, Some(until), "{} in {} at {}", text, zone, Time(at)),
                None => prop_assert!(is.until.is_none_or(|until| until.0 + length > to), "{} in {}: {:?}", text, zone, is),
            }
        }
    }
}
