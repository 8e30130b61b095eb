//! What is declared in Git: where it lies, how far it reaches, and whose word changes what judges.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppSource, Application, Declared, Span, SyncPolicy, key_identity};
use crate::model::Name;

/// Applications, policies and people that are declared in Git, so that a new application needs no edit on this machine. What
/// decides trust stays here: Git narrows it, and never widens it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FromGit {
    /// The name of a Repository document.
    pub repository: Name,
    /// The folder whose `*.yaml` and `*.yml` files declare them, with all folders below; `.` is the whole repository.
    pub path: String,
    /// Changes take effect by themselves; otherwise each plan waits for an approval.
    #[serde(default = "yes")]
    pub automatic: bool,
    /// How far applications that are declared there reach. What is left out is out of reach.
    #[serde(default)]
    pub allow: Reach,
    /// Whose word changes policies and people that are declared there. Without any, none can be.
    #[serde(default)]
    pub accept: Accept,
}

/// How far applications that are declared in Git reach: never beyond what their target allows, and never to what the daemon
/// itself lives by.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Reach {
    /// Targets that they may name.
    pub targets: Vec<Name>,
    /// Repositories that their files may come from, beside the one that declares them.
    pub repositories: Vec<Name>,
    /// Absolute paths below which they may write.
    pub paths: Vec<PathBuf>,
    /// systemd units that they may act on, by name; `*` stands for any part of one.
    pub units: Vec<String>,
    /// Programs, by absolute path, that their checks, validators, probes and handlers may run.
    pub commands: Vec<PathBuf>,
}

/// Whose word changes policies and people. Any of them is enough.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Accept {
    /// Who signs the revision: the fingerprint of a key (`SHA256:…`, or that of an OpenPGP key), or a principal of
    /// `allowedSigners`. The repository needs `verify`.
    pub signed_by: Vec<String>,
    /// Who approves the plan: Person documents of this machine.
    pub people: Vec<Name>,
}

/// Asks that the glass be broken: over policies, or for edits by hand. It only asks: nothing of it counts before a person opens
/// it with `trueup break-glass open --request NAME`. Declared in Git alone.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "BreakGlass")]
pub struct BreakGlassRequest {
    /// On which applications.
    #[schemars(length(min = 1))]
    pub applications: Vec<Name>,
    /// Over which policies. Exactly one of `policies` and `liveEdit`.
    #[serde(default)]
    pub policies: Vec<Name>,
    /// Which objects are edited by hand, by name; `*` stands for any part of one.
    #[serde(default)]
    pub live_edit: Vec<String>,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
    /// Where more is written of it.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub ticket: Option<String>,
    /// For how long, from when it is opened: from `1m` to `7d`.
    #[serde(rename = "for")]
    pub length: Span,
}

const fn yes() -> bool {
    true
}

impl FromGit {
    /// Returns the application that keeps the declarations: one like any other, on a target that is built in.
    #[must_use]
    pub fn application(&self) -> Declared<Application> {
        let source = AppSource { repository: self.repository.clone(), path: Some(self.path.clone()), paths: vec![] };
        let sync = SyncPolicy { automatic: self.automatic, ..SyncPolicy::default() };
        Declared { labels: [].into(), spec: Application { source, target: Name::declarations(), sync } }
    }

    /// Whether an application that is declared in Git may take its files from a repository.
    #[must_use]
    pub fn takes_from(&self, repository: &Name) -> bool {
        *repository == self.repository || self.allow.repositories.contains(repository)
    }
}

impl Accept {
    /// Whether one of these, which all name the same signer, is among those whose signature is enough.
    #[must_use]
    pub fn takes(&self, ids: &[String]) -> bool {
        let named = |id: &String| self.signed_by.iter().any(|one| key_identity(one) == key_identity(id));
        ids.iter().any(named)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use super::*;

    #[test]
    fn a_signer_is_taken_by_each_of_its_names_and_by_nothing_like_them() {
        let print = "0123456789ABCDEF0123456789ABCDEF01234567";
        let accept =
            Accept { signed_by: vec!["ada@example.org".into(), "SHA256:abc".into(), print.into()], people: vec![] };
        for one in ["ada@example.org", "SHA256:abc", "SHA256:abc=", &print.to_lowercase()] {
            assert!(accept.takes(&["other".into(), one.into()]), "{one}");
        }
        for one in ["Ada@example.org", "da@example.org", "SHA256:ABC", "SHA256:ab", ""] {
            assert!(!accept.takes(&[one.into()]), "{one}");
        }
        assert!(!Accept::default().takes(&[String::new()]));
    }
}
