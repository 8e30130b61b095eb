//! Git: where a followed ref is, what a tree holds, how two revisions relate. Never a work tree on disk.

mod address;
mod author;
mod bare;
mod budget;
mod connect;
mod disk;
mod egress;
mod error;
mod fetch;
mod followed;
mod git;
mod gone;
mod http;
mod merge;
mod mirror;
mod names;
mod objects;
mod old;
mod pack;
mod packet;
mod program;
mod publish;
mod range;
mod remote;
mod reverter;
mod secret;
mod set_back;
mod shared;
mod tree;
mod verify;

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Revision, Time};

pub use git::GitSource;
pub use gone::Gone;
pub use publish::Publisher;
pub use reverter::{Made, Push, Reverter, Wanted};
pub use secret::{identities, secrets};
pub use set_back::{Plumbing, SetBack};
pub use shared::{Polled, Shared};
pub use verify::{Unverified, mistakes};

// How this machine is left, by whoever has to.
pub(crate) use egress::{check_literal, resolve};
pub(crate) use error::harmless;
pub(crate) use http::{outbound, told};
pub(crate) use secret::{Secret, secret, secret_bytes};

/// One declared repository and the ref that is followed.
#[async_trait]
pub trait Source: Send + Sync {
    /// Asks the remote for the followed ref alone, and fetches what is new. Afterwards the relation of the answer to each of
    /// `applied` is known, where the history has it.
    ///
    /// # Errors
    /// Each state that `status` names has its own variant. The mirror stays as it was.
    async fn poll(&self, applied: &[Revision]) -> Result<Head, SourceError>;

    /// Returns the commit that a person named: a branch, a tag, a full or abbreviated id. Fetches it where needed.
    async fn resolve(&self, name: &str) -> Result<Head, SourceError>;

    /// Returns who signed what `poll` or `resolve` found, once every commit that the repository's `verify` names was judged:
    /// those between `applied` and the revision, where its policy asks for them. `None` where it asks for no signature.
    ///
    /// # Errors
    /// `Unverified`, with its own code for each reason: nothing of the revision may be used.
    async fn verify(&self, head: &Head, applied: Option<&Revision>, now: Time)
    -> Result<Option<SignedBy>, SourceError>;

    /// Returns how `to` stands to `from`.
    async fn relation(&self, from: &Revision, to: &Revision) -> Result<Relation, SourceError>;

    /// Returns the tree of a revision that `poll` or `resolve` returned.
    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn Tree>, SourceError>;

    /// Returns what a commit says of itself. It is the author's word: data, never used for order or trust.
    async fn commit(&self, revision: &Revision) -> Result<Commit, SourceError>;

    /// Returns what is new: `to`, and every commit behind it that is neither `from` nor behind that, newest first; nothing
    /// where they are the same, and `to` alone where there is no `from`. `None` where the history at hand does not tell, or there are more than anybody could look at. Each has
    /// its signer, where the repository asks for signatures and it is validly signed.
    async fn news(&self, from: Option<&Revision>, to: &Revision, now: Time)
    -> Result<Option<Vec<Commit>>, SourceError>;

    /// Returns what merging `head` into `base` would give. Both are revisions that `poll` or `resolve` returned; history is fetched
    /// until it is known where they part.
    async fn merge(&self, base: &Revision, head: &Revision) -> Result<Merge, SourceError>;
}

/// Where the followed ref is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub revision: Revision,
    /// The fully qualified ref, or the commit id where one commit is held; what a person named is as it was written.
    pub reference: String,
    /// What the ref points to, as object id in hexadecimal: the commit, or the annotated tag that stands for it.
    pub object: String,
    /// How often the files that say who may sign were seen to change: after a change it is judged again.
    pub trust: u64,
}

/// What a commit says of itself, as written: escape it before showing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub revision: Revision,
    pub author: String,
    pub email: String,
    pub committer: String,
    pub committer_email: String,
    /// When it was committed; `None` where its date makes no sense.
    pub time: Option<Time>,
    /// The message, at most 16 KiB of it.
    pub message: String,
    /// There is more of the message: what it does not say here, it may say there.
    pub cut: bool,
    /// Who signed it, as the trust root names them; `None` where that was not asked or is not so.
    pub signer: Option<SignedBy>,
}

/// Who validly signed something, as the machine's own trust root names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// Each names the signer alone: the key's fingerprint (`SHA256:…` of an SSH key, hexadecimal digits of an OpenPGP key and its
    /// subkey), and the principals of `allowed_signers` that are no patterns.
    pub ids: Vec<String>,
    /// For people.
    pub shown: String,
}

impl std::fmt::Display for SignedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Commit {
    /// Returns the first line of the message.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default().trim()
    }
}

/// How a revision stands to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Same,
    Descends,
    /// It is an ancestor: the ref was rewound.
    Behind,
    Diverged,
    /// The history at hand does not tell.
    Unknown,
}

/// What merging one revision into another would give.
#[derive(Clone)]
pub enum Merge {
    Clean(Arc<dyn Tree>),
    /// At these paths somebody has to choose.
    Conflict(Vec<String>),
    /// They have no history in common.
    Unrelated,
    /// Their histories part at more than one commit.
    Crossed,
    /// They part at too many commits, or too far away, for anybody to look for the one.
    Tangled,
}

/// The tree of one revision, read from the object database.
pub trait Tree: Send + Sync {
    fn revision(&self) -> &Revision;

    /// Returns the object id (hexadecimal) of what lies at `path`, or `None` where nothing does.
    fn id_of(&self, path: &str) -> Result<Option<String>, SourceError>;

    /// Returns every file and link below the folder `path`, by path relative to it, in byte order. Names are UTF-8, relative,
    /// and free of `.`, `..`, `.git` and control characters, or the tree is refused whole.
    fn list(&self, path: &str) -> Result<Vec<Entry>, SourceError>;

    /// Returns the content of an entry (for a link, where it points). Verified against its object id.
    fn read(&self, entry: &Entry) -> Result<Vec<u8>, SourceError>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub kind: EntryKind,
    /// Object id in hexadecimal.
    pub id: String,
    /// In bytes.
    pub size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Executable,
    Symlink,
}

/// Why the source has no answer. `code` is stable and is what `status` shows.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    pub kind: SourceErrorKind,
    /// What was being done to what, without credentials.
    pub message: String,
    #[source]
    pub source: Option<anyhow::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceErrorKind {
    /// The repository has no commit yet.
    Unborn,
    /// The followed ref does not exist (any more).
    RefMissing,
    /// The commit is not to be had.
    RevisionMissing,
    /// The remote could not be reached, or gave up half-way.
    Unreachable,
    TimedOut,
    /// The remote refused our credentials, or wants some.
    Unauthorised,
    NotFound,
    HostKey,
    Tls,
    Redirected,
    /// The URL or transport is not allowed.
    Transport,
    /// A credential cannot be read, or others may read it.
    Credentials,
    /// The remote does not speak the protocol.
    Protocol,
    /// Objects do not match their ids; the mirror is fetched anew.
    Corrupt,
    TooLarge,
    /// The tree holds what is never materialised: a bad name, mode, link or loop.
    BadTree,
    /// The remote does not take what is pushed.
    Rejected,
    /// The mirror cannot be read or written.
    Mirror,
    /// It is not validly signed by whom the repository's `verify` names.
    Unverified(Unverified),
}

impl SourceErrorKind {
    /// The stable code, as `status`, records and the API carry it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unborn => "source.unborn",
            Self::RefMissing => "source.ref-missing",
            Self::RevisionMissing => "source.revision-missing",
            Self::Unreachable => "source.unreachable",
            Self::TimedOut => "source.timed-out",
            Self::Unauthorised => "source.unauthorised",
            Self::NotFound => "source.not-found",
            Self::HostKey => "source.host-key",
            Self::Tls => "source.tls",
            Self::Redirected => "source.redirected",
            Self::Transport => "source.transport",
            Self::Credentials => "source.credentials",
            Self::Protocol => "source.protocol",
            Self::Corrupt => "source.corrupt",
            Self::TooLarge => "source.too-large",
            Self::BadTree => "source.bad-tree",
            Self::Rejected => "source.rejected",
            Self::Mirror => "source.mirror",
            Self::Unverified(why) => why.code(),
        }
    }
}
