use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Name;

/// Who did it, or rang for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    pub kind: ActorKind,
    /// Stable identity within its kind: a uid, whom a token speaks for, an e-mail address, the name of the daemon.
    pub subject: String,
    /// For people to read; never compared.
    pub display: String,
    /// Which declared person it was, as far as that could be told then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    UnixUser,
    GitAuthor,
    /// With a token; the subject is the person or robot that it speaks for.
    Token,
    /// Logged in; the subject is the address of their account.
    Login,
    Daemon,
}

impl Actor {
    /// Returns the daemon itself, acting for `reason` (a timer, a poll, a live change, recovery).
    #[must_use]
    pub fn daemon(reason: &str) -> Self {
        Self { kind: ActorKind::Daemon, subject: "trueup".into(), display: reason.into(), person: None }
    }

    #[must_use]
    pub fn unix_user(uid: u32, display: String) -> Self {
        Self { kind: ActorKind::UnixUser, subject: uid.to_string(), display, person: None }
    }

    /// Returns who acts with a token that speaks for this person or robot.
    #[must_use]
    pub fn token(whom: &Name, id: &str) -> Self {
        let display = format!("{whom} (token {id})");
        Self { kind: ActorKind::Token, subject: whom.to_string(), display, person: None }
    }

    /// Returns a person who has logged in with an account.
    #[must_use]
    pub fn login(account: &str, person: &Name) -> Self {
        let display = person.to_string();
        Self { kind: ActorKind::Login, subject: account.into(), display, person: Some(person.clone()) }
    }

    /// Returns what tells this one from everybody else: the person, whatever they came as, where there is one.
    #[must_use]
    pub fn principal(&self) -> String {
        match (&self.person, self.kind) {
            (Some(person), _) => format!("person {person}"),
            (None, ActorKind::UnixUser) => format!("unix-user {}", self.subject),
            (None, ActorKind::GitAuthor) => format!("git-author {}", self.subject),
            (None, ActorKind::Token) => format!("token {}", self.subject),
            (None, ActorKind::Login) => format!("login {}", self.subject),
            (None, ActorKind::Daemon) => format!("daemon {}", self.subject),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ActorKind::Daemon => write!(f, "trueup ({})", self.display),
            ActorKind::UnixUser | ActorKind::GitAuthor | ActorKind::Token | ActorKind::Login => {
                f.write_str(&self.display)
            }
        }
    }
}
