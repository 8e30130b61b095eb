//! The normalised state of one path: what is compared, digested and restored.

use serde::Serialize;

use crate::model::host::{Attributes, FileSpec, HostSpec};
use crate::model::{Digest, DigestKey, Place, Spec};

/// What lies at a path. Its JSON is the canonical form that is digested, so its fields and their order are a format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "sort", rename_all = "kebab-case")]
pub(super) enum Shape {
    File {
        #[serde(flatten)]
        access: Access,
        /// Plain SHA-256.
        content: Digest,
        /// In bytes; the content's digest covers it.
        #[serde(skip)]
        size: u64,
    },
    Directory {
        #[serde(flatten)]
        access: Access,
    },
    /// Who owns a link, and its mode, mean nothing to whoever follows it.
    Symlink { to: Vec<u8> },
    /// What trueup never makes.
    Other {
        what: &'static str,
        #[serde(flatten)]
        access: Access,
        device: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Access {
    /// The permission bits, setuid, setgid and sticky among them.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Access {
    pub(super) const fn everyone_reads(self) -> bool {
        self.mode & 0o004 != 0
    }

    /// Setuid, setgid or sticky.
    pub(super) const fn special(self) -> bool {
        self.mode & 0o7000 != 0
    }

    fn attributes(self) -> Attributes {
        Attributes {
            mode: Some(self.mode),
            owner: Some(self.uid.to_string()),
            group: Some(self.gid.to_string()),
            default_mode: self.mode,
            calls: vec![],
        }
    }
}

impl Shape {
    /// Returns the digest of the state, keyed: the content may be a secret with few guesses.
    pub(super) fn digest(&self, key: &DigestKey) -> Digest {
        // Plain data with string keys: serialisation cannot fail.
        key.digest("trueup/host/state/v1", &serde_json::to_vec(self).unwrap_or_default())
    }

    pub(super) const fn is_folder(&self) -> bool {
        matches!(self, Self::Directory { .. })
    }

    pub(super) const fn sort(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Directory { .. } => "directory",
            Self::Symlink { .. } => "symlink",
            Self::Other { what, .. } => what,
        }
    }

    pub(super) const fn access(&self) -> Option<Access> {
        match self {
            Self::File { access, .. } | Self::Directory { access } | Self::Other { access, .. } => Some(*access),
            Self::Symlink { .. } => None,
        }
    }

    /// Tells whether its content may be shown to whoever may see a plan.
    pub(super) const fn readable(&self) -> bool {
        match self {
            Self::File { access, .. } => access.everyone_reads(),
            Self::Directory { .. } | Self::Symlink { .. } | Self::Other { .. } => true,
        }
    }

    /// Returns what would have to be desired to get exactly this; `None` for what trueup could not make.
    pub(super) fn spec(&self, path: &str) -> Option<Spec> {
        let spec = match self {
            Self::File { access, content, size } => HostSpec::File(FileSpec {
                content: *content,
                size: *size,
                attributes: access.attributes(),
                validate: None,
                show: false,
                secret: None,
            }),
            Self::Directory { access } => HostSpec::Directory(access.attributes()),
            Self::Symlink { to } => HostSpec::Symlink { to: String::from_utf8(to.clone()).ok()?, calls: vec![] },
            Self::Other { .. } => return None,
        };
        Some(spec.to_spec(Place { file: path.into(), line: 0, column: 0 }))
    }
}
