use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::Instant;

use super::{Head, SignedBy, Source, SourceError};
use crate::model::{Clock, Name, Revision, Time};

/// One repository and ref, polled once however many applications follow it.
pub struct Shared {
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    /// Held while polling, so that those who ask meanwhile get the same answer.
    polling: AsyncMutex<()>,
    last: watch::Sender<Option<Polled>>,
    /// What each application last applied: the history back to there must be known.
    applied: Mutex<BTreeMap<Name, Revision>>,
    /// And to where what judges it was last taken from.
    accepted: Mutex<BTreeMap<Name, Revision>>,
}

/// One answer of the remote.
#[derive(Clone)]
pub struct Polled {
    pub began: Instant,
    pub at: Time,
    pub head: Result<Head, Arc<SourceError>>,
}

impl Shared {
    #[must_use]
    pub fn new(source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        let (last, _) = watch::channel(None);
        Self {
            source,
            clock,
            polling: AsyncMutex::new(()),
            last,
            applied: Mutex::default(),
            accepted: Mutex::default(),
        }
    }

    #[must_use]
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Returns the last answer, of whatever age.
    #[must_use]
    pub fn last(&self) -> Option<Polled> {
        self.last.borrow().clone()
    }

    /// Says what an application last applied.
    pub fn applied(&self, application: &Name, revision: Revision) {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).insert(application.clone(), revision);
    }

    /// Says which revision an application's judgement goes back to: history is known back to there as well.
    pub fn accepted(&self, application: &Name, revision: Revision) {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).insert(application.clone(), revision);
    }

    /// Returns an answer to a poll that began at `since` or later; polls where there is none yet.
    pub async fn poll(&self, since: Instant) -> Polled {
        let _polling = self.polling.lock().await;
        if let Some(polled) = self.last().filter(|polled| polled.began >= since) {
            return polled;
        }
        let began = Instant::now();
        let mut applied: Vec<_> =
            self.applied.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        applied.extend(self.accepted.lock().unwrap_or_else(PoisonError::into_inner).values().cloned());
        applied.sort_unstable();
        applied.dedup();
        let head = self.source.poll(&applied).await.map_err(Arc::new);
        let polled = Polled { began, at: self.clock.now(), head };
        self.last.send_replace(Some(polled.clone()));
        polled
    }

    /// Returns who signed what `head` says, as an application may take it; see [`Source::verify`].
    pub async fn verify(&self, head: &Head, application: &Name) -> Result<Option<SignedBy>, SourceError> {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner).get(application).cloned();
        self.source.verify(head, applied.as_ref(), self.clock.now()).await
    }

    /// Returns the last answer where there is one, and polls where there is none.
    pub async fn head(&self) -> Polled {
        match self.last() {
            Some(polled) => polled,
            None => self.poll(Instant::now()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::super::{Commit, Merge, Relation, SourceErrorKind, Tree};
    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    fn refused() -> SourceError {
        SourceError { kind: SourceErrorKind::Unborn, message: "no commit yet".into(), source: None }
    }

    #[async_trait]
    impl Source for Counted {
        async fn poll(&self, _: &[Revision]) -> Result<Head, SourceError> {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(refused())
        }

        async fn resolve(&self, _: &str) -> Result<Head, SourceError> {
            Err(refused())
        }

        async fn verify(&self, _: &Head, _: Option<&Revision>, _: Time) -> Result<Option<SignedBy>, SourceError> {
            Err(refused())
        }

        async fn relation(&self, _: &Revision, _: &Revision) -> Result<Relation, SourceError> {
            Err(refused())
        }

        async fn tree(&self, _: &Revision) -> Result<Arc<dyn Tree>, SourceError> {
            Err(refused())
        }

        async fn commit(&self, _: &Revision) -> Result<Commit, SourceError> {
            Err(refused())
        }

        async fn news(&self, _: Option<&Revision>, _: &Revision, _: Time) -> Result<Option<Vec<Commit>>, SourceError> {
            Err(refused())
        }

        async fn merge(&self, _: &Revision, _: &Revision) -> Result<Merge, SourceError> {
            Err(refused())
        }
    }

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Time {
            Time(0)
        }

        fn boot(&self) -> crate::model::Boot {
            crate::model::Boot { id: "".into(), elapsed: 0 }
        }
    }

    #[tokio::test]
    async fn those_who_ask_together_share_one_poll_and_a_later_one_asks_anew() {
        let source = Arc::new(Counted::default());
        let shared = Arc::new(Shared::new(source.clone(), Arc::new(Stopped)));
        let since = Instant::now();
        let asked: Vec<_> = (0..100)
            .map(|_| {
                let shared = shared.clone();
                tokio::spawn(async move { shared.poll(since).await.head.is_err() })
            })
            .collect();
        for answer in asked {
            assert!(answer.await.unwrap());
        }
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        shared.head().await;
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        shared.poll(Instant::now()).await;
        assert_eq!(source.0.load(Ordering::Relaxed), 2);
    }
}
