//! How people log in who come from elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretSource, Span};

/// The OpenID Connect provider whose accounts people log in with (`trueup login`). It says who somebody is; `login` of a Person says
/// which person that is, and Roles what they may.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// The provider, exactly as it calls itself: `https://git.example.org/`. `http://` only at a loopback address.
    pub issuer: String,
    /// What the daemon is called there. Its redirect address is `api.url` with `/v1/login/callback`.
    pub client_id: String,
    /// Its secret, where it is a confidential client.
    #[serde(default)]
    pub client_secret: Option<SecretSource>,
    /// PEM file with the authorities to trust instead of the system's. Relative to the file that names it.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How long a login lasts: a minute to 30 days.
    #[serde(default = "default_lasts")]
    pub lasts: Span,
}

impl Login {
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.ca.iter_mut().chain(self.client_secret.iter_mut().filter_map(|secret| secret.file.as_mut()))
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &std::path::Path> {
        let secret = self.client_secret.iter().filter_map(|secret| secret.file.as_deref());
        self.ca.as_deref().into_iter().chain(secret)
    }
}

const fn default_lasts() -> Span {
    Span(Duration::from_hours(12))
}
