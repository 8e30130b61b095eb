//! Declared documents → [`Config`]: every mistake reported at once, with its place, what was expected, and a hint.

mod access;
mod check;
mod documents;
mod envelope;
mod gather;
mod load;
mod reference;
mod schema;
mod span;
mod trail;
mod url;

use std::collections::BTreeMap;

pub use access::{HostAccess, Peer};
pub use documents::{
    AgeIdentity, AppSource, Application, Credentials, Daemon, Drift, HostTarget, OpenpgpKeys, Repository, Secrets,
    SourceLimits, Span, Ssh, SshSigners, StoreKind, SyncPolicy, Target, Tls, Transport, Verify, VerifyPolicy,
};
pub use envelope::{ApiVersion, Metadata};
pub use load::Loaded;
pub use reference::reference;
pub use schema::schema;
pub use trail::{Publish, PublishGit, Trail};
pub use url::{InvalidUrl, RepositoryUrl};

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
    /// What the root half may do. Only it takes its word from here; to the daemon it means nothing.
    pub access: Option<HostAccess>,
}

/// A document with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<T> {
    pub labels: BTreeMap<String, String>,
    pub spec: T,
}
