use std::time::Duration;

use tokio::time::sleep;

use super::Agent;
use crate::model::chain;

/// What nothing needs any more is dropped this often, and at start.
const EVERY: Duration = Duration::from_hours(24);

impl Agent {
    /// Drops contents that no state, plan or failure can ask for any more, and moves out old records, now and once a day.
    pub(super) fn keep_house(&self) {
        let agent = self.clone();
        self.inner.tasks.spawn(async move {
            loop {
                match agent.sweep().await {
                    Ok(0) => {}
                    Ok(gone) => tracing::debug!(gone, "dropped contents that nothing needs"),
                    Err(error) => tracing::warn!(error = chain(&error), "could not drop contents that nothing needs"),
                }
                agent.archive_old().await;
                tokio::select! {
                    () = sleep(EVERY) => {} // a timer holds no data
                    () = agent.inner.stop.cancelled() => return, // level-triggered
                }
            }
        });
    }

    async fn sweep(&self) -> Result<u64, crate::store::StoreError> {
        let mut tx = self.inner.store.write().await?;
        let now = self.inner.clock.now();
        let gone = tx.sweep_unneeded(now).await?;
        tx.commit().await?;
        self.inner.keyring.sweep(now);
        Ok(gone)
    }
}
