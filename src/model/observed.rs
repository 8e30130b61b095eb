use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Digest, ObjectId, Time};

/// What a target can tell of the last change to an object. What it cannot tell is left out, never guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// What became of it, where there is a better word than *changed*: `stopped`, `failed: exit-code`, `disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Who is known of it, with how they are: `owner ada`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// What others made of one object, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub object: ObjectId,
    /// `changed`, `gone`, `replaced` (by a thing of another sort), `there already` (and not ours), or the target's own words.
    pub what: Cow<'static, str>,
    /// Digest of its state as it was last left; `None` where it was not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Digest>,
    /// Digest of its state as it was found; `None` where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Digest>,
    /// Who, as far as the target tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, as far as the target tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

impl Observed {
    /// Says what was found, as a sentence without a full stop.
    #[must_use]
    pub fn sentence(all: &[Self]) -> String {
        let [first, rest @ ..] = all else { return String::new() };
        let known: Vec<_> = first.by.iter().cloned().chain(first.at.map(|at| format!("at {at}"))).collect();
        let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
        let more = match rest.len() {
            0 => String::new(),
            1 => ", and one more object".into(),
            more => format!(", and {more} more objects"),
        };
        format!("found on the target: {} {}{known}{more}", first.object, first.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_is_known_and_nothing_else() {
        let seen = |by: Option<&str>, at| Observed {
            object: ObjectId::new("path", "/etc/motd"),
            what: "changed".into(),
            left: None,
            now: None,
            by: by.map(Into::into),
            at,
        };
        let said = Observed::sentence(&[seen(Some("owner ada"), Some(Time(0)))]);
        assert_eq!(said, "found on the target: path /etc/motd changed (owner ada, at 1970-01-01T00:00:00.000Z)");
        let said = Observed::sentence(&[seen(None, None), seen(None, None), seen(None, None)]);
        assert_eq!(said, "found on the target: path /etc/motd changed, and 2 more objects");
    }
}
