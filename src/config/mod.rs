//! Declared documents → [`Config`]: every mistake reported at once, with its place, what was expected, and a hint.

mod access;
mod api;
mod check;
mod declarations;
mod documents;
mod effective;
mod envelope;
mod forge;
mod from_git;
mod gather;
mod glob;
mod hooks;
mod identity;
mod load;
mod login;
mod notification;
mod policy;
mod reference;
mod revert;
mod role;
mod schema;
mod span;
mod telemetry;
mod trail;
mod url;

use std::collections::BTreeMap;

pub use access::{HostAccess, Peer};
pub use api::Api;
pub use declarations::{Declaration, Declarations, parse_declarations};
pub use documents::{
    AppSource, Application, Credentials, Daemon, Drift, HostTarget, OnFailure, OpenpgpKeys, Repository, SecretSource,
    Secrets, SourceLimits, Span, Ssh, SshSigners, StoreKind, SyncPolicy, Target, Tls, Transport, Verify, VerifyPolicy,
};
pub use effective::{Accepted, Effective};
pub use envelope::{ApiVersion, Metadata};
pub use forge::Forge;
pub use from_git::{Accept, BreakGlassRequest, FromGit, Reach};
pub use glob::Glob;
pub use hooks::{Hooks, RepositoryWebhook, ServerTls};
pub use identity::{email_identity, key_identity, login_identity};
pub use load::Loaded;
pub use login::Login;
pub use notification::{Email, MailTls, Matching, Matrix, Notification, Slack, Webhook, Wording};
pub use policy::{
    Also, Approve, Budget, Condition, Limit, Match, OBJECT_KINDS, Person, Policy, Protect, Require, VARIABLES, Window,
};
pub use reference::reference;
pub use revert::RepositoryRevert;
pub use role::{Grant, RoleGiven};
pub use schema::schema;
pub use telemetry::{Telemetry, Traces};
pub use trail::{Publish, PublishGit, Trail};
pub use url::{Endpoint, InvalidEndpoint, InvalidUrl, RepositoryUrl, names_loopback};

use crate::model::Name;

/// A configuration without mistakes: every reference resolves, every relative path is made absolute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What the Daemon document calls itself; `None` without one.
    pub name: Option<Name>,
    pub daemon: Daemon,
    pub repositories: BTreeMap<Name, Repository>,
    pub targets: BTreeMap<Name, Target>,
    pub applications: BTreeMap<Name, Declared<Application>>,
    pub policies: BTreeMap<Name, Declared<Policy>>,
    pub people: BTreeMap<Name, Person>,
    /// What people of this machine may do. No document of Git adds to it.
    pub roles: BTreeMap<Name, RoleGiven>,
    pub notifications: BTreeMap<Name, Notification>,
    /// Break-glass that a document in Git asks for. It only asks.
    pub requests: BTreeMap<Name, BreakGlassRequest>,
    /// What the root half may do. Only it takes its word from here; to the daemon it means nothing.
    pub access: Option<HostAccess>,
}

/// A document with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<T> {
    pub labels: BTreeMap<String, String>,
    pub spec: T,
}
