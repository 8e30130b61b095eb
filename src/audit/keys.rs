use std::collections::HashSet;

use super::body::TrailBody;
use super::key::VerifyKey;
use super::note::Note;
use super::statement::Statement;
use super::upkeep::told;
use crate::store::{Readable, StoreError, StoreErrorKind};

/// The keys that sign, or have signed, for a trail: as its own records introduce them, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    all: Vec<Introduced>,
    /// Checkpoints that a person has decided to go on without.
    pub(super) forgone: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Introduced {
    key: VerifyKey,
    /// The key before, where it signed for this one.
    after: Option<VerifyKey>,
    /// How many records there were before the one that introduces it.
    size: u64,
    /// The statement, as that record has it.
    note: String,
}

impl Keys {
    /// Returns the keys that the trail in a store names.
    ///
    /// # Errors
    /// `store.damaged` where a record that names one is not what was written.
    pub async fn of(store: &impl Readable) -> Result<Self, StoreError> {
        let mut keys = Self::default();
        for body in told(store).await? {
            if let TrailBody::Key { statement, forgone, .. } = body {
                let damaged = |why| StoreError::new(StoreErrorKind::Damaged, format!("the trail is damaged: {why}"));
                keys.add(&statement).map_err(damaged)?;
                keys.forgone.extend(forgone);
            }
        }
        Ok(keys)
    }

    /// Adds what a statement introduces, and returns the statement.
    ///
    /// # Errors
    /// With the reason why nobody is to believe it.
    pub(super) fn add(&mut self, note: &str) -> Result<Statement, String> {
        let statement =
            Note::parse(note).and_then(|note| Statement::verify(&note)).map_err(|error| error.to_string())?;
        let (key, after) = (statement.key.clone(), statement.after.clone());
        self.all.push(Introduced { key, after, size: statement.head.size, note: note.to_owned() });
        Ok(statement)
    }

    /// Returns the key that signs now; `None` where none has ever signed.
    #[must_use]
    pub fn newest(&self) -> Option<&VerifyKey> {
        self.all.last().map(|introduced| &introduced.key)
    }

    pub fn iter(&self) -> impl Iterator<Item = &VerifyKey> {
        self.all.iter().map(|introduced| &introduced.key)
    }

    /// Returns the statement of each key.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes_before(u64::MAX)
    }

    /// Returns the statements of the keys that the first `size` records introduce.
    pub(super) fn notes_before(&self, size: u64) -> Vec<String> {
        let before = self.all.iter().filter(|introduced| introduced.size < size);
        before.map(|introduced| introduced.note.clone()).collect()
    }

    /// Returns `anchors`, and every key that a chain of statements links with one of them: each was signed for by both.
    #[must_use]
    pub fn linked(&self, anchors: &[VerifyKey]) -> Vec<VerifyKey> {
        let mut linked: HashSet<&VerifyKey> = anchors.iter().collect();
        let links = || self.all.iter().filter_map(|introduced| Some((&introduced.key, introduced.after.as_ref()?)));
        for (key, after) in links().rev() {
            if linked.contains(key) {
                linked.insert(after);
            }
        }
        for (key, after) in links() {
            if linked.contains(after) {
                linked.insert(key);
            }
        }
        linked.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Head, SigningKey};
    use crate::model::Digest;

    #[test]
    fn trust_goes_along_statements_that_both_keys_signed() {
        let signing: Vec<_> = (0..4).map(|seed| SigningKey::from_seed("log", [seed; 32]).unwrap()).collect();
        let public: Vec<_> = signing.iter().map(|key| key.public().clone()).collect();
        let head = Head { size: 0, root: Digest::of(b"") };
        let mut keys = Keys::default();
        // The third was lost, and the fourth introduced by itself.
        for (new, old) in [(0, None), (1, Some(0)), (2, Some(1)), (3, None)] {
            let note = Statement::sign(head, &signing[new], old.map(|old: usize| &signing[old]));
            keys.add(&note.to_string()).unwrap();
        }
        assert_eq!(keys.newest(), Some(&public[3]));
        let linked = |anchors: &[VerifyKey]| keys.linked(anchors).into_iter().collect::<HashSet<_>>();
        for anchor in 0..3 {
            assert_eq!(linked(&public[anchor..=anchor]), public[..3].iter().cloned().collect());
        }
        assert_eq!(linked(&public[3..]), public[3..].iter().cloned().collect());
        assert!(linked(&[]).is_empty());
    }
}
