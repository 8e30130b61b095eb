//! How a Repository document says that the daemon may write into the followed branch.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Credentials, SecretSource};

/// How the daemon writes into the followed branch what takes a failed change back: one signed commit, pushed on top of what is there.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryRevert {
    /// The SSH private key, without a passphrase, that the commit is signed with. `verify` takes the commit where it names this key.
    pub key: SecretSource,
    /// The name of its author.
    #[serde(default = "default_name")]
    pub name: String,
    /// And their address.
    #[serde(default = "default_email")]
    pub email: String,
    /// What may push, where that is not `credentials`.
    #[serde(default)]
    pub push: Option<Credentials>,
}

impl RepositoryRevert {
    /// Returns the files of the machine that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.key.file.as_deref().into_iter().chain(self.push.iter().filter_map(|push| push.file.as_deref()))
    }

    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.key.file.iter_mut().chain(self.push.iter_mut().filter_map(|push| push.file.as_mut()))
    }
}

fn default_name() -> String {
    "trueup".into()
}

fn default_email() -> String {
    "trueup@localhost".into()
}
