//! The envelope around every declared document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Name;

/// What a document is called.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name, one of its kind: `a-z`, `0-9` and `-`, at most 63 characters.
    pub name: Name,
    /// Words to choose applications by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ApiVersion {
    #[serde(rename = "trueup.dev/v1alpha1")]
    V1Alpha1,
}

/// One declared document: a kind `K` and what it says.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "{T}Document")]
pub(super) struct Document<K, T> {
    /// The version of these documents.
    pub api_version: ApiVersion,
    /// What is declared.
    pub kind: K,
    /// What it is called.
    pub metadata: Metadata,
    /// What it is.
    pub spec: T,
}

/// What can be said of a document whose kind is not known.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read only for its mistakes")]
pub(super) struct Bare {
    /// The version of these documents.
    api_version: ApiVersion,
    /// What is declared: Daemon, Repository, Target, Application, `HostAccess`, Policy, Person, Role, Notification or `BreakGlass`.
    kind: String,
    /// What it is called.
    metadata: Metadata,
    #[serde(default)]
    spec: serde_json::Value,
}

/// Each kind is a type of one word, so that the schema of a document fixes its `kind`.
macro_rules! kinds {
    ($($kind:ident: $word:ident),*) => {
        $(
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
            pub(super) enum $kind {
                $word,
            }
        )*

        /// Every kind that may be declared.
        pub(super) const KINDS: &[&str] = &[$(stringify!($word)),*];
    };
}

kinds!(
    DaemonKind: Daemon,
    RepositoryKind: Repository,
    TargetKind: Target,
    ApplicationKind: Application,
    NotificationKind: Notification,
    HostAccessKind: HostAccess,
    PolicyKind: Policy,
    PersonKind: Person,
    RoleKind: Role,
    BreakGlassKind: BreakGlass
);

/// The kinds that may be declared in Git. What decides trust is declared on the machine only.
pub(super) const IN_GIT: &[&str] = &["Application", "Policy", "Person", "BreakGlass"];
