//! What the Git host knows, as far as anybody here asks: the shapes of Forgejo's and Gitea's API (`/api/swagger`), read leniently.

use serde::{Deserialize, Serialize};

use crate::audit::Redactor;
use crate::model::Revision;
use crate::source::harmless;

/// How something fares, as a status on a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Pending,
    Success,
    /// It could not be told.
    Error,
    Failure,
    Warning,
    /// Forgejo and later versions know more.
    #[serde(other)]
    Unknown,
}

/// A status on a commit. Of each context the newest counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub context: String,
    #[serde(rename(serialize = "state", deserialize = "status"))]
    pub state: State,
    /// At most 255 characters are shown.
    #[serde(default)]
    pub description: String,
    /// Where it leads; empty for nowhere.
    #[serde(default)]
    pub target_url: String,
}

impl Status {
    /// Returns one that leads nowhere, in one line and without secrets.
    #[must_use]
    pub fn new(context: String, state: State, description: &str, redactor: &Redactor) -> Self {
        let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
        let description = harmless(redactor.text(&line, &[]).as_bytes());
        Self { context, state, description, target_url: String::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Statuses {
    /// Where there is none, it is left out, or null.
    pub(super) statuses: Option<Vec<Status>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pull {
    pub number: u64,
    /// What stands there is its author's.
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub html_url: String,
    pub base: Base,
    pub head: Branch,
    #[serde(default)]
    pub merged: bool,
}

/// Where a pull request goes to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Base {
    #[serde(rename = "ref")]
    pub name: String,
    repo: Option<Place>,
}

/// What a pull request brings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Branch {
    #[serde(rename = "ref")]
    pub name: String,
    /// What a person calls it; empty where nobody pushed a branch, as with what came by `refs/for/`.
    #[serde(default)]
    label: String,
    pub sha: Revision,
    /// `None` where the repository is gone.
    repo: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Place {
    full_name: String,
}

impl Pull {
    /// Whether what it brings is no branch of the repository that it goes to, and so may be anybody's: it lies in another one, or in
    /// one that is gone, or was pushed to `refs/for/` (`AGit`), which whoever may read may do, and which the host says lies here.
    #[must_use]
    pub fn is_from_fork(&self) -> bool {
        if self.head.label.is_empty() || self.head.name.is_empty() || self.head.name.starts_with("refs/") {
            return true;
        }
        let name = |place: &Option<Place>| place.as_ref().map(|place| place.full_name.clone());
        name(&self.head.repo).is_none() || name(&self.head.repo) != name(&self.base.repo)
    }
}

/// What a host lists of its pull requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulls {
    pub found: Vec<Pull>,
    /// How many are none as a Forgejo or Gitea tells of them.
    pub odd: usize,
}

/// A pull request to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewPull {
    /// The branch of the same repository that holds what is proposed.
    pub head: String,
    /// The branch that it is to be merged into.
    pub base: String,
    pub title: String,
    pub body: String,
}

/// A comment on a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Comment {
    pub id: u64,
    #[serde(default)]
    pub body: String,
    pub(super) user: Option<User>,
}

impl Comment {
    /// Whether this account wrote it.
    #[must_use]
    pub fn is_by(&self, login: &str) -> bool {
        self.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(login))
    }
}

/// A webhook of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hook {
    pub id: u64,
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default)]
    pub active: bool,
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub config: HookConfig,
    #[serde(default)]
    pub branch_filter: String,
}

/// Where a webhook goes. The host never says the secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HookConfig {
    pub url: String,
    pub content_type: String,
}

/// A webhook as it is to be.
#[derive(Clone)]
pub struct NewHook {
    /// `forgejo` or `gitea`.
    pub kind: &'static str,
    pub url: String,
    pub secret: String,
    pub events: &'static [&'static str],
}

/// How a branch is protected, as far as it concerns the account that asks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Protection {
    /// Whether a rule binds it.
    #[serde(default)]
    pub protected: bool,
    /// Whether the account may push to it all the same.
    #[serde(default)]
    pub user_can_push: bool,
    /// Whether a merge waits for statuses.
    #[serde(default)]
    pub enable_status_check: bool,
    /// For these.
    #[serde(default, deserialize_with = "or_nothing")]
    pub status_check_contexts: Vec<String>,
}

fn or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_branch_of_the_repository_itself_is_no_fork() {
        let sha = "a".repeat(40);
        let here = json!({ "full_name": "ops/platform" });
        let pull = |label: Option<&str>, name: &str, repo: &serde_json::Value| {
            let base = json!({ "label": "main", "ref": "main", "sha": sha, "repo": here });
            let mut head = json!({ "ref": name, "sha": sha, "repo": repo });
            if let Some(label) = label {
                head["label"] = label.into();
            }
            serde_json::from_value::<Pull>(json!({ "number": 1, "base": base, "head": head })).unwrap()
        };
        assert!(!pull(Some("next"), "next", &here).is_from_fork());
        for (label, name, repo) in [
            (Some("next"), "next", json!({ "full_name": "eve/platform" })),
            (Some("next"), "next", json!(null)),
            // As Gitea tells of what was pushed to `refs/for/main`, and of a branch that is gone.
            (Some(""), "refs/pull/1/head", here.clone()),
            (Some("next"), "refs/pull/1/head", here.clone()),
            (None, "next", here.clone()),
            (Some("next"), "", here.clone()),
        ] {
            assert!(pull(label, name, &repo).is_from_fork(), "{label:?} {name} {repo}");
        }
    }
}
