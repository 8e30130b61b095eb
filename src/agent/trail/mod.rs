//! Signs for the trail and publishes what was signed: within a second of a record, or after 256 of them. Woken by records, and by
//! nothing else.

mod open;
mod place;
mod retention;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Agent;
use crate::audit::{Appended, By, Checkpoint, Note, Signer, TrailError};
use crate::model::view::TrailStatus;
use crate::model::{Actor, Pace, Problem, chain, event};
use crate::store::{Store, StoreError};
use place::{Place, PlaceError};

/// Records that come within this of each other go under one checkpoint: it leaves time for publishing within the second.
const GATHER: Duration = Duration::from_millis(300);
/// So many records go under a checkpoint at once.
const RECORDS: u64 = 256;
/// A checkpoint that could not be made is tried again after this, or with the next record.
const RETRY: Duration = Duration::from_secs(5);
/// How soon a place is tried again, at first.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// What each place gets at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who signs, and where it goes.
pub(super) struct Trail {
    /// Held while it signs or is replaced, so that what is signed goes out in order.
    signer: Mutex<Signer>,
    places: Vec<Arc<Place>>,
    /// Held while records are moved into the archive, or a payload is erased: a file is written before its records are dropped, and
    /// what was erased in between would stay in it.
    upkeep: Mutex<()>,
    /// The checkpoint that is to be at each place.
    newest: watch::Sender<Option<Note>>,
}

impl Trail {
    fn new(signer: Signer, places: Vec<Place>, newest: Option<Note>) -> Self {
        let trail = Self {
            signer: Mutex::new(signer),
            places: places.into_iter().map(Arc::new).collect(),
            upkeep: Mutex::default(),
            newest: watch::Sender::new(None),
        };
        if let Some(note) = newest {
            trail.publish(note);
        }
        trail
    }

    /// Makes a checkpoint of all that the trail has, and publishes it where that was not done. A caller may hang up at any point: what
    /// one has signed and not published, the next one publishes.
    pub(super) async fn checkpoint(&self, store: &Store) -> Result<(), StoreError> {
        let signer = self.signer.lock().await;
        let note = signer.checkpoint(store).await?;
        let published = self.newest.borrow().as_ref() == Some(&note);
        if !published {
            self.publish(note);
        }
        Ok(())
    }

    /// Gives a checkpoint to the log and to each place.
    fn publish(&self, note: Note) {
        let size = Checkpoint::parse(&note).map_or(0, |checkpoint| checkpoint.head.size);
        let event = event::TRAIL_CHECKPOINT.name;
        tracing::info!(event, note = note.to_string(), "checkpoint of {size} records");
        self.newest.send_replace(Some(note));
    }

    pub(super) fn status(&self) -> TrailStatus {
        let newest = self.newest.borrow().as_ref().and_then(|note| Checkpoint::parse(note).ok());
        TrailStatus {
            origin: newest.as_ref().map(|newest| newest.origin.clone()),
            checkpoint: newest.map(|newest| newest.head.size),
            places: self.places.iter().map(|place| place.status()).collect(),
        }
    }
}

impl Agent {
    /// Begins to sign and to publish.
    pub(super) fn keep_trail(&self) {
        self.inner.tasks.spawn(self.clone().sign());
        for place in &self.inner.trail.places {
            self.inner.tasks.spawn(self.clone().publish(place.clone()));
        }
    }

    /// Makes checkpoints as records come.
    async fn sign(self) {
        let (trail, store, stop) = (&self.inner.trail, &self.inner.store, &self.inner.stop);
        let (mut appended, mut newest) = (Appended::to(store), 0);
        let mut told = None;
        loop {
            let covered = newest;
            let failure = trail.checkpoint(store).await.err().map(|error| chain(&error));
            // Once for each reason, however often it is tried.
            if let Some(error) = failure.as_ref().filter(|failure| told.as_ref() != Some(*failure)) {
                tracing::warn!(error, "could not make a checkpoint");
            }
            let failed = failure.is_some();
            told = failure;
            let more = async {
                newest = appended.next().await;
                let many = async {
                    while newest < covered + RECORDS {
                        newest = appended.next().await;
                    }
                };
                // Whichever comes first: neither loses anything by being dropped.
                let _ = timeout(GATHER, many).await;
            };
            tokio::select! {
                () = more => {} // a record that comes meanwhile is seen by the next checkpoint
                () = sleep(RETRY), if failed => {} // a timer holds no data
                () = stop.cancelled() => return, // level-triggered
            }
        }
    }

    /// Keeps one place up to date, whatever its state: it holds up nobody.
    async fn publish(self, place: Arc<Place>) {
        let mut newest = self.inner.trail.newest.subscribe();
        let mut waits = Pace::new(self.inner.store.key(), format!("checkpoints at {}", place.name()));
        let mut failures = 0;
        loop {
            let note = newest.borrow_and_update().clone();
            let put = async {
                match &note {
                    Some(note) => place.put(&self.inner.store, note, self.inner.clock.now()).await,
                    None => Ok(()),
                }
            };
            let put = tokio::select! {
                put = put => put, // a push that is dropped may come through: the next one looks
                () = self.inner.stop.cancelled() => return, // level-triggered
            };
            match put {
                Ok(()) => {
                    if failures > 0 {
                        let event = event::TRAIL_PUBLISHED.name;
                        tracing::info!(event, place = place.name(), "checkpoints are published again");
                    }
                    failures = 0;
                }
                Err(error) => {
                    failures += 1;
                    self.unpublished(&place, error);
                }
            }
            let wait = waits.back_off(FIRST_RETRY, failures);
            let more = async {
                if failures > 0 {
                    sleep(wait).await;
                } else if newest.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = more => {} // what changes meanwhile is seen by the next round
                () = self.inner.stop.cancelled() => return, // level-triggered
            }
        }
    }

    /// Says that a place could not be published to. Where what is there shows that the trail here is not what it was, the daemon ends.
    fn unpublished(&self, place: &Place, error: PlaceError) {
        let (code, message) = (error.code(), chain(&error));
        if place.failed(&error) {
            let event = event::TRAIL_UNPUBLISHED.name;
            tracing::warn!(event, code, place = place.name(), "could not publish a checkpoint: {message}");
        }
        if let PlaceError::Trail { error, .. } = error
            && error.is_lasting()
        {
            place.lose();
            tracing::error!(code, "the trail is not what was published: ending, {message}");
            *self.inner.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            self.inner.stop.cancel();
        }
    }

    /// Signs and publishes what was recorded last, for as long as a stop may take.
    pub(super) async fn end_trail(&self) {
        let (trail, store) = (&self.inner.trail, &self.inner.store);
        if let Err(error) = trail.checkpoint(store).await {
            tracing::warn!(error = chain(&error), "could not make the last checkpoint");
        }
        let Some(note) = trail.newest.borrow().clone() else { return };
        let mut all = JoinSet::new();
        for place in trail.places.iter().filter(|place| !place.is_lost()) {
            let place = place.clone();
            let (note, store, now) = (note.clone(), store.clone(), self.inner.clock.now());
            all.spawn(async move {
                match timeout(FAREWELL, place.put(&store, &note, now)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        let message = chain(&error);
                        tracing::warn!(place = place.name(), "could not publish the last checkpoint: {message}");
                    }
                    Err(_) => tracing::warn!(place = place.name(), "could not publish the last checkpoint in time"),
                }
            });
        }
        while all.join_next().await.is_some() {}
    }

    /// Replaces the key that signs. Returns the new one.
    pub(super) async fn replace_key(&self, reason: Option<String>, actor: Actor) -> Result<String, Problem> {
        let ledger = self.ledger().await;
        let mut signer = self.inner.trail.signer.lock().await;
        let (redactor, now) = (&*ledger.redactor, ledger.clock.now());
        let by = By { actor, reason, redactor, now };
        let (new, note) = signer.rotate(&ledger.store, &by).await.map_err(|error| trail_problem(&error))?;
        *signer = new;
        self.inner.trail.publish(note);
        Ok(signer.key().public().to_string())
    }
}

pub(super) fn trail_problem(error: &TrailError) -> Problem {
    match error {
        TrailError::Store(error) => super::problems::store_problem(error),
        error => Problem::new(409, error.code(), chain(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Body, DaemonBody, Entry, Redactor, append};
    use crate::model::Time;

    #[tokio::test]
    async fn what_was_signed_for_a_caller_who_hung_up_is_published_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).await.unwrap();
        let redactor = Redactor::default();
        let by = By { actor: Actor::daemon("run"), reason: None, redactor: &redactor, now: Time(0) };
        let signer = Signer::open(&store, None).await.unwrap();
        let first = signer.introduce(&store, &by).await.unwrap();
        let trail = Trail::new(signer.clone(), vec![], first);
        let mut newest = trail.newest.subscribe();
        let body = Body::Started(DaemonBody { version: "0.1.0".into() });
        let entry =
            Entry { application: None, revision: None, plan: None, sync: None, actor: Actor::daemon("run"), body };
        let mut tx = store.write().await.unwrap();
        append(&mut tx, Time(0), &redactor, &[entry]).await.unwrap();
        tx.commit().await.unwrap();
        // It went as far as the commit.
        let note = signer.checkpoint(&store).await.unwrap();
        assert!(!newest.has_changed().unwrap());
        trail.checkpoint(&store).await.unwrap();
        assert_eq!(newest.borrow_and_update().as_ref(), Some(&note));
        trail.checkpoint(&store).await.unwrap();
        assert!(!newest.has_changed().unwrap(), "once is enough");
    }
}
