use async_trait::async_trait;

use super::Agent;
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
}
