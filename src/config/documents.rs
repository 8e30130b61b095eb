//! The documents that people declare on the machine, as they are written.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Api, Forge, FromGit, Hooks, InvalidUrl, RepositoryRevert, RepositoryUrl, RepositoryWebhook, Telemetry, Trail,
};
use crate::model::Name;

/// The daemon itself. Every field has a default.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Daemon {
    /// Where the daemon keeps its store, mirrors and keys.
    pub data: PathBuf,
    /// The unix socket that the command line talks to.
    pub socket: PathBuf,
    /// Members of this unix group may do everything over the socket, beside root and the daemon's own user. What others may, a Role
    /// says.
    pub group: Option<String>,
    /// What keeps plans, inventories and the audit trail. `sqlite` is a file in the data folder.
    pub store: StoreKind,
    /// How repositories may be reached. `file`, `git` and `http` are off unless they are named here.
    pub transports: Vec<Transport>,
    /// Applications, policies and people that are declared in Git.
    pub declarations: Option<FromGit>,
    /// How the audit trail is published, kept and moved out.
    pub trail: Trail,
    /// Where webhooks of Git hosts are heard; without it, nowhere.
    pub hooks: Option<Hooks>,
    /// Whom the daemon tells how its work goes.
    pub telemetry: Telemetry,
    /// Where the API answers beside the socket; without it, nowhere.
    pub api: Option<Api>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    Sqlite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Https,
    Ssh,
    Http,
    Git,
    File,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            data: "/var/lib/trueup".into(),
            socket: "/run/trueup/trueup.sock".into(),
            group: None,
            store: StoreKind::Sqlite,
            transports: vec![Transport::Https, Transport::Ssh],
            declarations: None,
            trail: Trail::default(),
            hooks: None,
            telemetry: Telemetry::default(),
            api: None,
        }
    }
}

/// A Git repository and the ref that is followed. At most one of `branch`, `tag` and `commit`; without any, branch `main`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    /// `https://host/path`, `ssh://user@host/path` or `user@host:path`. Credentials do not belong here.
    pub url: String,
    /// The branch to follow.
    #[serde(default)]
    pub branch: Option<String>,
    /// The tag to follow.
    #[serde(default)]
    pub tag: Option<String>,
    /// The one commit to hold, by its full id.
    #[serde(default)]
    pub commit: Option<String>,
    /// How often the ref is looked at.
    #[serde(default = "default_poll")]
    pub poll: Span,
    /// The secret to log in with: a token or password for https, a private key for ssh. Never sent over `http://`.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// What opens files of the repository that are encrypted with SOPS.
    #[serde(default)]
    pub secrets: Secrets,
    /// How an https server is known.
    #[serde(default)]
    pub tls: Tls,
    /// How an ssh server is known.
    #[serde(default)]
    pub ssh: Ssh,
    /// `http://` or `https://` proxy for https repositories.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Whose signature a revision must bear before anything of it is rendered. Without it, whoever may push is believed.
    #[serde(default)]
    pub verify: Option<Verify>,
    /// By what a delivery of its Git host is known. Without it, the repository is polled alone.
    #[serde(default)]
    pub webhook: Option<RepositoryWebhook>,
    /// How the daemon writes into the followed branch what takes a failed change back. Without it, it never writes there.
    #[serde(default)]
    pub revert: Option<RepositoryRevert>,
    /// The Git host, where it is to be told of what became of commits, and shown the plans of pull requests.
    #[serde(default)]
    pub forge: Option<Forge>,
    /// What a repository may cost before it is refused.
    #[serde(default)]
    pub limits: SourceLimits,
}

impl Repository {
    /// Returns one of which nothing is known but its URL.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            branch: None,
            tag: None,
            commit: None,
            poll: default_poll(),
            credentials: None,
            secrets: Secrets::default(),
            tls: Tls::default(),
            ssh: Ssh::default(),
            proxy: None,
            verify: None,
            webhook: None,
            revert: None,
            forge: None,
            limits: SourceLimits::default(),
        }
    }

    /// Returns every file of the machine that it names: secrets, and what decides trust.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let secret = self.credentials.iter().filter_map(|credentials| credentials.file.as_deref());
        let ages = self.secrets.age.iter().filter_map(|identity| identity.file.as_deref());
        let known = self.tls.ca.as_deref().into_iter().chain(self.ssh.known_hosts.as_deref());
        let signers = self.verify.iter().flat_map(Verify::files).map(|(_, file)| file);
        let webhook = self.webhook.iter().filter_map(|webhook| webhook.secret.file.as_deref());
        let revert = self.revert.iter().flat_map(RepositoryRevert::files);
        let forge = self.forge.iter().flat_map(Forge::files);
        secret.chain(ages).chain(known).chain(signers).chain(webhook).chain(revert).chain(forge)
    }

    /// Returns its URL, taken apart. In a loaded configuration there always is one.
    pub fn address(&self) -> Result<RepositoryUrl, InvalidUrl> {
        RepositoryUrl::parse(&self.url)
    }
}

/// Where a secret comes from: exactly one of `file` and `systemd`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// User name for https; a token usually takes any.
    #[serde(default = "default_username")]
    pub username: String,
    /// A file that only the daemon's user may read (mode 0600 or 0400). Relative to the file that names it.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The name of a systemd credential (`LoadCredential=`): with the package, of a file in `/etc/trueup/credentials`.
    #[serde(default)]
    pub systemd: Option<String>,
}

/// What opens files of the repository that are encrypted with SOPS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Secrets {
    /// age identities, as `age-keygen` writes them: any of them may open a file.
    pub age: Vec<SecretSource>,
}

/// Where a secret comes from: exactly one of `file` and `systemd`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretSource {
    /// A file that only the daemon's user may read (mode 0600 or 0400). Relative to the file that names it.
    pub file: Option<PathBuf>,
    /// The name of a systemd credential (`LoadCredential=`).
    pub systemd: Option<String>,
}

/// How a server that speaks TLS is known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the certificate authorities to trust here, instead of the machine's. Relative to the file that names it.
    pub ca: Option<PathBuf>,
}

/// How an ssh server is known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ssh {
    /// `known_hosts` file with the keys of the Git host. Needed for ssh: an unknown key is refused. Relative to the
    /// file that names it.
    pub known_hosts: Option<PathBuf>,
}

/// Whose signature a revision must bear: at least one of `ssh` and `openpgp`. What is not validly signed is refused, and
/// nothing passes that by.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    /// Which commits must be signed, up to the new revision. First contact judges that revision alone.
    #[serde(default)]
    pub policy: VerifyPolicy,
    /// Who may sign with an SSH key.
    #[serde(default)]
    pub ssh: Option<SshSigners>,
    /// Who may sign with an OpenPGP key.
    #[serde(default)]
    pub openpgp: Option<OpenpgpKeys>,
}

/// Which commits must be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerifyPolicy {
    /// The new revision: whoever signs it vouches for what lies behind it.
    #[default]
    Tip,
    /// And each first parent back to what was last applied: every merge, not what it merged.
    FirstParent,
    /// And every commit that it has and what was last applied has not.
    Range,
}

/// Who may sign with an SSH key.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SshSigners {
    /// An `allowed_signers` file of ssh-keygen(1), that nobody but root and the daemon's user may write. Relative to the file
    /// that names it.
    pub allowed_signers: PathBuf,
}

/// Who may sign with an OpenPGP key.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenpgpKeys {
    /// Armoured public keys (`gpg --armor --export`), in a file that nobody but root and the daemon's user may write.
    /// Relative to the file that names it.
    pub keys: PathBuf,
}

impl Verify {
    /// Returns the files that say who may sign, each with where it is named below `verify`.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let ssh = self.ssh.iter().map(|ssh| ("ssh/allowedSigners", ssh.allowed_signers.as_path()));
        ssh.chain(self.openpgp.iter().map(|openpgp| ("openpgp/keys", openpgp.keys.as_path())))
    }
}

/// What a repository may cost before it is refused.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SourceLimits {
    /// The mirror may grow to this many MiB on disk.
    #[schemars(range(min = 1))]
    pub mirror_mib: u64,
    /// One file may have this many MiB.
    #[schemars(range(min = 1))]
    pub file_mib: u64,
    /// All files of one application together may have this many MiB.
    #[schemars(range(min = 1))]
    pub application_mib: u64,
    /// One application may have this many files and folders.
    #[schemars(range(min = 1))]
    pub files: usize,
    /// One fetch may take this long.
    pub timeout: Span,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            mirror_mib: 1024,
            file_mib: 10,
            application_mib: 64,
            files: 20_000,
            timeout: Span(std::time::Duration::from_mins(2)),
        }
    }
}

/// Where to: exactly one kind of target.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// This machine: files, folders, links and commands.
    pub host: HostTarget,
}

/// This machine: files, folders, links and commands.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostTarget {
    /// Absolute paths below which (and nowhere else) applications may write. Needed, unless a root half (`via`) has its own.
    #[serde(default)]
    pub allow: Vec<PathBuf>,
    /// Programs, by absolute path, that checks, validators and handlers may run.
    #[serde(default)]
    pub commands: Vec<PathBuf>,
    /// systemd units that documents and `onChange` may act on, by name; `*` stands for any part of one (`app-*.service`).
    /// What a host needs to live (`ssh.service`, `dbus.service`, `systemd-*`, trueup's own) is never stopped, disabled or
    /// masked, and its unit files and drop-ins are only written where it is named here in full.
    #[serde(default)]
    pub units: Vec<String>,
    /// Let documents set the setuid, setgid and sticky bits.
    #[serde(default)]
    pub allow_setuid: bool,
    /// Prefix of every path on this target, for trying things out in a scratch folder.
    #[serde(default)]
    pub root: Option<PathBuf>,
    /// The unix socket of this host's root half, which acts in the daemon's place. Its own `HostAccess` says what may be done;
    /// a list that is written here only narrows it, and one that is left out leaves it as it is.
    #[serde(default)]
    pub via: Option<PathBuf>,
}

/// What is kept true: paths of a repository, on a target.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Application {
    /// Where its files lie.
    pub source: AppSource,
    /// The name of a Target document.
    pub target: Name,
    /// How changes go live.
    #[serde(default)]
    pub sync: SyncPolicy,
}

/// Where an application's files lie: exactly one of `path` and `paths`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppSource {
    /// The name of a Repository document.
    pub repository: Name,
    /// One folder of the repository; `.` is all of it.
    #[serde(default)]
    pub path: Option<String>,
    /// Folders of the repository, laid over each other: later ones win, file by file and document by document.
    #[serde(default)]
    pub paths: Vec<String>,
}

impl AppSource {
    /// Returns the folders, lowest layer first; the top of the repository is empty.
    #[must_use]
    pub fn layers(&self) -> Vec<&str> {
        let written = self.path.iter().chain(&self.paths).map(String::as_str);
        written.map(|layer| if layer == "." { "" } else { layer }).collect()
    }
}

/// How changes go live.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SyncPolicy {
    /// Changes in Git go live by themselves; otherwise each plan waits for an approval.
    pub automatic: bool,
    /// What Git no longer has is deleted, where it was ours.
    pub prune: bool,
    /// What happens when the target changes and Git did not.
    pub drift: Drift,
    /// What follows a change that failed, or left something unhealthy, once the last good state is live again.
    // What says nothing new is written down as it was before there was this field: nothing in Git looks changed.
    #[serde(skip_serializing_if = "OnFailure::is_rollback")]
    pub on_failure: OnFailure,
    /// The target is looked at at least this often, whatever the watches say.
    pub interval: Span,
}

/// What follows a change that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Git stays as it is, and people are told.
    #[default]
    Rollback,
    /// Git is set back too: by a signed commit of the daemon's, as `revert` of the Repository says.
    Revert,
}

/// What happens when the target changes and Git did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// It is put right.
    Heal,
    /// The corrective plan waits for an approval.
    Hold,
    /// It is recorded and left.
    Report,
}

impl OnFailure {
    // As serde asks.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_rollback(&self) -> bool {
        *self == Self::Rollback
    }
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self {
            automatic: true,
            prune: true,
            drift: Drift::Heal,
            on_failure: OnFailure::Rollback,
            interval: Span(std::time::Duration::from_mins(3)),
        }
    }
}

/// A length of time as people write it: `30s`, `5m`, `2h`, `1d`, `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub std::time::Duration);

fn default_poll() -> Span {
    Span(std::time::Duration::from_secs(30))
}

fn default_username() -> String {
    "git".into()
}
