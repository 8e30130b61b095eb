//! What a host's objects should be, as rendered: the bodies of [`Spec`] that the host adapter understands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Digest, ObjectId, Place, Spec};

/// Kinds of [`ObjectId`] on a host. A path is one identity, whatever lies there.
pub const PATH: &str = "path";
pub const CHECK: &str = "check";
pub const HANDLER: &str = "handler";
pub const UNIT: &str = "unit";
/// Namespace of the checks and handlers that are systemd's own: they have no command, and no document names them.
pub const SYSTEMD: &str = "systemd";

/// Whether an object is run, not written: it lies nowhere, so that nobody can own it.
#[must_use]
pub fn is_run(id: &ObjectId) -> bool {
    matches!(id.kind.as_ref(), CHECK | HANDLER)
}

/// Whether an object has a health of its own to wait for after it was acted on: what lies or runs somewhere, and the reload or
/// restart of a unit, which shows in how that unit is.
#[must_use]
pub fn settles(id: &ObjectId) -> bool {
    !is_run(id) || (id.kind == HANDLER && &*id.namespace == SYSTEMD)
}

/// Returns how long an object itself may take to settle, a last probe included, where it says so.
#[must_use]
pub fn patience(spec: &Spec) -> Option<Duration> {
    let health = match HostSpec::from_spec(spec).ok()? {
        HostSpec::Unit(unit) => unit.health,
        HostSpec::Signal(signal) => signal.health,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(health.timeout) + 30))
}

/// One object of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sort", rename_all = "kebab-case")]
pub enum HostSpec {
    File(FileSpec),
    Directory(Attributes),
    Symlink {
        to: String,
        /// Handlers to run when this changes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ObjectId>,
    },
    /// Runs after a wave's writes and before its handlers; its failure fails the sync.
    Check(CommandSpec),
    /// Runs once at the end of a wave in which something that names it changed.
    Handler(CommandSpec),
    Unit(UnitSpec),
    /// A handler of [`SYSTEMD`]: reloads or restarts a unit that runs or has failed.
    Signal(SignalSpec),
    /// A handler of [`SYSTEMD`]: systemd reads its unit files again. Runs before units and other handlers.
    DaemonReload,
    /// A check of [`SYSTEMD`]: what does `systemd-analyze verify` say of these unit files, warnings included?
    VerifyUnits {
        paths: Vec<String>,
    },
}

/// A systemd unit. What is `None` is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<bool>,
    pub health: UnitHealth,
    /// Handlers to run when this changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ObjectId>,
}

/// When a unit is healthy: active, not restarted for the settle time, and then its probe answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitHealth {
    /// In milliseconds.
    pub settle: u64,
    /// How long it may take to get there, jobs included, in seconds.
    pub timeout: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

impl Default for UnitHealth {
    fn default() -> Self {
        Self { settle: 3000, timeout: 90, probe: None }
    }
}

/// Asks a service itself whether it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A URL that answers with a status from 200 to 399.
    Http(String),
    /// `host:port` that accepts a connection.
    Tcp(String),
    /// Exits with status 0.
    Command(CommandSpec),
}

/// Reloads or restarts a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSpec {
    pub verb: Verb,
    pub unit: String,
    pub health: UnitHealth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Reload,
    Restart,
}

impl Verb {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
        }
    }
}

/// Returns the identity of a handler that reloads or restarts a unit.
#[must_use]
pub fn signal(verb: Verb, unit: &str) -> ObjectId {
    systemd(HANDLER, &format!("{} {unit}", verb.as_str()))
}

/// Returns the identity of the one handler that makes systemd read its unit files again.
#[must_use]
pub fn daemon_reload() -> ObjectId {
    systemd(HANDLER, "daemon-reload")
}

/// Returns the identity of the one check of unit files.
#[must_use]
pub fn verify_units() -> ObjectId {
    systemd(CHECK, "verify")
}

fn systemd(kind: &'static str, name: &str) -> ObjectId {
    ObjectId { namespace: SYSTEMD.into(), ..ObjectId::new(kind, name) }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpec {
    /// Plain SHA-256 of the content.
    pub content: Digest,
    /// In bytes.
    pub size: u64,
    #[serde(flatten)]
    pub attributes: Attributes,
    /// Run on the new content, in a private file, before it is renamed into place: `{}` stands for the file's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<CommandSpec>,
    /// Show its content in diffs though not everyone may read the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show: bool,
    /// For content that was encrypted in Git: its digest under a key of the installation. It is shown to nobody, and without
    /// the key the digest of this spec cannot be compared with a guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Digest>,
}

/// Mode and ownership. What is `None` keeps what exists; what does not exist gets the default: root (or whoever the daemon
/// is), and `default_mode`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// For what does not exist yet: 0644, 0755 where Git says executable or for a folder.
    pub default_mode: u32,
    /// Handlers to run when this changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ObjectId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    pub command: Vec<String>,
    /// In seconds; the whole process group is ended afterwards.
    pub timeout: u32,
}

impl HostSpec {
    /// Returns this as the generic spec of an object written at `place`.
    #[must_use]
    pub fn to_spec(&self, place: Place) -> Spec {
        let contents = match self {
            Self::File(file) => vec![file.content],
            _ => vec![],
        };
        // Plain data with string keys: serialisation cannot fail, and null would be refused on the way back.
        let body = serde_json::to_value(self).unwrap_or_default();
        Spec::new(body, contents, place)
    }

    /// Reads the body of a spec.
    ///
    /// # Errors
    /// When the body is not a host object.
    pub fn from_spec(spec: &Spec) -> Result<Self, serde_json::Error> {
        Self::deserialize(spec.body())
    }
}
