//! What a host's objects should be, as rendered: the bodies of [`Spec`] that the host adapter understands.

use serde::{Deserialize, Serialize};

use super::{Digest, ObjectId, Place, Spec};

/// Kinds of [`ObjectId`] on a host. A path is one identity, whatever lies there.
pub const PATH: &str = "path";
pub const CHECK: &str = "check";
pub const HANDLER: &str = "handler";

/// Whether an object is run, not written: it lies nowhere, so that nobody can own it.
#[must_use]
pub fn is_run(id: &ObjectId) -> bool {
    matches!(id.kind.as_ref(), CHECK | HANDLER)
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
            Self::Directory(_) | Self::Symlink { .. } | Self::Check(_) | Self::Handler(_) => vec![],
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
