use async_trait::async_trait;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, unfold};
use tokio::sync::watch;

use super::Agent;
use crate::audit::Appended;
use crate::model::Problem;

/// What those ask who keep an eye on the daemon from outside.
#[async_trait]
pub trait Observing {
    /// Whether its tasks make progress: where not, only a restart helps. Costs nothing.
    fn is_alive(&self) -> bool;

    /// Whether it does its work: it has begun, is not about to stop, and its store takes records. An unreachable Git host or
    /// target says nothing against it.
    fn is_ready(&self) -> bool;

    /// Returns all metrics in the text format of OpenMetrics 1.0.
    async fn metrics(&self) -> Result<String, Problem>;

    /// Tells that something may be another of what is shown, break-glass and the trail included. It ends with the daemon.
    fn changes(&self) -> BoxStream<'static, ()>;
}

#[async_trait]
impl Observing for Agent {
    fn is_alive(&self) -> bool {
        !self.inner.turns.is_starved()
    }

    fn is_ready(&self) -> bool {
        let at_work = self.inner.begun.is_cancelled() && !self.inner.stop.is_cancelled();
        at_work && self.is_alive() && self.inner.store.may_begin().is_ok()
    }

    async fn metrics(&self) -> Result<String, Problem> {
        self.numbers().await
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let changes = (self.inner.board.pulse.subscribe(), Appended::to(&self.inner.store));
        let over = self.inner.unwatched.clone();
        let coming = |(mut shown, mut appended): (watch::Receiver<()>, Appended)| async move {
            tokio::select! {
                // Both keep what came while the other won.
                moved = shown.changed() => moved.ok()?,
                _ = appended.next() => {}
            }
            Some(((), (shown, appended)))
        };
        unfold(changes, coming).take_until(over.cancelled_owned()).boxed()
    }
}

impl Agent {
    /// Lets go of those who watch what changes, so that nobody waits for them.
    pub fn let_watchers_go(&self) {
        self.inner.unwatched.cancel();
    }
}
