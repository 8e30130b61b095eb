//! What a server of ours shows to those who connect by TLS, read again whenever the configuration is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{Config, Login, ServerTls};
use crate::source::{self, SourceError};

/// Why a certificate cannot be shown as it is declared.
#[derive(Debug, thiserror::Error)]
pub enum ShownError {
    #[error("could not read the certificate {}", .path.display())]
    Certificate {
        path: PathBuf,
        #[source]
        source: anyhow::Error,
    },
    #[error("could not read the private key of the certificate")]
    Key(#[source] SourceError),
    #[error("could not read the secret that people log in with")]
    Login(#[source] SourceError),
    #[error("the private key of the certificate is not one in PEM")]
    KeyForm,
    #[error("could not use the certificate {} with its private key", .path.display())]
    Tls {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
}

/// The API as it looks from elsewhere.
#[derive(Default)]
pub struct Face(RwLock<Arc<Looks>>);

/// As one configuration says.
#[derive(Default)]
pub(super) struct Looks {
    tls: Option<Arc<ServerConfig>>,
    origin: Option<String>,
    login: Option<Arc<LoginMeans>>,
}

/// All that a login takes. It has no way into a log.
pub struct LoginMeans {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    pub ca: Option<PathBuf>,
    /// Where the provider sends people back to.
    pub callback: String,
    pub lasts: Duration,
}

impl Face {
    /// Returns what is shown to those who connect by TLS; `None` where they come in the clear.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.looks().tls.clone()
    }

    /// Returns the origin of pages that may act, where one is declared.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.looks().origin.clone()
    }

    /// Returns how people log in, where they can.
    #[must_use]
    pub fn login(&self) -> Option<Arc<LoginMeans>> {
        self.looks().login.clone()
    }

    pub(super) fn set(&self, looks: Looks) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(looks);
    }

    fn looks(&self) -> Arc<Looks> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Looks {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// When what is to be shown is no certificate with its key.
    pub(super) fn read(config: &Config) -> Result<Self, ShownError> {
        let Some(declared) = &config.daemon.api else { return Ok(Self::default()) };
        let tls = declared.tls.as_ref().map(shown).transpose()?;
        let login = declared.login.as_ref().zip(declared.url.as_deref()).map(|(login, url)| means(login, url));
        Ok(Self { tls, origin: declared.origin(), login: login.transpose()?.map(Arc::new) })
    }

    /// Returns what is to be kept out of records and messages.
    pub(super) fn secret(&self) -> Option<String> {
        self.login.as_ref()?.client_secret.clone()
    }
}

fn means(declared: &Login, url: &str) -> Result<LoginMeans, ShownError> {
    let secret = declared.client_secret.as_ref().map(source::secret).transpose().map_err(ShownError::Login)?;
    Ok(LoginMeans {
        issuer: declared.issuer.clone(),
        client_id: declared.client_id.clone(),
        client_secret: secret.map(|secret| secret.reveal().to_owned()),
        ca: declared.ca.clone(),
        callback: format!("{}/v1/login/callback", url.trim_end_matches('/')),
        lasts: declared.lasts.0,
    })
}

pub(super) fn shown(declared: &ServerTls) -> Result<Arc<ServerConfig>, ShownError> {
    let path = || declared.certificate.clone();
    let chain =
        certificates(&declared.certificate).map_err(|source| ShownError::Certificate { path: path(), source })?;
    let pem = source::secret_bytes(&declared.key).map_err(ShownError::Key)?;
    // What is wrong with it may repeat some of it.
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| ShownError::KeyForm)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    config.map(Arc::new).map_err(|source| ShownError::Tls { path: path(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, anyhow::Error> {
    let pem = std::fs::read(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| anyhow::anyhow!("it is not PEM: {error}"))?;
    anyhow::ensure!(!chain.is_empty(), "it holds no certificate in PEM");
    Ok(chain)
}
