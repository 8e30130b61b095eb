use std::time::Duration;

use proptest::prelude::*;

use super::{InvalidSchedule, LONGEST, Opening, Recurrence};
use crate::model::Time;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn time(text: &str) -> Time {
    Time(text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_microsecond())
}

fn recurrence(cron: &str, zone: &str, length: Duration) -> Recurrence {
    Recurrence::new(cron, zone, length).unwrap_or_else(|error| panic!("{cron} in {zone}: {error}"))
}

fn at(recurrence: &Recurrence, moment: &str) -> (bool, Option<String>) {
    let Opening { open, until } = recurrence.at(time(moment));
    (open, until.map(|until| until.to_string()))
}

/// Returns the openings of a few days, as an instant and how long each lasts.
fn openings(recurrence: &Recurrence, from: &str, until: &str) -> Vec<String> {
    let (mut now, until) = (time(from), time(until));
    let mut found = vec![];
    while let Opening { open, until: Some(next) } = recurrence.at(now) {
        if open {
            found.push(format!("{} {}m", now, next.since(now).as_secs() / 60));
        }
        if next > until {
            break;
        }
        now = next;
    }
    found
}

#[test]
fn a_freeze_over_the_weekend_goes_by_the_clock_of_its_zone() {
    let freeze = recurrence("0 15 * * Fri", "Europe/Berlin", 65 * HOUR);
    for (moment, open, until) in [
        ("2026-11-20T13:59:59.999999Z", false, "2026-11-20T14:00:00.000Z"),
        ("2026-11-20T14:00:00Z", true, "2026-11-23T07:00:00.000Z"),
        ("2026-11-23T06:59:59.999999Z", true, "2026-11-23T07:00:00.000Z"),
        ("2026-11-23T07:00:00Z", false, "2026-11-27T14:00:00.000Z"),
        // In summer the same hour comes an hour earlier.
        ("2026-07-03T13:00:00Z", true, "2026-07-06T06:00:00.000Z"),
        // The last Sunday of March has 23 hours: 65 of them end at nine.
        ("2027-03-26T14:00:00Z", true, "2027-03-29T07:00:00.000Z"),
    ] {
        assert_eq!(at(&freeze, moment), (open, Some(until.to_owned())), "{moment}");
    }
}

#[test]
fn a_time_that_the_clock_skips_opens_at_the_next_and_one_that_comes_twice_opens_once() {
    let night = recurrence("30 2 * * *", "Europe/Berlin", 20 * MINUTE);
    assert_eq!(
        openings(&night, "2026-03-28T00:00:00Z", "2026-03-30T02:00:00Z"),
        ["2026-03-28T01:30:00.000Z 20m", "2026-03-29T01:00:00.000Z 20m", "2026-03-30T00:30:00.000Z 20m"]
    );
    assert_eq!(
        openings(&night, "2026-10-24T00:00:00Z", "2026-10-26T02:00:00Z"),
        ["2026-10-24T00:30:00.000Z 20m", "2026-10-25T00:30:00.000Z 20m", "2026-10-26T01:30:00.000Z 20m"]
    );
    // A list of hours is as many times of day.
    let list = recurrence("30 1-3 * * *", "Europe/Berlin", 10 * MINUTE);
    assert_eq!(
        openings(&list, "2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z"),
        ["2026-03-29T00:30:00.000Z 10m", "2026-03-29T01:00:00.000Z 10m", "2026-03-29T01:30:00.000Z 10m"]
    );
    // Midnight itself is skipped in Cairo.
    let midnight = recurrence("0 0 * * *", "Africa/Cairo", 10 * MINUTE);
    assert_eq!(
        openings(&midnight, "2026-04-23T12:00:00Z", "2026-04-24T21:30:00Z"),
        ["2026-04-23T22:00:00.000Z 10m", "2026-04-24T21:00:00.000Z 10m"]
    );
    // A whole day was, in Samoa: Friday, 30 December 2011.
    let day = recurrence("0 12 30 12 *", "Pacific/Apia", 10 * MINUTE);
    assert_eq!(openings(&day, "2011-12-01T00:00:00Z", "2011-12-31T20:00:00Z"), ["2011-12-30T10:00:00.000Z 10m"]);
}

#[test]
fn a_schedule_of_every_hour_goes_by_elapsed_time() {
    let hourly = recurrence("15 * * * *", "Europe/Berlin", 10 * MINUTE);
    assert_eq!(openings(&hourly, "2026-10-25T00:00:00Z", "2026-10-25T02:20:00Z").len(), 3);
    assert_eq!(openings(&hourly, "2026-03-29T00:00:00Z", "2026-03-29T02:20:00Z").len(), 3);
    // So that what is always open has no hole where the clock goes back.
    let always = recurrence("@hourly", "Europe/Berlin", HOUR);
    assert_eq!(always.at(time("2026-10-25T01:30:00Z")), Opening { open: true, until: None });
    assert_eq!(recurrence("* * * * *", "Africa/Casablanca", MINUTE).at(time("2026-02-01T00:00:00Z")).until, None);
}

#[test]
fn openings_that_touch_are_one() {
    let day = recurrence("0 0,12 * * *", "UTC", 12 * HOUR);
    assert_eq!(at(&day, "2026-01-01T00:00:00Z"), (true, None));
    let week = recurrence("0 0 * * Mon-Fri", "UTC", 24 * HOUR);
    assert_eq!(at(&week, "2026-11-17T05:00:00Z"), (true, Some("2026-11-21T00:00:00.000Z".into())));
    assert_eq!(at(&week, "2026-11-21T00:00:00Z"), (false, Some("2026-11-23T00:00:00.000Z".into())));
    // Each begins before the one before it has ended.
    let year = recurrence("0 0 1 * *", "UTC", 40 * 24 * HOUR);
    assert_eq!(at(&year, "2026-01-01T00:00:00Z"), (true, None));
    let overlapping = recurrence("0 8-10 * * *", "UTC", 90 * MINUTE);
    assert_eq!(at(&overlapping, "2026-01-01T08:00:00Z"), (true, Some("2026-01-01T11:30:00.000Z".into())));
    // A day of 25 hours is longer than 24.
    let daily = recurrence("@daily", "Europe/Berlin", 24 * HOUR);
    assert_eq!(at(&daily, "2026-10-20T00:00:00Z"), (true, Some("2026-10-25T22:00:00.000Z".into())));
    assert_eq!(at(&daily, "2026-10-25T22:30:00Z"), (false, Some("2026-10-25T23:00:00.000Z".into())));
}

#[test]
fn what_is_further_away_than_five_years_is_not_told() {
    let leap = recurrence("0 0 29 2 *", "UTC", HOUR);
    assert_eq!(at(&leap, "2025-01-01T00:00:00Z"), (false, Some("2028-02-29T00:00:00.000Z".into())));
    // There is none in 2100.
    assert_eq!(at(&leap, "2097-01-01T00:00:00Z"), (false, None));
    let last = recurrence("0 0 31 12 *", "UTC", LONGEST);
    assert_eq!(at(&last, "2026-06-01T00:00:00Z"), (true, None));
    for moment in [i64::MIN, -1, 0, i64::MAX] {
        let Opening { until, .. } = recurrence("0 0 1 1 *", "Europe/Berlin", HOUR).at(Time(moment));
        assert!(until.is_some(), "{moment}");
    }
}

#[test]
fn days_are_joined_as_vixie_cron_does() {
    let days = |cron: &str| {
        let found = openings(&recurrence(cron, "UTC", MINUTE), "2026-11-01T00:00:00Z", "2026-11-30T12:00:00Z");
        found
            .iter()
            .filter(|day| day.contains("2026-11"))
            .map(|day| day[8..10].to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(days("0 0 13 * Fri"), "06 13 20 27");
    assert_eq!(days("0 0 2 * Fri"), "02 06 13 20 27");
    assert_eq!(days("0 0 2 * *"), "02");
    assert_eq!(days("0 0 * * Fri"), "06 13 20 27");
    // A star with a step does not restrict: both have to match.
    assert_eq!(days("0 0 */2 * Fri"), "13 27");
    assert_eq!(days("0 0 1-14 * */5"), "01 06 08 13");
    for sunday in ["0", "7", "Sun", "SUNDAY", "7,0", "0-0", "7-7"] {
        assert_eq!(days(&format!("0 0 * * {sunday}")), "01 08 15 22 29", "{sunday}");
    }
    assert_eq!(days("0 0 * * 1-5"), days("0 0 * * Mon-Fri"));
    assert_eq!(days("0 0 * * 5-7"), days("0 0 * * Fri-Sun"));
    assert_eq!(days("0 0 * * 0-7"), days("0 0 * * *"));
    assert_eq!(days("0 0 * Oct-DECEMBER 2"), days("0 0 * 11 Tue"));
    assert_eq!(days("@weekly"), "01 08 15 22 29");
    assert_eq!(days("@monthly"), "01");
    assert_eq!(days("@yearly"), "");
}

#[test]
fn what_is_no_schedule_is_told_with_what_was_expected() {
    let long = format!("{}0 * * * *", "0,".repeat(10_000));
    let steps = format!("{} * * * *", (0..60).map(|minute| minute.to_string()).collect::<Vec<_>>().join(","));
    assert!(Recurrence::new(&steps, "UTC", HOUR).is_ok());
    for (cron, told) in [
        ("", "expected five fields, found 0"),
        ("0 0 * *", "expected five fields, found 4"),
        ("0 0 0 * * Fri", "expected five fields, found 6"),
        ("@reboot", "the word '@reboot' is not known"),
        ("@DAILY", "the word '@DAILY' is not known"),
        ("60 * * * *", "minute '60': expected 0 to 59"),
        ("* 24 * * *", "hour '24': expected 0 to 23"),
        ("* * 0 * *", "day of month '0': expected 1 to 31"),
        ("* * * 13 *", "month '13': expected 1 to 12, or jan to dec"),
        ("* * * * 8", "weekday '8': expected 0 to 7, or sun to sat"),
        ("* * * * Frid", "weekday 'Frid': expected"),
        ("* * * Fri *", "month 'Fri': expected"),
        ("*/0 * * * *", "minute '0': expected a step of 1 to 59"),
        ("*/60 * * * *", "minute '60': expected a step"),
        ("*/ * * * *", "minute '': expected a step"),
        ("*/1/1 * * * *", "minute '1/1': expected a step"),
        ("5/10 * * * *", "minute '5/10': a step needs a range or *"),
        ("30-10 * * * *", "minute '30-10': a range begins with the smaller value"),
        ("* * * * Sat-Mon", "weekday 'Sat-Mon': a range begins with"),
        ("1-2-3 * * * *", "minute '2-3': expected"),
        ("1, * * * *", "minute '': expected"),
        (",, * * * *", "minute '': expected"),
        ("-1 * * * *", "minute '': expected"),
        ("+1 * * * *", "minute '+1': expected"),
        ("0x1 * * * *", "minute '0x1': expected"),
        ("1.5 * * * *", "minute '1.5': expected"),
        ("** * * * *", "minute '**': expected"),
        ("? * * * *", "minute '?': expected"),
        ("0 0 ? * *", "day of month '?': expected"),
        ("0 0 L * *", "day of month 'L': expected"),
        ("0 0 * * 5#3", "weekday '5#3': expected"),
        ("\u{661} * * * *", "minute '\u{661}': expected"),
        ("\u{ff11} * * * *", "minute '\u{ff11}': expected"),
        ("0\0 * * * *", r"minute '0\0': expected"),
        ("0\u{a0}0 * * *", "expected five fields, found 4"),
        ("0\n0 * * *", "expected five fields, found 4"),
        ("99999999999999999999 * * * *", "minute '99999999999999999999': expected"),
        ("0 0 31 2 *", "no month of these has such a day"),
        ("0 0 31 Feb,Apr,Jun,Sep,Nov *", "no month of these has such a day"),
        ("0 0 30 2 */2", "no month of these has such a day"),
        (&long, "a schedule has at most 512 characters"),
    ] {
        let error = Recurrence::new(cron, "UTC", HOUR).expect_err(cron);
        assert!(matches!(error, InvalidSchedule::Cron { .. }), "{cron}: {error:?}");
        assert!(error.to_string().starts_with(told), "{cron}: {error}");
    }
    let hint = Recurrence::new("5/10 * * * *", "UTC", HOUR).unwrap_err();
    assert_eq!(hint.hint(), Some("write 5-59/10"));
}

#[test]
fn what_is_no_zone_or_length_is_told_apart() {
    for (zone, meant) in [
        ("Berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("new york", "America/New_York"),
    ] {
        let error = Recurrence::new("@daily", zone, HOUR).unwrap_err();
        assert!(matches!(error, InvalidSchedule::Zone { .. }), "{error:?}");
        assert_eq!(error.hint(), Some(format!("did you mean '{meant}'?").as_str()), "{zone}");
    }
    let long = "Europe/".repeat(50);
    for zone in [
        "",
        "../../etc/passwd",
        "/etc/localtime",
        "right/UTC",
        "posix/UTC",
        "localtime",
        "Etc/Unknown",
        "Mars\0",
        &long,
    ] {
        assert!(matches!(Recurrence::new("@daily", zone, HOUR), Err(InvalidSchedule::Zone { .. })), "{zone}");
    }
    for zone in ["UTC", "Etc/GMT+5", "europe/berlin", "America/Argentina/Buenos_Aires"] {
        assert!(Recurrence::new("@daily", zone, HOUR).is_ok(), "{zone}");
    }
    for length in [Duration::ZERO, Duration::from_nanos(999), LONGEST + Duration::from_micros(1), Duration::MAX] {
        assert_eq!(Recurrence::new("@daily", "UTC", length), Err(InvalidSchedule::Length), "{length:?}");
    }
    assert!(
        Recurrence::new("@daily", "UTC", LONGEST).is_ok()
            && Recurrence::new("@daily", "UTC", MINUTE / 60_000_000).is_ok()
    );
}

/// Whatever is asked of it: about 0.1 ms each without optimisation, far more where something is walked minute by minute.
#[test]
fn no_schedule_takes_long_to_ask() {
    let started = std::time::Instant::now();
    for cron in ["* * * * *", "0 0 29 2 *", "@daily", "*/2 */2 * * *", "0 0 1-31/2 * Mon", "59 23 31 12 *"] {
        for length in [MINUTE, HOUR, 24 * HOUR, LONGEST] {
            for zone in ["UTC", "Europe/Berlin", "Africa/Casablanca", "America/New_York"] {
                let recurrence = recurrence(cron, zone, length);
                for day in 0..20 {
                    let _ = recurrence.at(time("2026-01-01T00:00:00Z").plus_seconds(day * 86_400 * 19));
                }
            }
        }
    }
    assert!(started.elapsed() < MINUTE, "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic_or_lie(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "*", "*", "*/", "/", "-", ",", "0", "1", "7", "15", "31", "59", "60", "999", "Fri", "mon", "Dec", "@daily", "?", "L",
                " ", " ", " ", " ", " ", "\t", "\0", "\u{662}", "\u{a0}", "\u{202e}",
            ]),
            0..24,
        ),
        zone in prop_oneof!["UTC|Europe/Berlin|America/New_York|Asia/Tehran", "\\PC{0,12}"],
        length in any::<u64>(),
        now in any::<i64>(),
    ) {
        let text = parts.concat();
        if let Ok(recurrence) = Recurrence::new(&text, &zone, Duration::from_micros(length % (1 << 45))) {
            let now = Time(super::walk::within(now));
            let Opening { open, until } = recurrence.at(now);
            if let Some(until) = until {
                prop_assert!(until > now);
                prop_assert_eq!(recurrence.at(until).open, !open);
                prop_assert_eq!(recurrence.at(Time(until.0 - 1)).open, open);
            }
        }
    }
}
