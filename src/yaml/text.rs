//! Bytes before they are read, and text before it is shown.

use std::sync::Arc;

use super::{MAX_BYTES, mistake};
use crate::model::{Mistake, Place};

/// Returns the text of a file, without its byte order mark: UTF-8, not too large, and free of the characters that YAML
/// forbids (all controls but tab and line ends), as the reader of a cluster does.
pub(super) fn readable<'a>(file: &Arc<str>, bytes: &'a [u8]) -> Result<&'a str, Mistake> {
    let whole = Place { file: Arc::clone(file), line: 0, column: 0 };
    if bytes.len() > MAX_BYTES {
        let message = format!("expected at most {} MiB, found {} bytes", MAX_BYTES / 1024 / 1024, bytes.len());
        return Err(mistake("yaml.too-large", whole, message, Some("split the file".into())));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let message = "expected UTF-8, found a byte order mark of UTF-16 or UTF-32";
        return Err(mistake("yaml.encoding", whole, message, Some("save the file as UTF-8".into())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let place = place_of(file, bytes, error.valid_up_to());
        mistake("yaml.encoding", place, "expected UTF-8", Some("save the file as UTF-8".into()))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.char_indices().find(|(_, char)| !printable(*char)) {
        None => Ok(text),
        Some((at, char)) => {
            let message = format!("the control character U+{:04X} may not stand in YAML", u32::from(char));
            let hint = Some("write it as an escape in double quotes, or leave it out".into());
            Err(mistake("yaml.control", place_of(file, text.as_bytes(), at), message, hint))
        }
    }
}

/// YAML 1.2, production 1 (c-printable); a byte order mark inside the text is refused too.
fn printable(char: char) -> bool {
    matches!(char,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

fn place_of(file: &Arc<str>, bytes: &[u8], at: usize) -> Place {
    let before = bytes.get(..at).unwrap_or(bytes);
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let lines = before.split(|byte| *byte == b'\n').count();
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
    let saturated = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Place { file: Arc::clone(file), line: saturated(lines), column: saturated(column) }
}

/// Returns `text` in single quotes, shortened, with everything escaped that a terminal or a reader could be misled by.
#[must_use]
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = text.chars().take(LONGEST).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("'{}{dots}'", escaped(&short))
}

/// Returns `text` with controls and invisible characters escaped; quotes stay.
pub(super) fn escaped(text: &str) -> String {
    let escape = |char: char| match char {
        '\'' | '"' => char.to_string(),
        char => char.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

/// Returns the candidate that was probably meant: at most a third of its letters away.
#[must_use]
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return None;
    }
    let close = |candidate: &'a str| {
        let distance = distance(&text.to_lowercase(), &candidate.to_lowercase());
        (distance <= candidate.len().max(3) / 3).then_some((distance, candidate))
    };
    candidates.into_iter().filter_map(close).min().map(|(_, candidate)| candidate)
}

/// The edit distance in which swapping two neighbours is one edit (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_what_was_not_is_not() {
        assert_eq!(nearest("brnach", ["branch", "tag"]), Some("branch"));
        assert_eq!(nearest("Repo", ["Repository", "Target"]), None);
        assert_eq!(nearest("repositroy", ["Repository", "Target"]), Some("Repository"));
        assert_eq!(nearest("x", ["branch", "tag"]), None);
        assert_eq!(nearest("hel", ["heal", "hold"]), Some("heal"));
    }

    #[test]
    fn shown_text_cannot_move_the_cursor_or_turn_the_line_around() {
        assert_eq!(quoted("a\u{1b}[2J\u{202e}b\n"), r"'a\u{1b}[2J\u{202e}b\n'");
        assert_eq!(quoted(&"x".repeat(200)).chars().count(), 63);
    }
}
