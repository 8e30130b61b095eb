//! Begins and ends what tells people.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::estate::{Estate, StartError};
use super::{Agent, forges};
use crate::audit;
use crate::config::{Application, Config, Declared, Notification};
use crate::model::Name;
use crate::notify::{Known, Sink};

/// A sink's task, from outside.
pub(super) struct Telling {
    declared: Notification,
    sink: Arc<Sink>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// Makes the sinks what `config` says: what did not change goes on undisturbed. What is recorded from here on is told to
    /// every one of them.
    pub(super) async fn settle_sinks(&self, estate: &mut Estate, config: &Config) -> Result<(), StartError> {
        let known = |declared: &Declared<Application>| {
            let (labels, target) = (declared.labels.clone(), Some(declared.spec.target.clone()));
            Known { labels, target }
        };
        let known = config.applications.iter().map(|(name, declared)| (name.clone(), known(declared)));
        let before = self.inner.store.applications().await?.into_iter();
        let before = before.filter_map(|(name, state)| Some((name, state.definition?.labels)));
        let before = before.map(|(name, labels)| (name, Known { labels, target: None }));
        self.inner.surroundings.declare(known.collect(), before.collect());
        let stays = |name: &Name, telling: &mut Telling| config.notifications.get(name) == Some(&telling.declared);
        let ending: Vec<_> = estate.sinks.extract_if(.., |name, telling| !stays(name, telling)).collect();
        // Each may take a moment to end: none waits for another.
        for (_, telling) in &ending {
            telling.stop.cancel();
        }
        for (_, telling) in ending {
            // A task that panicked has ended as well.
            let _ = telling.ended.await;
        }
        let store = &self.inner.store;
        let newest = audit::head(store).await?.size;
        let notified = config.notifications.keys().map(ToString::to_string);
        let declared = notified.chain(forges::places(config)).collect();
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
