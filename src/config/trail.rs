//! How the Daemon document says that the audit trail is published, kept and moved out.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::model::Name;

/// How the audit trail is published, kept and moved out.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Trail {
    /// Where checkpoints go, beside the log, which always has them. Only one that is out of reach of whoever may own this machine shows
    /// what they did to the trail.
    pub publish: Publish,
    /// Records older than this are moved into `archive`, where that is set.
    pub keep: Span,
    /// The folder that old records are moved into; without it, all stay in the store.
    pub archive: Option<PathBuf>,
    /// So many MiB of the data folder's disk are held ready, so that what was begun can be recorded to its end when the disk is
    /// full; 0 is none.
    pub reserve_mib: u64,
}

/// Where checkpoints go, beside the log.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Publish {
    /// A file that they are appended to: on another machine's disk, or one that can only be appended to.
    pub file: Option<PathBuf>,
    /// A ref of a repository that they are pushed to. Takes the `git` program.
    pub git: Option<PublishGit>,
}

/// A ref of a repository that checkpoints are pushed to.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishGit {
    /// The name of a Repository document: its URL, credentials and trust.
    pub repository: Name,
    /// The full name of the ref, which is this daemon's alone; by default `refs/trueup/checkpoints/` and the daemon's name.
    #[serde(rename = "ref", default)]
    pub reference: Option<String>,
}

impl PublishGit {
    /// Returns the ref of a daemon of this name.
    #[must_use]
    pub fn reference(&self, name: Option<&Name>) -> String {
        let usual = || format!("refs/trueup/checkpoints/{}", name.map_or("trueup", Name::as_str));
        self.reference.clone().unwrap_or_else(usual)
    }
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            publish: Publish::default(),
            keep: Span(std::time::Duration::from_hours(400 * 24)),
            archive: None,
            reserve_mib: 64,
        }
    }
}
