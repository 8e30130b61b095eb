//! How webhooks are heard, and whose.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Daemon, Login, SecretSource};

/// Where webhooks of Git hosts are heard, so that a push is live at once and not at the next poll.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hooks {
    /// The IP address and port to listen at: `127.0.0.1:9443`. In the clear only at a loopback address. A change takes a restart.
    pub listen: String,
    /// The certificate to show. Needed anywhere but at a loopback address.
    #[serde(default)]
    pub tls: Option<ServerTls>,
    /// Where Git hosts reach it: `https://trueup.example.org`, before `/hooks/REPOSITORY`. `trueup forge setup` tells them.
    #[serde(default)]
    pub url: Option<String>,
}

/// What a server shows to those who connect by TLS. Both are read again whenever the configuration is.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerTls {
    /// PEM file with the certificate, and after it those that lead to the authority. Relative to the file that names it.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: SecretSource,
}

/// By what a delivery of a repository's Git host is known. It only ever asks to look at the repository now.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryWebhook {
    /// The secret that the Git host signs with (GitLab: its secret token, or its signing token): at least 16 characters.
    pub secret: SecretSource,
    /// The full names of the repository, exactly as its Git host writes them: `owner/name`. More than one where it was renamed.
    #[schemars(length(min = 1))]
    pub names: Vec<String>,
}

impl Hooks {
    /// Returns where to listen. In a loaded configuration there always is a place.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        address(&self.listen)
    }
}

/// Returns where to listen; port 0 is none.
pub(super) fn address(listen: &str) -> Option<SocketAddr> {
    listen.parse().ok().filter(|address: &SocketAddr| address.port() != 0)
}

impl Daemon {
    /// Returns every file of the machine that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let api = self.api.iter().filter_map(|api| api.tls.as_ref());
        let tls = self.hooks.iter().filter_map(|hooks| hooks.tls.as_ref()).chain(api);
        let tls = tls.flat_map(|tls| std::iter::once(tls.certificate.as_path()).chain(tls.key.file.as_deref()));
        let login = self.api.iter().filter_map(|api| api.login.as_ref()).flat_map(Login::files);
        tls.chain(self.telemetry.files()).chain(login)
    }

    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let (mut api, mut login) = (None, None);
        if let Some(declared) = &mut self.api {
            (api, login) = (declared.tls.as_mut(), declared.login.as_mut());
        }
        let tls = self.hooks.iter_mut().filter_map(|hooks| hooks.tls.as_mut()).chain(api);
        let tls = tls.flat_map(|tls| std::iter::once(&mut tls.certificate).chain(&mut tls.key.file));
        tls.chain(self.telemetry.files_mut()).chain(login.into_iter().flat_map(Login::files_mut))
    }
}
