//! What webhooks are known by, and the bells that they ring: a delivery asks the poller of its repository to look now, and
//! nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use tokio::sync::Notify;

use super::shown::{ShownError, shown};
use crate::config::{Config, RepositoryWebhook};
use crate::model::{Clock, Name, Time};
use crate::source::{self, SourceError};

/// A secret with fewer characters could be guessed from one delivery.
const SHORTEST: usize = 16;

/// What deliveries are answered with: results, codes of refusals, and whatever else there may be.
const ANSWERS: [&str; 14] = [
    "look",
    "seen",
    "pong",
    "ignored",
    "hooks.signature",
    "hooks.repository",
    "hooks.payload",
    "hooks.too-many",
    "api.body-too-large",
    "api.media-type",
    "api.encoding",
    "api.timeout",
    "api.body",
    "other",
];

/// What is heard, as the configuration in force says. Secrets and keys are read when it is taken, so that a delivery of a
/// repository that nobody declared costs the same as any other.
pub struct Hooks {
    clock: Arc<dyn Clock>,
    known: RwLock<Arc<Known>>,
    /// One for each repository that was ever followed: a poller that takes another's place takes its bell.
    bells: RwLock<BTreeMap<Name, Rung>>,
    answers: [AtomicU64; ANSWERS.len()],
}

/// Who is rung for a repository.
#[derive(Default)]
struct Rung {
    poller: Arc<Notify>,
    /// Who plans its pull requests.
    planner: Arc<Notify>,
}

/// One configuration's webhooks, read and judged.
#[derive(Default)]
pub(super) struct Known {
    tls: Option<Arc<ServerConfig>>,
    webhooks: BTreeMap<Name, Arc<Hook>>,
}

/// One repository's webhook. It has no way into a log.
pub struct Hook {
    secret: Vec<u8>,
    standard: Option<Vec<u8>>,
    names: Vec<String>,
}

/// Why webhooks cannot be heard as they are declared.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error("could not read the secret of the webhook of repository {name}")]
    Secret {
        name: Name,
        #[source]
        source: SourceError,
    },
    #[error(
        "the secret of the webhook of repository {0} has fewer than {SHORTEST} characters: make one with \
         `openssl rand -hex 32`"
    )]
    Short(Name),
    #[error(transparent)]
    Shown(#[from] ShownError),
}

impl Hooks {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: RwLock::default(), bells: RwLock::default(), answers: Default::default() }
    }

    /// Counts an answer, by its word or code.
    pub fn answer(&self, answer: &str) {
        let at = ANSWERS.iter().position(|known| *known == answer).unwrap_or(ANSWERS.len() - 1);
        if let Some(count) = self.answers.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns each answer, and how often it was given.
    pub(super) fn answered(&self) -> Vec<(&'static str, u64)> {
        let counts = self.answers.iter().map(|count| count.load(Ordering::Relaxed));
        ANSWERS.into_iter().zip(counts).collect()
    }

    /// Returns what is shown to those who connect by TLS; `None` where they come in the clear.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.known().tls.clone()
    }

    /// Returns the webhook of a repository, by its name as it came.
    #[must_use]
    pub fn hook(&self, repository: &str) -> Option<(Name, Arc<Hook>)> {
        let known = self.known();
        known.webhooks.get_key_value(repository).map(|(name, hook)| (name.clone(), hook.clone()))
    }

    /// Asks the poller of a repository to look now. However often while it looks: it looks once more.
    pub fn look(&self, repository: &Name) {
        let bells = self.bells.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(rung) = bells.get(repository) {
            rung.poller.notify_one();
            rung.planner.notify_one();
        }
    }

    /// Says that a repository has news, or that what judges them may be another.
    pub(super) fn news(&self, repository: &Name) {
        self.planner(repository).notify_one();
    }

    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    pub(super) fn bell(&self, repository: &Name) -> Arc<Notify> {
        let mut bells = self.bells.write().unwrap_or_else(PoisonError::into_inner);
        bells.entry(repository.clone()).or_default().poller.clone()
    }

    pub(super) fn planner(&self, repository: &Name) -> Arc<Notify> {
        let mut bells = self.bells.write().unwrap_or_else(PoisonError::into_inner);
        bells.entry(repository.clone()).or_default().planner.clone()
    }

    pub(super) fn set(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// When a secret cannot be read or could be guessed, or what is to be shown is no certificate with its key.
    pub(super) fn read(config: &Config) -> Result<Self, HookError> {
        let Some(declared) = &config.daemon.hooks else { return Ok(Self::default()) };
        let tls = declared.tls.as_ref().map(shown).transpose()?;
        let mut webhooks = BTreeMap::new();
        for (name, repository) in &config.repositories {
            if let Some(webhook) = &repository.webhook {
                webhooks.insert(name.clone(), Arc::new(Hook::read(name, webhook)?));
            }
        }
        Ok(Self { tls, webhooks })
    }

    /// Returns all secrets, so that they can be kept out of records and messages.
    pub(super) fn secrets(&self) -> Vec<Vec<u8>> {
        self.webhooks.values().flat_map(|hook| hook.secrets()).collect()
    }
}

impl Hook {
    /// Returns one with this secret, for a repository of these names.
    #[must_use]
    pub fn new(secret: &str, names: Vec<String>) -> Self {
        let standard = secret.strip_prefix("whsec_").and_then(|digits| STANDARD.decode(digits).ok());
        let standard = standard.filter(|key| key.len() >= SHORTEST);
        Self { secret: secret.as_bytes().to_vec(), standard, names }
    }

    fn read(name: &Name, declared: &RepositoryWebhook) -> Result<Self, HookError> {
        let secret = source::secret(&declared.secret);
        let secret = secret.map_err(|source| HookError::Secret { name: name.clone(), source })?;
        if secret.reveal().len() < SHORTEST {
            return Err(HookError::Short(name.clone()));
        }
        Ok(Self::new(secret.reveal(), declared.names.clone()))
    }

    /// Returns the secret as it is written.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Returns the key of Standard Webhooks, where the secret is written as one (`whsec_…`).
    #[must_use]
    pub fn standard(&self) -> Option<&[u8]> {
        self.standard.as_deref()
    }

    /// Whether the Git host calls the repository so.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    fn secrets(&self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::once(self.secret().to_vec()).chain(self.standard.clone())
    }
}
