use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::problems::stopping;
use super::reverting::Came;
use crate::model::view::{ApplicationStatus, PlanView, PolicyView, SyncReport};
use crate::model::{Actor, PlanId, Problem};
use crate::sync::{Proposal, Refusal, Ring};

/// Where an application is asked. Boxed: a queue keeps room for 32, for each of perhaps a thousand applications.
pub(super) type Asked = mpsc::Sender<Box<Command>>;

/// What the task of an application is asked. It does one thing at a time, so that nothing else has to be locked.
pub(super) enum Command {
    /// Something may have changed.
    Ring(Ring),
    /// Something may have come of a commit that takes a failed change out of Git, or it is time to try again.
    TakeOut(Option<Came>),
    /// A person waits for the outcome of a sync.
    Sync(Ring, oneshot::Sender<SyncReport>),
    /// What would a sync do, at this revision?
    Plan(Option<String>, oneshot::Sender<Result<PlanView, Refusal>>),
    /// What would merging this do? It waits for everything else.
    Propose(Arc<Proposal>, oneshot::Sender<Result<Option<PlanView>, Refusal>>),
    /// Keep what people edited by hand, of the objects that these patterns name.
    Edits(Vec<String>, oneshot::Sender<Result<Option<PlanId>, Refusal>>),
    /// Which policies bind it, and what do they say?
    Explain(oneshot::Sender<Result<Vec<PolicyView>, Refusal>>),
    /// Go back to what was live before, as the store has it.
    GoBack(Actor, oneshot::Sender<Result<SyncReport, Refusal>>),
    Suspend(String, Actor, oneshot::Sender<Result<ApplicationStatus, Problem>>),
    Resume(Actor, oneshot::Sender<Result<ApplicationStatus, Problem>>),
}

/// Asks the task of an application, and waits for the answer.
pub(super) async fn ask<T>(
    commands: &Asked,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, Problem> {
    let (reply, answer) = oneshot::channel();
    commands.send(Box::new(command(reply))).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}
