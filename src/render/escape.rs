use std::fmt::Write as _;

use crate::model::deceives;

/// Longer text of others is cut: a message is for reading.
const LONGEST: usize = 300;

/// Returns text that came from a repository so that it can be shown: what would move a cursor, reorder a line or hide itself
/// is written as its code point, and what is very long is cut.
pub(super) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        if deceives(character) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_reorders_or_hides_gets_through() {
        assert_eq!(escape("a\u{1b}[2J\n\u{9b}b\u{202e}c\u{feff}"), "a\\u{1b}[2J\\u{a}\\u{9b}b\\u{202e}c\\u{feff}");
        assert_eq!(escape("ÄÖ 漢字 `x`"), "ÄÖ 漢字 `x`");
        assert_eq!(escape(&"x".repeat(5000)).chars().count(), LONGEST + 1);
    }
}
