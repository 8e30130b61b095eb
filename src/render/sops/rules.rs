use super::fault::Fault;
use super::metadata::Metadata;
use crate::expression::Pattern;

/// What SOPS adds where a file names no rule.
const DEFAULT_SUFFIX: &str = "_unencrypted";

/// Which values of a file are encrypted.
pub(super) enum Rules {
    /// Those below a key that this names, or all others.
    Keys { test: Test, encrypted: bool },
    /// Chosen by their comments, which move when a file is edited: what has the form of an encrypted value is one. The MAC holds
    /// either way.
    Form,
}

pub(super) enum Test {
    Suffix(String),
    Pattern(Pattern),
}

impl Rules {
    pub(super) fn new(metadata: &Metadata) -> Result<Self, Fault> {
        let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        let m = metadata;
        let written = [
            (given(&m.unencrypted_suffix), false, false),
            (given(&m.encrypted_suffix), true, false),
            (given(&m.unencrypted_regex), false, true),
            (given(&m.encrypted_regex), true, true),
        ];
        let by_comment = [&m.unencrypted_comment_regex, &m.encrypted_comment_regex].map(given);
        let count = written.iter().filter(|rule| rule.0.is_some()).count() + by_comment.iter().flatten().count();
        if count > 1 {
            return Err(Fault::invalid("its metadata has more than one rule of what is encrypted"));
        }
        if by_comment.iter().any(Option::is_some) {
            return Ok(Self::Form);
        }
        let rule = written.into_iter().find_map(|(text, encrypted, pattern)| Some((text?, encrypted, pattern)));
        let (text, encrypted, pattern) = rule.unwrap_or_else(|| (DEFAULT_SUFFIX.into(), false, false));
        let named = if pattern { Test::Pattern(compile(&text)?) } else { Test::Suffix(text) };
        Ok(Self::Keys { test: named, encrypted })
    }

    /// Returns whether a rule names this key.
    pub(super) fn name(&self, key: &str) -> bool {
        match self {
            Self::Keys { test: Test::Suffix(suffix), .. } => key.ends_with(suffix),
            Self::Keys { test: Test::Pattern(pattern), .. } => pattern.matches(key),
            Self::Form => false,
        }
    }

    pub(super) const fn selected(&self, named: bool) -> Option<bool> {
        match self {
            Self::Keys { encrypted, .. } => Some(named == *encrypted),
            Self::Form => None,
        }
    }
}

/// Go's patterns are RE2's.
fn compile(pattern: &str) -> Result<Pattern, Fault> {
    Pattern::new(pattern).map_err(|_| {
        Fault::invalid(format!("its metadata has a pattern that is not understood: {}", crate::yaml::quoted(pattern)))
    })
}
