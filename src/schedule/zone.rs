use jiff::tz::{self, TimeZone};

use super::InvalidSchedule;
use crate::yaml::{nearest, quoted};

/// No name of the database is longer.
const LONGEST: usize = 64;

/// Looks a zone up: in the machine's own database, else in the one that is built in.
pub(super) fn find(name: &str) -> Result<TimeZone, InvalidSchedule> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    // "Etc/Unknown" and the like stand for not knowing, and "right/…" counts leap seconds.
    let means = |name: &&str| {
        let lower = name.to_ascii_lowercase();
        !["etc/unknown", "factory", "localtime", "posixrules"].contains(&lower.as_str())
            && !["right/", "posix/"].iter().any(|folder| lower.starts_with(folder))
    };
    let whole = Some(name).filter(|name| name.len() <= LONGEST && name.bytes().all(plain)).filter(means);
    whole.and_then(|name| TimeZone::get(name).ok()).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> InvalidSchedule {
    let known: Vec<_> = tz::db().available().map(|known| known.to_string()).collect();
    // People write the city alone, or blanks.
    let written = name.replace(' ', "_");
    let city = |known: &&String| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&written));
    let meant = known.iter().find(city).map(String::as_str);
    let meant = meant.or_else(|| nearest(&written, known.iter().map(String::as_str)));
    let hint = match meant {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => "write a name such as Europe/Berlin, or UTC".to_owned(),
    };
    InvalidSchedule::Zone { message: format!("no time zone is called {}", quoted(name)), hint: Some(hint) }
}
