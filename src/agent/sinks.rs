//! Begins and ends what tells people.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Agent;
use super::estate::{Estate, StartError};
use crate::audit;
use crate::config::{Config, Notification};
use crate::model::Name;
use crate::notify::{Known, Sink};

/// A sink's task, from outside.
pub(super) struct Telling {
    declared: Notification,
    pub(super) sink: Arc<Sink>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// Makes the sinks what `config` says: what did not change goes on undisturbed. What is recorded from here on is told to
    /// every one of them.
    pub(super) async fn settle_sinks(&self, estate: &mut Estate, config: &Config) -> Result<(), StartError> {
        let known = |declared: &crate::config::Declared<crate::config::Application>| Known {
            labels: declared.labels.clone(),
            target: Some(declared.spec.target.clone()),
        };
        let known = config.applications.iter().map(|(name, declared)| (name.clone(), known(declared)));
        self.inner.surroundings.declare(known.collect());
        let stays = |name: &Name, telling: &Telling| config.notifications.get(name) == Some(&telling.declared);
        let ending: Vec<Name> =
            estate.sinks.iter().filter(|(name, telling)| !stays(name, telling)).map(|(name, _)| name.clone()).collect();
        for name in ending {
            let Some(telling) = estate.sinks.remove(&name) else { continue };
            telling.stop.cancel();
            // A task that panicked has ended as well.
            let _ = telling.ended.await;
        }
        let store = &self.inner.store;
        let newest = audit::head(store).await?.size;
        let declared = config.notifications.keys().cloned().collect();
        store.declare_sinks(&declared, newest, self.inner.clock.now()).await?;
        for (name, declared) in &config.notifications {
            if !estate.sinks.contains_key(name) {
                estate.sinks.insert(name.clone(), self.begin_telling(name, declared));
            }
        }
        let shown: BTreeMap<_, _> =
            estate.sinks.iter().map(|(name, telling)| (name.clone(), telling.sink.clone())).collect();
        self.inner.board.told_by(shown);
        Ok(())
    }

    fn begin_telling(&self, name: &Name, declared: &Notification) -> Telling {
        let sink = Arc::new(Sink::new(name.clone(), declared.clone(), self.inner.surroundings.clone()));
        let stop = self.inner.stop.child_token();
        let ended = self.inner.tasks.spawn(sink.clone().run(stop.clone()));
        Telling { declared: declared.clone(), sink, stop, ended }
    }
}
