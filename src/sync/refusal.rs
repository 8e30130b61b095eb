use crate::model::{Digest, Mistake, Outcome, Revision, chain};
use crate::render::RenderError;
use crate::source::SourceError;
use crate::store::StoreError;
use crate::target::TargetError;

/// Why a sync did not come to a plan, or the plan not to its end.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub outcome: Outcome,
    /// Stable.
    pub code: String,
    /// What was being done, and the chain of causes.
    pub message: String,
    pub mistakes: Vec<Mistake>,
    /// What was refused, where it came to a revision.
    pub revision: Option<Revision>,
    /// It did not come to one: the followed ref could not be told, or not be fetched.
    pub blind: bool,
}

impl Refusal {
    pub(crate) fn new(outcome: Outcome, code: &str, message: impl Into<String>) -> Self {
        Self { outcome, code: code.into(), message: message.into(), mistakes: vec![], revision: None, blind: false }
    }

    pub(crate) fn source(error: &SourceError) -> Self {
        Self::new(Outcome::Refused, error.kind.code(), chain(error))
    }

    pub(crate) fn render(error: &RenderError) -> Self {
        let mistakes = match error {
            RenderError::Mistakes(mistakes) => mistakes.clone(),
            _ => vec![],
        };
        Self { mistakes, ..Self::new(Outcome::Refused, error.code(), chain(error)) }
    }

    pub(crate) fn target(error: &TargetError) -> Self {
        match error {
            TargetError::Cancelled => Self::stopped(),
            // It is the revision that asks for what is not allowed or makes no sense.
            TargetError::Denied { .. } | TargetError::Invalid { .. } => {
                Self::new(Outcome::Refused, error.code(), chain(error))
            }
            error => Self::new(Outcome::Failed, error.code(), chain(error)),
        }
    }

    /// The daemon is stopping: nothing was planned, and there is nothing to tell.
    pub(crate) fn stopped() -> Self {
        Self::new(Outcome::Stopped, "sync.stopped", "stopped before anything was planned")
    }

    pub(crate) fn store(error: &StoreError) -> Self {
        Self::new(Outcome::Failed, error.code(), chain(error))
    }

    /// Tells why the source was asked in vain.
    pub(crate) fn poll(error: &SourceError) -> Self {
        Self { blind: true, ..Self::source(error) }
    }

    /// Says which revision it is about.
    pub(crate) fn of(mut self, revision: &Revision) -> Self {
        self.revision = Some(revision.clone());
        self
    }

    /// A task of our own ended before its time.
    pub(crate) fn broken(room: &str, error: &tokio::task::JoinError) -> Self {
        Self::new(Outcome::Failed, "internal", format!("could not finish the {room}: {error}"))
    }

    /// Returns the message with every mistake behind it.
    pub(crate) fn full_message(&self) -> String {
        self.mistakes.iter().fold(self.message.clone(), |text, mistake| format!("{text}\n{mistake}"))
    }

    /// Returns what decides whether this was told before.
    pub(crate) fn told(&self) -> Digest {
        Digest::of_json("trueup/told/v1", &(self.outcome, &self.code, &self.message, &self.mistakes))
    }
}
