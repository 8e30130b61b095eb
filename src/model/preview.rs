use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Digest, Fingerprint, ObjectId, Spec, Touched};

/// What an adapter says of one object: what it is, and what applying would make it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Preview {
    pub id: ObjectId,
    /// Of what is run: absent, or known by nothing but a fingerprint that the step takes along as evidence (the invocation of
    /// a unit before its restart).
    pub live: Live,
    pub after: After,
    /// Handlers and checks to run once, in the same wave, if this object changes.
    pub calls: Vec<ObjectId>,
    /// The adapter's fixed order within a wave: lower first, ties by identity.
    pub rank: u32,
    pub wave: u32,
    /// The adapter's own word that deleting this needs a person's yes, with the reason.
    pub protected: Option<Cow<'static, str>>,
    /// Who changed what is there, and when: only where it is not as it should be, and as far as the target tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<Box<Touched>>,
}

impl Preview {
    /// Returns that of what is run, not written: `digest` covers all of it.
    #[must_use]
    pub const fn of_run(id: ObjectId, rank: u32, digest: Digest) -> Self {
        let (live, after) = (Live::Absent, After::Run(digest));
        Self { id, live, after, calls: vec![], rank, wave: 0, protected: None, touched: None }
    }
}

/// What is known of one live object. One refusal spoils one object, not the preview.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Live {
    Known(Box<State>),
    Absent,
    /// An error, a refusal or a time-out, in words. Never to be read as absent.
    Unknown(String),
}

/// What applying would make of the object.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// It is as it should be.
    Same,
    /// It would become this.
    Is(Box<State>),
    /// It is ours, and Git no longer has it.
    Absent,
    /// It is ours, Git no longer has it, and it stays as it is.
    Released,
    /// It is run, not written: a handler or a check, with the digest of what is run.
    Run(Digest),
}

/// The state of one object, before or after.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Digest of the normalised state, keyed by the installation (it may cover a secret).
    pub digest: Digest,
    pub fingerprint: Fingerprint,
    /// What sort of thing it is (`file`, `directory`, `symlink`, a version): a change of sort is a replacement.
    pub sort: Cow<'static, str>,
    /// What would have to be desired to get exactly this state; `None` for what trueup could not make (a device).
    pub spec: Option<Spec>,
    /// What is there, where a person may want a diff or a restore needs it; `None` for unchanged objects, and for what comes:
    /// whoever asks has its content.
    #[serde(skip)]
    pub content: Option<Arc<[u8]>>,
    /// Not everyone may read it: shown as *changed, content hidden*.
    pub hidden: bool,
}

/// The answer to a preview.
#[derive(Clone, Debug, Default)]
pub struct Previews {
    pub items: Vec<Preview>,
    /// A saved plan of the target's own (a Terraform plan file), by its digest in the store.
    pub artifact: Option<Digest>,
    /// What must still hold when the plan runs (a state serial).
    pub precondition: Option<Digest>,
    /// What runs that no document names and the adapter itself adds (a daemon-reload); each has its item above.
    pub runs: BTreeMap<ObjectId, Spec>,
}
