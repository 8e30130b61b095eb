//! Who is who: one person, whichever way they come.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Person, email_identity, key_identity};
use crate::model::{Actor, Name};
use crate::source::{Commit, SignedBy};

/// The people who are declared.
#[derive(Clone, Debug, Default)]
pub struct People {
    groups: BTreeMap<Name, BTreeSet<Name>>,
    unix: BTreeMap<String, Name>,
    emails: BTreeMap<String, Name>,
    keys: BTreeMap<String, Name>,
}

/// Everybody behind some commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authors {
    pub people: BTreeSet<Name>,
    /// Those who are no declared person, as they call themselves.
    pub strangers: BTreeSet<String>,
}

impl People {
    #[must_use]
    pub fn new(declared: &BTreeMap<Name, Person>) -> Self {
        let mut people = Self::default();
        for (name, person) in declared {
            people.groups.insert(name.clone(), person.groups.iter().cloned().collect());
            people.unix.extend(person.unix.iter().map(|user| (user.clone(), name.clone())));
            people.emails.extend(person.emails.iter().map(|email| (email_identity(email), name.clone())));
            people.keys.extend(person.keys.iter().map(|key| (key_identity(key), name.clone())));
        }
        people
    }

    /// Returns the person who has one of these names of a unix user, all of which are one and the same user's.
    #[must_use]
    pub fn unix_user(&self, names: &[&str]) -> Option<&Name> {
        names.iter().find_map(|name| self.unix.get(*name))
    }

    /// Whether a person belongs to one of these groups.
    #[must_use]
    pub fn is_in(&self, person: &Name, groups: &[Name]) -> bool {
        self.groups.get(person).is_some_and(|theirs| groups.iter().any(|group| theirs.contains(group)))
    }

    #[must_use]
    pub fn is_declared(&self, person: &Name) -> bool {
        self.groups.contains_key(person)
    }

    /// Returns the declared person that an actor is.
    #[must_use]
    pub fn person<'a>(&self, actor: &'a Actor) -> Option<&'a Name> {
        actor.person.as_ref().filter(|person| self.is_declared(person))
    }

    /// Returns the person who signed.
    #[must_use]
    pub fn signer(&self, signed: &SignedBy) -> Option<&Name> {
        signed.ids.iter().find_map(|id| self.keys.get(&key_identity(id)))
    }

    /// Returns every author, committer and signer of these commits.
    #[must_use]
    pub fn authors(&self, commits: &[Commit]) -> Authors {
        let mut authors = Authors::default();
        for commit in commits {
            for (name, email) in [(&commit.author, &commit.email), (&commit.committer, &commit.committer_email)] {
                let identity = email_identity(email);
                match self.emails.get(&identity) {
                    Some(person) => authors.people.insert(person.clone()),
                    None if identity.is_empty() => authors.strangers.insert(name.clone()),
                    None => authors.strangers.insert(identity),
                };
            }
            match &commit.signer {
                Some(signed) => match self.signer(signed) {
                    Some(person) => authors.people.insert(person.clone()),
                    None => authors.strangers.insert(signed.shown.clone()),
                },
                None => continue,
            };
        }
        authors
    }
}
