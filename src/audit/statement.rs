use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Head;
use super::key::{SigningKey, VerifyKey};
use super::note::{Note, NoteError};
use crate::model::Digest;

/// What the text begins with. No checkpoint has a key where its size would stand.
const FIRST: &str = "trueup.dev/key/v1";

/// What introduces a key: it signs for the trail from this head on, in place of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) key: VerifyKey,
    /// The key that it follows, and that signed this too.
    pub(super) after: Option<VerifyKey>,
    /// What the trail was before the record that says so.
    pub(super) head: Head,
}

impl Statement {
    /// Signs with the new key, and with the one before where that is at hand.
    pub(super) fn sign(head: Head, new: &SigningKey, old: Option<&SigningKey>) -> Note {
        let after = old.map_or_else(|| "first".into(), |old| format!("after {}", old.public()));
        let root = BASE64.encode(head.root.as_bytes());
        let text = format!("{FIRST}\n{}\n{after}\n{}\n{root}\n", new.public(), head.size);
        Note::sign(text, &[Some(new), old].into_iter().flatten().collect::<Vec<_>>())
    }

    /// Reads a statement that every key which it names has signed.
    ///
    /// # Errors
    /// Where it is not one.
    pub(super) fn verify(note: &Note) -> Result<Self, NoteError> {
        let malformed = || NoteError::Malformed("it introduces no key");
        let statement = Self::parse(note.text()).ok_or_else(malformed)?;
        for key in [Some(&statement.key), statement.after.as_ref()].into_iter().flatten() {
            note.verify([key])?;
        }
        Ok(statement)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let [FIRST, key, after, size, root] = lines.as_slice() else { return None };
        let after = match *after {
            "first" => None,
            after => Some(after.strip_prefix("after ")?.parse().ok()?),
        };
        let root: [u8; 32] = BASE64.decode(root).ok()?.try_into().ok()?;
        let head = Head { size: size.parse().ok()?, root: Digest::from_bytes(root) };
        Some(Self { key: key.parse().ok()?, after, head })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_introduced_by_itself_and_by_the_one_before() {
        let key = |seed| SigningKey::from_seed("log", [seed; 32]).unwrap();
        let (old, new) = (key(1), key(2));
        let head = Head { size: 7, root: Digest::of(b"root") };
        let first = Statement { key: old.public().clone(), after: None, head };
        assert_eq!(Statement::verify(&Statement::sign(head, &old, None)), Ok(first));
        let note = Statement::sign(head, &new, Some(&old));
        let next = Statement { key: new.public().clone(), after: Some(old.public().clone()), head };
        assert_eq!(Statement::verify(&note), Ok(next));
        // Without the old key's own signature the new one could introduce itself.
        let text = note.text().to_owned();
        assert_eq!(Statement::verify(&Note::sign(text.clone(), &[&new])), Err(NoteError::Unknown));
        assert_eq!(Statement::verify(&Note::sign(text, &[&old])), Err(NoteError::Unknown));
        let checkpoint = crate::audit::Checkpoint::sign(head, &[&new]);
        assert!(matches!(Statement::verify(&checkpoint), Err(NoteError::Malformed(_))));
        assert!(matches!(crate::audit::Checkpoint::parse(&note), Err(NoteError::Malformed(_))));
    }
}
