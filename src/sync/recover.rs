use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::audit;
use crate::execute;
use crate::model::Outcome;
use crate::model::view::SyncReport;
use crate::store::Open;

/// Takes up an execution that a crash, a stop or a failing store left open: the same plan, under its recorded verdict, with
/// its `SyncId`. Nothing newer is looked at before it is closed.
pub async fn resume(subject: &mut Subject, open: Open) -> SyncReport {
    tracing::info!(app = %subject.name, plan = %open.prepared.plan.id.short(), sync = %open.sync, "resuming a plan");
    let ring = Ring { actor: open.actor.clone(), ..Ring::daemon("recovery") };
    let resumed = async {
        let mut tx = subject.store.write().await?;
        let entries = [execute::resumed(&open)];
        audit::append(&mut tx, subject.clock.now(), &subject.redactor, &entries).await?;
        tx.commit().await
    };
    let ended = match resumed.await {
        Ok(()) => subject.finish(open, &ring).await,
        Err(error) => Err(subject.left_open(open, Refusal::store(&error))),
    };
    match ended {
        Ok(report) => report,
        Err(refusal) => subject.report(Outcome::Failed).because(&refusal.code, &refusal.full_message()),
    }
}
