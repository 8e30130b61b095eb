//! Markdown in which nothing that came from Git, or from anybody, means anything.
//!
//! The Git host reads comments for mentions (`@ada`), references (`#7`, `ops/platform#7`, commit ids, `closes #7`), HTML and Markdown.
//! None of it is read inside a code span or a fence: so all that is not ours stands in one, and cannot end it.

use crate::audit::Redactor;
use crate::model::deceives;

/// A line of somebody else's is not longer.
const LONGEST: usize = 300;

/// Text of others as a code span of one line; what is secret in it is masked.
pub(super) fn span(redactor: &Redactor, text: &str) -> String {
    let text = redactor.mask(text);
    // Once more in one line, where one may stand that went over two.
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = redactor.mask(&line).chars().map(shown).collect();
    if line.chars().count() > LONGEST {
        line = line.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    // Blanks inside keep an empty or blank one a span.
    if line.is_empty() { "` `".into() } else { format!("`{line}`") }
}

/// Text of others as a fenced block; what is secret in it is masked.
pub(super) fn block(redactor: &Redactor, language: &str, text: &str) -> String {
    let text: String = redactor.mask(text).chars().map(|c| if c == '\n' || c == '\t' { c } else { seen(c) }).collect();
    let fence = "`".repeat((longest_run(&text) + 1).max(4));
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}\n")
}

/// In a span nothing is escaped, and a backtick would end it.
fn shown(character: char) -> char {
    if character == '`' { '\u{2cb}' } else { seen(character) }
}

fn seen(character: char) -> char {
    if deceives(character) { '\u{fffd}' } else { character }
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_span_or_a_fence() {
        let redactor = Redactor::new(["s3cr3t-of-the-tests"]);
        for evil in ["`@ada`", "``\n# x", "a\nb\r\nc", "\u{202e}x", "` ` `", "", "   ", "<!-- x", "|", "\u{1b}[2J"] {
            let span = span(&redactor, evil);
            let inside = span.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap();
            assert!(!inside.is_empty() && !inside.contains(['`', '\n', '\r', '\u{1b}', '\u{202e}']), "{span:?}");
        }
        for evil in ["````\n@ada\n````", " `````` \n", "```diff", "~~~\n", "\r````\r"] {
            let block = block(&redactor, "diff", evil);
            let fence = block.lines().next().unwrap().strip_suffix("diff").unwrap();
            let closing =
                |line: &&str| line.trim().strip_prefix(fence).is_some_and(|rest| rest.trim_matches('`').is_empty());
            assert_eq!(block.lines().filter(closing).count(), 1, "{block}");
            assert!(block.ends_with(&format!("\n{fence}\n")) && !block.contains('\r'), "{block}");
        }
        assert_eq!(span(&redactor, "is s3cr3t-of-the-tests"), "`is [redacted]`");
        assert_eq!(span(&Redactor::new(["two words-of-it"]), "two\nwords-of-it"), "`[redacted]`");
        assert!(block(&redactor, "", "+s3cr3t-of-the-tests\n").contains("+[redacted]\n"));
        assert!(span(&redactor, &"x".repeat(1000)).chars().count() <= LONGEST + 2);
    }
}
