use std::fmt;
use std::sync::Arc;

use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax;

/// A pattern of people takes a few KiB.
const LARGEST: usize = 256 * 1024;
const LONGEST: usize = 1024;

/// A regular expression that takes time in proportion to the text, whatever it says: no groups that look around and no
/// references back. As in RE2, over bytes: it matches anywhere in a text, `\d`, `\w`, `\s` and `(?i)` mean ASCII, and `.` is one
/// byte. A clone is the same one.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    engine: Arc<PikeVM>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    #[error("a pattern has at most {LONGEST} bytes")]
    Length,
    #[error("the pattern is too large once its repetitions are written out")]
    Size,
    /// What the reader of patterns says, on one line.
    #[error("the pattern is not understood: {0}")]
    Syntax(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is none, or takes more memory than a pattern of people does.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        if text.len() > LONGEST {
            return Err(InvalidPattern::Length);
        }
        let thompson = thompson::Config::new().nfa_size_limit(Some(LARGEST)).utf8(false);
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let engine = PikeVM::builder().syntax(syntax).thompson(thompson).build(text).map_err(|error| {
            if error.size_limit().is_some() {
                return InvalidPattern::Size;
            }
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let told = source.unwrap_or_else(|| error.to_string());
            // The reason stands on the last line, below a drawing of the pattern.
            let reason = told.lines().last().unwrap_or_default();
            InvalidPattern::Syntax(reason.trim_start_matches("error: ").to_owned())
        })?;
        Ok(Self { text: text.into(), engine: Arc::new(engine) })
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern occurs in `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.engine.is_match(&mut self.engine.create_cache(), text)
    }

    /// Returns how many states the engine may be in at each byte.
    pub(super) fn states(&self) -> u64 {
        self.engine.get_nfa().states().len() as u64
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
