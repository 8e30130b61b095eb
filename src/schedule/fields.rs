//! Five fields of POSIX cron → the crate `cron` → the values that each field allows.

use std::ops::RangeInclusive;

use cron::{Schedule, TimeUnitSpec};

use super::InvalidSchedule;
use crate::yaml::quoted;

/// Every minute of an hour, written out, has 169.
const LONGEST: usize = 512;

/// What five fields allow, one bit for each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub minutes: u64,
    pub hours: u64,
    pub days: u64,
    pub months: u64,
    /// Bit 0 is Sunday.
    pub weekdays: u64,
    /// Day of month and weekday are both restricted: either is enough.
    pub either: bool,
}

struct Field {
    name: &'static str,
    range: RangeInclusive<u32>,
    /// What values are called, from the first of the range on.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", range: 0..=59, names: &[] },
    Field { name: "hour", range: 0..=23, names: &[] },
    Field { name: "day of month", range: 1..=31, names: &[] },
    Field { name: "month", range: 1..=12, names: &MONTHS },
    Field { name: "weekday", range: 0..=7, names: &WEEKDAYS },
];

const WORDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

fn invalid(message: impl Into<String>, hint: Option<&str>) -> InvalidSchedule {
    InvalidSchedule::Cron { message: message.into(), hint: hint.map(str::to_owned) }
}

pub(super) fn parse(text: &str) -> Result<Fields, InvalidSchedule> {
    if text.len() > LONGEST {
        return Err(invalid(format!("a schedule has at most {LONGEST} characters"), Some("use ranges and steps")));
    }
    let text = text.trim_matches([' ', '\t']);
    let text = match WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, fields)) => fields,
        None if text.starts_with('@') => {
            let message = format!("the word {} is not known", quoted(text));
            return Err(invalid(message, Some("expected @hourly, @daily, @weekly, @monthly or @yearly")));
        }
        None => text,
    };
    let written: Vec<_> = text.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
    let [_, _, day, _, weekday] = written.as_slice() else {
        let message = format!("expected five fields, found {}", written.len());
        return Err(invalid(message, Some("minute, hour, day of month, month, weekday: \"0 15 * * Fri\"")));
    };
    let either = !day.starts_with('*') && !weekday.starts_with('*');
    let mut quartz = "0".to_owned();
    for (field, written) in FIELDS.iter().zip(&written) {
        quartz.push(' ');
        quartz.push_str(&field.quartz(written)?);
    }
    let schedule: Schedule = quartz.parse().map_err(|error: cron::error::Error| {
        invalid(format!("the schedule {} is not understood: {error}", quoted(text)), None)
    })?;
    let fields = Fields {
        minutes: bits(schedule.minutes().iter()),
        hours: bits(schedule.hours().iter()),
        days: bits(schedule.days_of_month().iter()),
        months: bits(schedule.months().iter()),
        // Sunday is 1 there.
        weekdays: bits(schedule.days_of_week().iter()) >> 1,
        either,
    };
    fields.some_day()?;
    Ok(fields)
}

fn bits(values: impl Iterator<Item = u32>) -> u64 {
    values.fold(0, |bits, value| bits | 1_u64.checked_shl(value).unwrap_or(0))
}

impl Fields {
    /// Sees that some year has a day of these.
    fn some_day(&self) -> Result<(), InvalidSchedule> {
        const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let months = LENGTHS.iter().zip(1..).filter(|(_, month)| self.months >> month & 1 == 1);
        let longest = months.map(|(length, _)| *length).max().unwrap_or(0);
        if self.either || self.days.trailing_zeros() <= longest {
            return Ok(());
        }
        Err(invalid("no month of these has such a day", Some("it would never open")))
    }
}

impl Field {
    /// Returns the field as the crate is to see it: what both languages read alike.
    fn quartz(&self, written: &str) -> Result<String, InvalidSchedule> {
        let items: Result<Vec<_>, _> = written.split(',').map(|item| self.item(item)).collect();
        Ok(items?.join(","))
    }

    fn item(&self, written: &str) -> Result<String, InvalidSchedule> {
        let (base, step) = match written.split_once('/') {
            Some((base, step)) => (base, Some(self.step(step)?)),
            None => (written, None),
        };
        let (first, last) = match (base, base.split_once('-')) {
            ("*", _) => {
                // Seven is Sunday a second time.
                let last = if self.is_weekday() { 6 } else { *self.range.end() };
                (*self.range.start(), last)
            }
            (_, Some((first, last))) => self.range(first, last)?,
            (one, None) => {
                let value = self.value(one)?;
                if let Some(step) = step {
                    let hint = format!("write {value}-{}/{step}", self.range.end());
                    return Err(invalid(self.of(written, "a step needs a range or *"), Some(&hint)));
                }
                (value, value)
            }
        };
        let step = step.unwrap_or(1);
        if self.is_weekday() {
            let days = (first..=last).step_by(step);
            let name = |day: u32| WEEKDAYS.get(day as usize % 7).map(|name| &name[..3]);
            return Ok(days.filter_map(name).collect::<Vec<_>>().join(","));
        }
        Ok(if first == last { first.to_string() } else { format!("{first}-{last}/{step}") })
    }

    fn range(&self, first: &str, last: &str) -> Result<(u32, u32), InvalidSchedule> {
        let (start, end) = (self.value(first)?, self.value(last)?);
        // A week may be counted to its Sunday.
        let end = if self.is_weekday() && end == 0 && start > 0 { 7 } else { end };
        if start > end {
            let message = self.of(&format!("{first}-{last}"), "a range begins with the smaller value");
            return Err(invalid(message, Some("write it as a list of two ranges")));
        }
        Ok((start, end))
    }

    fn value(&self, text: &str) -> Result<u32, InvalidSchedule> {
        let (first, last) = (*self.range.start(), *self.range.end());
        let lower = text.to_ascii_lowercase();
        let named = self.names.iter().position(|name| *name == lower || name[..3] == lower);
        let number = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + first).or_else(|| digits(text));
        number.filter(|number| self.range.contains(number)).ok_or_else(|| {
            let ends = self.names.first().zip(self.names.last());
            let words = ends.map(|(one, other)| format!(", or {} to {}", &one[..3], &other[..3]));
            let expected = format!("expected {first} to {last}{}", words.unwrap_or_default());
            invalid(self.of(text, &expected), None)
        })
    }

    fn step(&self, text: &str) -> Result<usize, InvalidSchedule> {
        let most = *self.range.end();
        let step = digits(text).filter(|step| (1..=most).contains(step)).and_then(|step| usize::try_from(step).ok());
        step.ok_or_else(|| invalid(self.of(text, &format!("expected a step of 1 to {most}")), None))
    }

    fn of(&self, found: &str, expected: &str) -> String {
        format!("{} {}: {expected}", self.name, quoted(found))
    }

    fn is_weekday(&self) -> bool {
        self.range == (0..=7)
    }
}

/// Digits of ASCII alone: no sign, no blank, and no more than any value has.
fn digits(text: &str) -> Option<u32> {
    let plain = matches!(text.len(), 1..=3) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
