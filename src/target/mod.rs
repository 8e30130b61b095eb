//! Where live state is: the trait that every adapter implements, and the list of adapters.

mod bus;
mod command;
mod declarations;
pub mod host;
mod own;
mod probing;
pub mod protocol;
pub mod root;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::model::{
    Actor, Contents, Desired, Digest, DigestKey, Fingerprint, Health, Inventory, ObjectId, PlanId, Previews, Spec,
    Step, SyncId,
};

pub use declarations::Documents;
pub use own::Own;

/// Goes with every call to a target.
#[derive(Clone, Debug)]
pub struct Call {
    /// After this the call gives up with [`TargetError::Unavailable`].
    pub deadline: Instant,
    /// Cancelled: finish or undo the act in hand, then return [`TargetError::Cancelled`].
    pub cancel: CancellationToken,
    /// Grows with each holder of the data folder: a target that knows fencing refuses a smaller one.
    pub fence: u64,
    pub sync: SyncId,
    pub actor: Actor,
}

/// The smallest part of a plan that a target can do by itself: one step on a host or a cluster, a whole saved plan for
/// Terraform.
pub struct Batch<'a> {
    pub plan: PlanId,
    pub acts: Vec<Act<'a>>,
    /// The bytes behind the digests in the specs, durable before the first act.
    pub contents: &'a Arc<dyn Contents>,
    /// The target's own saved plan, by its digest in `contents`: what [`crate::model::Previews::artifact`] named.
    pub artifact: Option<Digest>,
    /// What must still hold, or the batch is [`TargetError::Stale`]: what the preview saw (a state serial).
    pub precondition: Option<Digest>,
}

/// One step to carry out.
pub struct Act<'a> {
    /// Its place in the plan, from 0: with the SyncId, the key under which it happens once.
    pub number: usize,
    pub step: &'a Step,
    /// What comes; `None` for a delete or a release.
    pub spec: Option<&'a Spec>,
}

/// An object whose health is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub id: &'a ObjectId,
    /// What it should be, which may say what healthy means.
    pub spec: Option<&'a Spec>,
}

/// How one step ended.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    pub number: usize,
    pub result: Result<Done, Arc<TargetError>>,
}

/// What a finished step left behind.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Digest and fingerprint of what is there now; `None` after a delete or a run.
    pub left: Option<(Digest, Fingerprint)>,
    /// It was already done when we came to it (a resumed plan).
    pub already: bool,
    /// The last lines that a command printed, escaped for a terminal.
    pub output: Option<String>,
}

/// Takes the outcome of each step as it comes. Unbounded: a batch has no more outcomes than steps.
pub type Outcomes = mpsc::UnboundedSender<StepOutcome>;

/// The objects that a watch should ring for; replaced whole when they change.
pub type Interest = watch::Receiver<Arc<Vec<ObjectId>>>;

/// Names objects that may have changed on one target. A hint, never data: losing one costs an interval.
pub type Bell = mpsc::Sender<Vec<ObjectId>>;

/// A place that holds live state. See `docs/design.md` for how a host, a cluster, Terraform and an external process fit it.
#[async_trait]
pub trait Target: Send + Sync {
    /// Returns what each desired or owned object is now, and what applying would make it. Changes nothing.
    ///
    /// # Errors
    /// Only where nothing at all can be said; an object that cannot be read is [`crate::model::Live::Unknown`].
    async fn preview(&self, call: &Call, desired: &Desired, owned: &Inventory) -> Result<Previews, TargetError>;

    /// Carries out one batch, reporting each step as it ends.
    ///
    /// # Guarantees
    /// A step runs only if the object's content still equals its `before`; a moved fingerprint only means that the content is
    /// read and compared. A step whose object already equals `after` is done. Idempotent under SyncId and step.
    ///
    /// # Errors
    /// The first failure ends the batch.
    async fn apply(&self, call: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError>;

    /// Returns how these objects are doing now; the caller decides how long to wait.
    ///
    /// # Errors
    /// Where nothing at all can be said.
    async fn health(&self, call: &Call, asked: &[Asked<'_>]) -> Result<Vec<Health>, TargetError>;

    /// Rings, naming objects, when something live may have changed, until cancelled. One per target, not per application.
    ///
    /// # Errors
    /// When watching is not to be had; the interval still finds everything.
    async fn watch(&self, call: &Call, interest: Interest, bell: Bell) -> Result<(), TargetError>;

    /// Removes what a crash left half-way (temporary files); called once before anything else.
    ///
    /// # Errors
    /// When the target cannot be reached.
    async fn recover(&self, call: &Call, owned: &[ObjectId]) -> Result<(), TargetError>;
}

/// Why a target did not do it. Each asks for something else from the caller.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The object is no longer what the plan saw: plan again.
    #[error("{object} is no longer what the plan saw")]
    Stale { object: ObjectId },
    /// Someone else holds it: name them, hold.
    #[error("{object} is held by {holder}")]
    Conflict { object: ObjectId, holder: String },
    /// A lock is held: wait, never break it.
    #[error("locked by {holder}")]
    Locked { holder: String },
    /// An allow-list or the target's own permissions refuse it: trying again is no use. `code` is stable.
    #[error("{reason}")]
    Denied { code: Cow<'static, str>, reason: String },
    /// The target finds it wrong: Git must change. `code` is stable.
    #[error("{reason}")]
    Invalid { code: Cow<'static, str>, reason: String },
    /// Not now: try again later.
    #[error("{doing}")]
    Unavailable {
        doing: String,
        #[source]
        source: Option<anyhow::Error>,
    },
    #[error("cancelled")]
    Cancelled,
    /// It may or may not have happened: look before trying again.
    #[error("could not learn whether it happened: {doing}")]
    InDoubt {
        doing: String,
        #[source]
        source: Option<anyhow::Error>,
    },
}

impl TargetError {
    /// The stable code of this error, as records and the API carry it.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Stale { .. } => "target.stale",
            Self::Conflict { .. } => "target.conflict",
            Self::Locked { .. } => "target.locked",
            Self::Denied { code, .. } | Self::Invalid { code, .. } => code,
            Self::Unavailable { .. } => "target.unavailable",
            Self::Cancelled => "target.cancelled",
            Self::InDoubt { .. } => "target.in-doubt",
        }
    }
}

/// The list of adapters: returns the one for a declared target. A new adapter is one folder and one line here.
///
/// # Errors
/// When what is declared cannot be set up.
pub fn adapter(declared: &config::Target, key: &DigestKey) -> Result<Arc<dyn Target>, TargetError> {
    let host = &declared.host;
    if let Some(via) = &host.via {
        // Plain data: serialisation cannot fail, and null would be refused at the other end.
        let asked = serde_json::to_value(config::HostTarget { via: None, ..host.clone() }).unwrap_or_default();
        let remote = protocol::Remote::new(Box::new(protocol::Socket(via.clone())), asked);
        return Ok(Arc::new(probing::Probing::new(Arc::new(remote))));
    }
    let target = host::HostTarget::new(host, key.derive("trueup/host-state/v1"))?;
    Ok(Arc::new(probing::Probing::new(Arc::new(target))))
}
