use std::borrow::Cow;

use crate::model::deceives;

/// Returns `text` with everything escaped that could mislead a terminal or its reader: controls (C0, C1, DEL), characters
/// that turn the direction of writing, and those that nobody sees. One line stays one line.
///
/// Whatever others wrote (commits, paths, messages, diffs) goes through here on its way to a terminal.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Like [`printable`], but leaves tabs: for a line of a file's content.
#[must_use]
pub fn printable_content(text: &str) -> Cow<'_, str> {
    escaped(text, |char| char == '\t')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |char: char| deceives(char) && !keep(char);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let escape = |char: char| if bad(char) { char.escape_default().collect() } else { String::from(char) };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sequence_that_a_terminal_obeys_passes() {
        for (text, shown) in [
            ("\u{1b}]0;x\u{7}\u{1b}[2J", r"\u{1b}]0;x\u{7}\u{1b}[2J"),
            ("\u{1b}]52;c;eA==\u{1b}\\", r"\u{1b}]52;c;eA==\u{1b}\"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("good\revil", r"good\revil"),
            ("a\u{202e}b\u{2066}c", r"a\u{202e}b\u{2066}c"),
            ("one\ntwo\tthree", r"one\ntwo\tthree"),
            ("\u{e0041}\u{200b}\u{feff}", r"\u{e0041}\u{200b}\u{feff}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["Grüße, 世界 – ça va?", "e\u{301}", "/etc/nginx/conf.d/site.conf"] {
            assert!(matches!(printable(text), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(printable_content("\tlisten 80;\r"), "\tlisten 80;\\r");
    }
}
