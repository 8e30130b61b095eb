//! What people may do, as it is declared.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Matching;
use crate::model::{Name, Role, matches};

/// What people may do, and with which applications. Declared on the machine alone, and only people who are declared there have it.
/// Root, the daemon's own user and members of `group` of the Daemon have every role over the socket without one of these.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Role")]
pub struct RoleGiven {
    /// What they may do. Every role may see; `admin` may do everything.
    pub role: Role,
    /// People who have it, by the names of their Person documents. At least one of `people` and `groups`.
    #[serde(default)]
    pub people: Vec<Name>,
    /// Groups whose people have it.
    #[serde(default)]
    pub groups: Vec<Name>,
    /// With which applications. Left out: with all, and with what concerns none.
    #[serde(default, rename = "match")]
    pub matches: Matching,
}

/// A role, and with which applications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    pub role: Role,
    #[serde(default, rename = "match")]
    pub matches: Matching,
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("everything");
        }
        let labels = self.labels.iter().map(|(name, value)| format!("{name}={value}"));
        f.write_str(&self.applications.iter().cloned().chain(labels).collect::<Vec<_>>().join(", "))
    }
}

impl Matching {
    /// Whether this is about every application, whatever it is called.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && (self.applications.is_empty() || self.applications.iter().any(|one| one == "*"))
    }

    /// Whether an application is meant.
    #[must_use]
    pub fn fits(&self, application: &Name, labels: &BTreeMap<String, String>) -> bool {
        let named = |pattern: &String| matches(pattern, application.as_str());
        let labelled = self.labels.iter().all(|(name, value)| labels.get(name) == Some(value));
        labelled && (self.applications.is_empty() || self.applications.iter().any(named))
    }

    /// Whether each application that the other means is meant here too, as far as words tell.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let everything = ["*".to_owned()];
        let asked = if other.applications.is_empty() { &everything[..] } else { &other.applications };
        let named = |one: &String| self.applications.iter().any(|pattern| matches(pattern, one));
        (self.applications.is_empty() || asked.iter().all(named))
            && self.labels.iter().all(|(name, value)| other.labels.get(name) == Some(value))
    }
}
