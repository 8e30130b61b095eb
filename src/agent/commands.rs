use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::problems::{busy, stopping};
use super::reverting::Came;
use crate::model::view::{ApplicationStatus, PlanView, PolicyView, SyncReport};
use crate::model::{Actor, PlanId, Problem};
use crate::sync::{Proposal, Refusal, Ring};

/// More people than this do not wait for one application.
const PLACES: usize = 64;

/// Where an application is asked. Boxed: a queue keeps room for 32, for each of perhaps a thousand applications.
#[derive(Clone)]
pub(super) struct Asked {
    commands: mpsc::Sender<Box<Command>>,
    places: Arc<Semaphore>,
}

impl Asked {
    pub(super) fn new(commands: mpsc::Sender<Box<Command>>) -> Self {
        Self { commands, places: Arc::new(Semaphore::new(PLACES)) }
    }

    /// Rings, where there is room.
    pub(super) fn ring(&self, ring: Ring) {
        // A full queue holds a bell already.
        let _ = self.commands.try_send(Box::new(Command::Ring(ring)));
    }
}

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

impl Command {
    /// Whether nobody waits any more for what changes nothing. What was begun to be asked for goes on when its caller goes away.
    pub(super) fn is_forsaken(&self) -> bool {
        match self {
            Self::Plan(_, reply) => reply.is_closed(),
            Self::Propose(_, reply) => reply.is_closed(),
            Self::Explain(reply) => reply.is_closed(),
            Self::Ring(_)
            | Self::TakeOut(_)
            | Self::Sync(..)
            | Self::Edits(..)
            | Self::GoBack(..)
            | Self::Suspend(..)
            | Self::Resume(..) => false,
        }
    }
}

/// Asks the task of an application, and waits for the answer.
///
/// # Errors
/// When too many wait for it already, and when it ends before it answers.
pub(super) async fn ask<T>(asked: &Asked, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Problem> {
    let (reply, answer) = oneshot::channel();
    let _place = asked.places.try_acquire().map_err(|_| busy())?;
    asked.commands.send(Box::new(command(reply))).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn so_many_wait_for_one_application_and_who_goes_away_makes_room() {
        let (commands, mut receiver) = mpsc::channel(PLACES);
        let asked = Asked::new(commands);
        let mut waiting: Vec<_> = (0..PLACES).map(|_| Box::pin(ask(&asked, Command::Explain))).collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert_eq!(ask(&asked, Command::Explain).await.err().unwrap().code, "application.busy");
        let first = receiver.recv().await.unwrap();
        assert!(!first.is_forsaken());
        drop(waiting);
        assert!(first.is_forsaken());
        assert_eq!(asked.places.available_permits(), PLACES);
        let actor = Actor::daemon("x");
        let (reply, answer) = oneshot::channel();
        drop(answer);
        assert!(!Command::Resume(actor, reply).is_forsaken(), "an act goes on");
    }
}
