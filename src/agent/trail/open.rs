//! The start: is the trail still what was signed for and published?

use std::sync::Arc;

use tokio::time::timeout;

use super::Trail;
use super::place::{PATIENCE, Place, PlaceError};
use crate::agent::StartError;
use crate::audit::{Acceptance, By, Redactor, Signer, TrailError};
use crate::config::Config;
use crate::model::{Actor, Clock, chain};
use crate::source;
use crate::store::{Store, StoreError};

impl Trail {
    /// Opens what signs, and holds the trail against each place that answers. A person's word lets it go on where it is not what was
    /// published: then it has another name from here on.
    ///
    /// # Errors
    /// Where it is not, and nobody said so; or when it cannot be read or written.
    pub(in crate::agent) async fn open(
        store: &Store,
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let places =
            Place::declared(config, store.folder()).map_err(|(name, source)| StartError::Source { name, source })?;
        let unreadable = |error| StoreError::file("could not read what was left for this start".into(), error);
        let accepted = Acceptance::waiting(store.folder()).map_err(unreadable)?;
        let key = match Signer::open(store, config.name.as_ref()).await {
            Err(error) if !matches!(error, TrailError::Key(_)) => return Err(error.into()),
            key => key,
        };
        let mut beside = None;
        let mut forgone = vec![];
        for place in &places {
            match timeout(PATIENCE, place.check(store)).await {
                Ok(Ok(())) => {}
                Ok(Err(PlaceError::Trail { error, last })) if error.is_lasting() => {
                    forgone.push(last.to_string());
                    beside.get_or_insert(error);
                }
                Ok(Err(PlaceError::Trail { error, .. })) => return Err(error.into()),
                // Its publisher tries again, and looks at it before it writes.
                Ok(Err(error)) => {
                    tracing::warn!(
                        place = place.name(),
                        error = chain(&error),
                        "the trail could not be held against a place"
                    );
                }
                Err(_) => tracing::warn!(place = place.name(), "a place of checkpoints does not answer"),
            }
        }
        let redactor = Redactor::new(source::secrets(config.repositories.values()));
        let by = |actor, reason| By { actor, reason, redactor: &redactor, now: clock.now() };
        let (signer, note) = match (key, beside, accepted) {
            (Ok(signer), None, waiting) => {
                if waiting.is_some() {
                    tracing::warn!("the trail is what was published: there was nothing to accept");
                }
                let note = signer.introduce(store, &by(Actor::daemon("run"), None)).await?;
                (signer, note)
            }
            (key, _, Some((accepted, actor))) => {
                let (old, by) = (key.ok(), by(actor, Some(accepted.reason)));
                let name = config.name.as_ref();
                let (signer, note) = Signer::begin_anew(store, name, old.as_ref(), forgone, &by).await?;
                (signer, Some(note))
            }
            (Err(error), _, None) | (Ok(_), Some(error), None) => return Err(error.into()),
        };
        let kept = |error| StoreError::file("could not remove what was left for this start".into(), error);
        Acceptance::forget(store.folder()).map_err(kept)?;
        Ok(Self::new(signer, places, note))
    }
}
