use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::audit::note::MARK;
use crate::audit::{InvalidKey, Note, NoteError, VerifyKey, notes};

/// What a trail is held against: nothing that is told by the trail itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// Returns the same in parts that can be asked about one after the other: the checkpoints of each have about `most` bytes, and one
    /// that begins within a text says at which line. See [`super::Report::and`].
    #[must_use]
    pub fn parts(self, most: usize) -> Vec<Self> {
        let Self { checkpoints, keys, sizes, erasures } = self;
        let part = |checkpoints| {
            let (keys, sizes, erasures) = (keys.clone(), sizes.clone(), erasures.clone());
            Self { checkpoints, keys, sizes, erasures }
        };
        let (mut parts, mut bytes, mut of_one) = (vec![], 0, vec![]);
        for (place, text) in checkpoints.into_iter().flat_map(|(place, text)| cut(place, text, most)) {
            if bytes > 0 && bytes + text.len() > most {
                parts.push(part(std::mem::take(&mut of_one)));
                bytes = 0;
            }
            bytes += text.len();
            of_one.push((place, text));
        }
        parts.push(part(of_one));
        parts
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

/// Cuts a text with many notes between them, where it has more than `most` bytes.
fn cut(place: String, text: String, most: usize) -> Vec<(String, String)> {
    if text.len() <= most {
        return vec![(place, text)];
    }
    let (mut parts, mut part, mut began, mut signed) = (vec![], String::new(), 1, false);
    for (number, line) in (1_u64..).zip(text.split_inclusive('\n')) {
        let signs = line.starts_with(MARK);
        if signed && !signs && part.len() + line.len() > most {
            parts.push((format!("{place}, from line {began}"), std::mem::take(&mut part)));
            began = number;
        }
        signed = signs;
        part.push_str(line);
    }
    // The blank line after the last one is no part.
    if !part.trim().is_empty() {
        parts.push((format!("{place}, from line {began}"), part));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::SigningKey;

    #[test]
    fn what_is_too_much_for_one_question_is_asked_in_parts_that_leave_out_nothing() {
        let key = SigningKey::from_seed("log", [1; 32]).unwrap();
        let note = |number: usize| Note::sign(format!("log\n{number}\n"), &[&key]).to_string();
        let file: String = (0..50).map(|number| note(number) + "\n").collect();
        let given = Given {
            checkpoints: vec![("one".into(), note(90)), ("file".into(), file.clone()), ("two".into(), note(91))],
            sizes: vec![7],
            ..Given::default()
        };
        let read = |given: &Given| given.notes().into_iter().map(|(_, note)| note.unwrap()).collect::<Vec<_>>();
        let whole = read(&given);
        for most in [1, note(0).len(), 1000, file.len(), 1 << 20] {
            let parts = given.clone().parts(most);
            assert_eq!(parts.iter().flat_map(read).collect::<Vec<_>>(), whole, "{most}");
            assert!(parts.iter().all(|part| part.sizes == [7]));
            let bytes = |part: &Given| part.checkpoints.iter().map(|(_, text)| text.len()).sum::<usize>();
            assert!(parts.iter().all(|part| bytes(part) <= most + note(0).len() + 1), "{most}");
        }
        assert_eq!(given.clone().parts(1 << 20), std::slice::from_ref(&given));
        let names: Vec<_> = given.parts(1000).into_iter().flat_map(|part| part.notes()).map(|(name, _)| name).collect();
        assert!(names.contains(&"file, from line 1, note 2".into()), "{names:?}");
        assert_eq!(Given::default().parts(1), [Given::default()]);
    }
}
