//! A value as the YAML writer of SOPS (`go.yaml.in/yaml/v3`, `encode.go` and `emitterc.go`) writes it.

use std::fmt::Write as _;

use super::value::Plain;

/// How a value stands in the file.
pub(super) enum Written {
    Line(String),
    /// A literal block: what stands behind the key, and the lines below without their indentation.
    Block {
        header: String,
        lines: String,
    },
}

/// Returns how a value is written; `None` where it is no text. `indent` is what one level takes.
pub(super) fn write(plain: &Plain, indent: usize) -> Option<Written> {
    let line = match plain {
        Plain::Int(int) => int.to_string(),
        Plain::Float(float) => self::float(*float),
        Plain::Bool(bool) => bool.to_string(),
        Plain::Time(time) => time.clone(),
        Plain::Text(_) => return Some(text(plain.text()?, indent)),
        Plain::Comment(_) => return None,
    };
    Some(Written::Line(line))
}

/// Go's `%g`: an exponent of two digits below 1e-4 and from 1e6.
fn float(float: f64) -> String {
    let size = float.abs();
    if size == 0.0 || (1e-4..1e6).contains(&size) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn text(text: &str, indent: usize) -> Written {
    let look = Look::at(text);
    if text.contains('\n') {
        return if look.block { block(text, indent) } else { Written::Line(double_quoted(text)) };
    }
    Written::Line(if is_other(text) {
        double_quoted(text)
    } else if look.plain {
        text.to_owned()
    } else if look.single {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        double_quoted(text)
    })
}

/// Which styles a text may be written in outside of `[]` and `{}` (`yaml_emitter_analyze_scalar`).
struct Look {
    plain: bool,
    single: bool,
    block: bool,
}

impl Look {
    fn at(text: &str) -> Self {
        let mut indicator = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut tab, mut lines, mut break_space, mut space_break) = (false, false, false, false, false);
        let (mut before, mut blank_before) = (None, true);
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let blank_after = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            indicator |= match char {
                '#' => blank_before,
                ':' => blank_after,
                '-' | '?' => before.is_none() && blank_after,
                char => before.is_none() && ",[]{}&*!|>'\"%@`".contains(char),
            };
            tab |= char == '\t';
            special |= char != '\t' && !printable(char);
            lines |= is_break(char);
            break_space |= char == ' ' && before.is_some_and(is_break);
            space_break |= is_break(char) && before == Some(' ');
            blank_before = matches!(char, ' ' | '\t' | '\0') || is_break(char);
            before = Some(char);
        }
        let edge = |char: Option<char>| char.is_some_and(|char| char == ' ' || is_break(char));
        let edges = edge(text.chars().next()) || edge(text.chars().next_back());
        let single = !(break_space || space_break || tab || special);
        Self {
            plain: single && !edges && !lines && !indicator,
            single,
            block: !(text.ends_with(' ') || space_break || special),
        }
    }
}

const fn is_break(char: char) -> bool {
    matches!(char, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// That writer knows no character beyond U+FFFD.
const fn printable(char: char) -> bool {
    matches!(char, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn block(text: &str, indent: usize) -> Written {
    let mut header = String::from("|");
    if text.starts_with([' ', '\n']) {
        header.push_str(&indent.to_string());
    }
    let kept = match text.strip_suffix('\n') {
        None => "-",
        Some(rest) if rest.is_empty() || rest.ends_with(is_break) => "+",
        Some(_) => "",
    };
    header.push_str(kept);
    Written::Block { header, lines: text.strip_suffix('\n').unwrap_or(text).to_owned() }
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    // That writer takes each character of such a text for the mark.
    let marked = text.starts_with('\u{feff}');
    for char in text.chars() {
        let short = match char {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' | '\\' => char,
            '\u{85}' => 'N',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            char if printable(char) && !marked => {
                out.push(char);
                continue;
            }
            char => {
                // Writing to a string cannot fail.
                let _ = match u32::from(char) {
                    code @ ..=0xff => write!(out, "\\x{code:02X}"),
                    code @ ..=0xffff => write!(out, "\\u{code:04X}"),
                    code => write!(out, "\\U{code:08X}"),
                };
                continue;
            }
        };
        out.extend(['\\', short]);
    }
    out + "\""
}

/// Whether a reader of YAML would take bare text for something else than text (`resolve.go`, and what old readers did).
fn is_other(text: &str) -> bool {
    const WORDS: [&str; 40] = [
        "true", "True", "TRUE", "false", "False", "FALSE", "", "~", "null", "Null", "NULL", ".nan", ".NaN", ".NAN",
        ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", "<<", "y", "Y", "yes", "Yes",
        "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF",
    ];
    if WORDS.contains(&text) {
        return true;
    }
    match text.chars().next() {
        Some('.') => is_float(text, false),
        Some('0'..='9' | '+' | '-') => {
            let plain = text.replace('_', "");
            is_time(text) || is_integer(&plain) || is_float(&plain, true) || is_base_60(text)
        }
        _ => false,
    }
}

/// Go's `ParseInt` and `ParseUint` with base 0.
fn is_integer(text: &str) -> bool {
    let (signed, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.starts_with(['+', '-']) {
        return false;
    }
    let Ok(value) = u64::from_str_radix(digits, radix) else { return false };
    let most = i64::MAX.unsigned_abs() + u64::from(text.starts_with('-'));
    !signed || value <= most
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and not beyond what a float holds.
fn is_float(text: &str, sign: bool) -> bool {
    let unsigned = if sign { text.strip_prefix(['+', '-']).unwrap_or(text) } else { text };
    let (number, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = match number.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(number),
    };
    let exponent = exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    fits && exponent && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let loose = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut parts = whole.split(':');
    let first = parts.next().is_some_and(|part| part.starts_with(|char: char| char.is_ascii_digit()) && loose(part));
    let sixtieth = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    first && whole.contains(':') && parts.all(sixtieth) && loose(fraction)
}

/// `2006-1-2`, with a time of day behind `T`, `t` or a space (`parseTimestamp`).
fn is_time(text: &str) -> bool {
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        let fits = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<i16>().ok()).flatten()
    };
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((&text[at..=at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let mut part = |digits| parts.next().and_then(|part| number(part, digits));
    let (Some(year), Some(month), Some(day)) = (part(4..=4), part(1..=2), part(1..=2)) else { return false };
    let small = |n: i16| i8::try_from(n).unwrap_or(-1);
    if jiff::civil::Date::new(year, small(month), small(day)).is_err() {
        return false;
    }
    let Some((mark, time)) = time else { return true };
    let time = if mark == " " {
        time
    } else {
        match (time.strip_suffix('Z'), time.rfind(['+', '-'])) {
            (Some(time), _) => time,
            (None, Some(at)) => {
                let zone = time[at + 1..].split_once(':');
                let fits = zone.is_some_and(|(h, m)| number(h, 2..=2).is_some() && number(m, 2..=2).is_some());
                if fits { &time[..at] } else { return false }
            }
            (None, None) => return false,
        }
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let parts: Vec<_> = time.split(':').map(|part| number(part, 1..=2)).collect();
    let within = matches!(parts[..], [Some(0..24), Some(0..60), Some(0..60)]);
    within && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())
}
