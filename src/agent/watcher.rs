use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::owners::Owners;
use crate::model::{Actor, Name, ObjectId, SyncId, chain, event};
use crate::target::{Call, Target};

/// Inventories change in bursts; the watch follows once for each.
const GATHER: Duration = Duration::from_millis(100);
/// Live changes queue here while the applications are rung; a full queue only makes the adapter wait.
const QUEUE: usize = 16;
/// A watch that ended is tried again after this.
const AGAIN: Duration = Duration::from_mins(1);

/// Watches one target, for all of its applications.
pub(super) struct Watcher {
    pub(super) name: Name,
    pub(super) target: Arc<dyn Target>,
    pub(super) owners: Arc<Owners>,
    pub(super) stop: CancellationToken,
}

impl Watcher {
    /// Calls `ring` with each application whose objects may have changed, until stopped.
    pub(super) async fn run(self, ring: impl Fn(&Name)) {
        let (interest, interested) = watch::channel(Arc::new(Vec::new()));
        let (bell, mut bells) = mpsc::channel::<Vec<ObjectId>>(QUEUE);
        let watching = async {
            loop {
                let call = self.call();
                match self.target.watch(&call, interested.clone(), bell.clone()).await {
                    Ok(()) if self.stop.is_cancelled() => return,
                    Ok(()) => {}
                    Err(error) => {
                        let (event, code, message) = (event::WATCH_LOST.name, error.code(), chain(&error));
                        let live = self.name.as_str();
                        tracing::warn!(
                            event,
                            live,
                            code,
                            "could not watch; intervals still find everything: {message}"
                        );
                    }
                }
                sleep(AGAIN).await;
            }
        };
        let following = async {
            loop {
                self.owners.changed.notified().await;
                sleep(GATHER).await;
                interest.send_replace(Arc::new(self.owners.all()));
            }
        };
        let ringing = async {
            while let Some(changed) = bells.recv().await {
                for name in self.owners.of(&changed) {
                    ring(&name);
                }
            }
        };
        tokio::select! {
            // Each branch is a loop without an end; they are all dropped together when the watcher stops.
            () = watching => {}
            () = following => {}
            () = ringing => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn call(&self) -> Call {
        Call {
            // A watch has no end of its own.
            deadline: Instant::now() + Duration::from_hours(24 * 365),
            cancel: self.stop.clone(),
            fence: 0,
            sync: SyncId("watch".into()),
            actor: Actor::daemon("watch"),
        }
    }
}
