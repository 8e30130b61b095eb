use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A name, in which `*` stands for any part of one, or none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Glob(pub String);

impl Glob {
    /// Returns whether all of `name` is what this stands for.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }

    /// Returns whether this stands for one name alone.
    #[must_use]
    pub fn is_name(&self) -> bool {
        !self.0.contains('*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Glob {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 4096, "examples": ["web-*"] })
    }
}

pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on when the rest does not match: behind the last `*`, one more byte taken by it.
    let (mut at, mut seen, mut back) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == text[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match &mut back {
                Some((star, taken)) => {
                    *taken += 1;
                    (at, seen) = (*star, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, same) in [
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "axxbc", false),
            ("*", "", true),
            ("a*b*c", "abbc", true),
            ("a", "a*", false),
            ("a-*", "*-b", false),
        ] {
            assert_eq!(Glob(pattern.into()).matches(text), same, "{pattern} {text}");
        }
    }
}
