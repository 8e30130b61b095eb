use super::course::Room;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::audit;
use crate::execute;
use crate::model::Outcome;
use crate::model::view::SyncReport;
use crate::store::Open;

impl Subject {
    /// Takes up an execution that a crash, a stop or a failing store left open: the same plan, under its recorded verdict,
    /// with its `SyncId`. Nothing newer is looked at before it is closed.
    pub(super) async fn resume(&mut self, open: Open) -> SyncReport {
        if let Ok(desired) = super::run::stored_desired(&self.store, &open.prepared.desired).await {
            self.learn(&desired).await;
        }
        let ring = Ring { actor: open.actor.clone(), ..Ring::daemon("recovery") };
        let resumed = || async {
            let mut tx = self.store.write().await?;
            let entries = [execute::resumed(&open)];
            audit::append(&mut tx, self.clock.now(), &self.redactor, &entries).await?;
            tx.commit().await
        };
        let ended = match self.store.insist(resumed).await {
            Ok(()) if open.prepared.plan.target != self.target_name => self.abandon(&open).await,
            Ok(()) => self.finish(open, &ring, self.course.enter(Room::Execute)).await,
            Err(error) => Err(Refusal::store(&error)),
        };
        match ended {
            Ok(report) => report,
            Err(refusal) => {
                // It was not written down, so nothing has told of it.
                tracing::warn!(app = %self.name, code = %refusal.code, error = %refusal.message, "could not go on with a plan");
                self.report(Outcome::Failed).because(&refusal.code, &refusal.full_message())
            }
        }
    }
}
