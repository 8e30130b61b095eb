//! The Git host behind a repository.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretSource;

/// The Git host behind a repository, Forgejo or Gitea: it is told what became of each commit, and shown the plans of its pull
/// requests. Private authorities and proxies are those of the repository.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forge {
    /// `https://host` of the Git host, with the path that it lies below, if any; `http://` only for a loopback address.
    pub url: String,
    /// The full name of the repository, exactly as the Git host writes it: `owner/name`.
    pub repository: String,
    /// An access token of an account of trueup's own, with the scopes `write:repository`, `write:issue` and `read:user`.
    pub token: SecretSource,
    /// What the names of statuses begin with: `trueup/APPLICATION` and `trueup/plan`. Two daemons of one repository need two.
    #[serde(default = "default_context")]
    pub context: String,
    /// Each application shows on the commit how it fared.
    #[serde(default = "yes")]
    pub statuses: bool,
    /// Each pull request to the followed branch shows what it would change.
    #[serde(default = "yes")]
    pub plans: bool,
    /// Pull requests from forks are planned as well: whoever may fork then has what they wrote rendered by this daemon.
    #[serde(default)]
    pub forks: bool,
}

fn default_context() -> String {
    "trueup".into()
}

const fn yes() -> bool {
    true
}

impl Forge {
    /// Returns every file of the machine that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.token.file.iter().map(std::path::PathBuf::as_path)
    }
}
