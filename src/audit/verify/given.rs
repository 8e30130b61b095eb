use serde::{Deserialize, Serialize};

use crate::audit::{InvalidKey, Note, NoteError, VerifyKey, notes};

/// What a trail is held against: nothing that is told by the trail itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Texts with one note or many, each with the name of where it comes from.
    pub checkpoints: Vec<(String, String)>,
    /// Keys to trust; where there are none, those that the trail names are believed.
    pub keys: Vec<VerifyKey>,
    /// Sizes whose roots are wanted beside: to hold files of the archive against them.
    pub sizes: Vec<u64>,
    /// Records whose payloads were erased, as the whole trail tells: a file of the archive ends before the records that say so.
    #[serde(skip)]
    pub erasures: Vec<u64>,
}

/// What was given is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGiven {
    #[error("{place} holds no checkpoint")]
    Empty { place: String },
    #[error("{text:?} is no key")]
    Key {
        text: String,
        #[source]
        source: InvalidKey,
    },
}

impl Given {
    /// Adds the keys in a text: one on each line, `#` begins a comment.
    ///
    /// # Errors
    /// Where a line is no key, or there is none.
    pub fn trust(&mut self, text: &str) -> Result<(), InvalidGiven> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut none = true;
        for line in lines {
            none = false;
            self.keys.push(line.parse().map_err(|source| InvalidGiven::Key { text: line.into(), source })?);
        }
        if none { Err(InvalidGiven::Key { text: String::new(), source: InvalidKey }) } else { Ok(()) }
    }

    /// Adds the checkpoints in a text.
    ///
    /// # Errors
    /// Where it has not a single one: to be held against nothing proves nothing.
    pub fn hold_against(&mut self, place: &str, text: String) -> Result<(), InvalidGiven> {
        if !notes(&text).iter().any(Result::is_ok) {
            return Err(InvalidGiven::Empty { place: place.into() });
        }
        self.checkpoints.push((place.into(), text));
        Ok(())
    }

    /// Returns each note with its place; one that cannot be read is no reason to pass it over.
    pub(super) fn notes(&self) -> Vec<(String, Result<Note, NoteError>)> {
        let of_one = |(place, text): &(String, String)| {
            let all = notes(text);
            if all.is_empty() {
                return vec![(place.clone(), Err(NoteError::Malformed("it is empty")))];
            }
            let many = all.len() > 1;
            let named = |(n, note)| (if many { format!("{place}, note {}", n + 1) } else { place.clone() }, note);
            all.into_iter().enumerate().map(named).collect::<Vec<_>>()
        };
        self.checkpoints.iter().flat_map(of_one).collect()
    }
}
