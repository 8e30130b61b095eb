use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use crate::audit::{self, Checkpoint, CheckpointFile, Note, TrailError, hold_against, notes};
use crate::config::{Config, Repository};
use crate::model::view::PlaceStatus;
use crate::model::{Name, Time, chain};
use crate::source::{Publisher, SourceError, SourceErrorKind};
use crate::store::Store;

/// One place that checkpoints are published to.
pub(super) struct Place {
    name: String,
    /// Held while it is looked at or written to.
    kind: AsyncMutex<Kind>,
    status: Mutex<PlaceStatus>,
    /// The trail here is not what was found there: nothing is published to it any more.
    lost: AtomicBool,
}

/// `looked`: what is there is of this trail, and we alone wrote since. It holds as long as nothing failed.
enum Kind {
    File { file: CheckpointFile, looked: bool },
    Git { publisher: Box<Publisher>, looked: bool },
}

/// Why a place has not what is to be there.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    /// What lies there is not of the trail as it is here. `last`: the checkpoint there.
    #[error("{error}")]
    Trail { error: TrailError, last: Note },
    #[error(transparent)]
    Source(SourceError),
    /// Nobody can say what it is, and so nothing is written over it.
    #[error("{0} holds something else than checkpoints")]
    Strange(String),
    #[error("could not use {place}")]
    File {
        place: String,
        #[source]
        source: std::io::Error,
    },
}

impl PlaceError {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Trail { error, .. } => error.code(),
            Self::Source(error) => error.kind.code(),
            Self::Strange(_) => "trail.foreign",
            Self::File { .. } => "trail.file",
        }
    }
}

impl Place {
    /// Returns the places that a configuration declares.
    pub(super) fn declared(config: &Config, data: &Path) -> Result<Vec<Self>, (Name, SourceError)> {
        let publish = &config.daemon.trail.publish;
        let file = publish.file.iter().map(|path| {
            let file = CheckpointFile::new(path);
            Self::new(path.display().to_string(), Kind::File { file, looked: false })
        });
        let mut places: Vec<_> = file.collect();
        if let Some(git) = &publish.git {
            // `check` has seen to it that it is declared.
            let repository: &Repository = &config.repositories[&git.repository];
            let folder = data.join("checkpoints.git");
            let reference = git.reference(config.name.as_ref());
            let publisher = Publisher::new(repository, &config.daemon.transports, &reference, folder);
            let publisher = Box::new(publisher.map_err(|error| (git.repository.clone(), error))?);
            let name = format!("{reference} of {}", git.repository);
            places.push(Self::new(name, Kind::Git { publisher, looked: false }));
        }
        Ok(places)
    }

    fn new(name: String, kind: Kind) -> Self {
        let status = PlaceStatus { place: name.clone(), published: None, at: None, code: None, message: None };
        Self { name, kind: AsyncMutex::new(kind), status: Mutex::new(status), lost: AtomicBool::new(false) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn status(&self) -> PlaceStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note that what was found there is not of the trail here.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Holds the trail against the last checkpoint that is there.
    pub(super) async fn check(&self, store: &Store) -> Result<(), PlaceError> {
        let mut kind = self.kind.lock().await;
        self.look(&mut kind, store).await.map(|_| ())
    }

    /// Publishes a checkpoint, on top of what is there; what is there already stays as it is.
    pub(super) async fn put(&self, store: &Store, note: &Note, now: Time) -> Result<(), PlaceError> {
        let mut kind = self.kind.lock().await;
        self.deliver(&mut kind, store, note, now).await?;
        self.published(note, now);
        Ok(())
    }

    async fn deliver(&self, kind: &mut Kind, store: &Store, note: &Note, now: Time) -> Result<(), PlaceError> {
        if kind.is_unseen() && self.look(kind, store).await?.is_some_and(|last| covers(&last, note)) {
            return Ok(());
        }
        if let Kind::File { file, .. } = kind {
            let (file, note) = (file.clone(), note.clone());
            return self.blocking(move || file.append(&note)).await;
        }
        let text = note.to_string();
        match kind.push(&text, now).await {
            // The ref moved: an earlier push may have come through though its answer did not.
            Err(error) if error.kind == SourceErrorKind::Rejected => {
                if self.look(kind, store).await?.is_some_and(|last| covers(&last, note)) {
                    return Ok(());
                }
            }
            pushed => return pushed.map_err(PlaceError::Source),
        }
        kind.push(&text, now).await.map_err(PlaceError::Source)
    }

    /// Looks at what is there, and returns it where it is of this trail. Until it is, each call looks again: a Git ref that was
    /// fetched is what the next push would build on.
    async fn look(&self, kind: &mut Kind, store: &Store) -> Result<Option<Note>, PlaceError> {
        *kind.looked() = false;
        let last = match kind {
            Kind::File { file, .. } => {
                let file = file.clone();
                self.blocking(move || file.last()).await?
            }
            Kind::Git { publisher, .. } => match publisher.last().await.map_err(PlaceError::Source)? {
                Some(text) => Some(self.only(&text)?),
                None => None,
            },
        };
        if let Some(note) = &last {
            let held = hold_against(store, &self.name, note).await;
            held.map_err(|error| PlaceError::Trail { error, last: note.clone() })?;
        }
        *kind.looked() = true;
        Ok(last)
    }

    fn only(&self, text: &str) -> Result<Note, PlaceError> {
        let mut all = notes(text);
        let only = all.pop().filter(|_| all.is_empty()).and_then(Result::ok);
        only.ok_or_else(|| PlaceError::Strange(self.name.clone()))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, PlaceError> {
        let done = tokio::task::spawn_blocking(act).await.map_err(std::io::Error::other);
        done.flatten().map_err(|source| PlaceError::File { place: self.name.clone(), source })
    }

    fn published(&self, note: &Note, now: Time) {
        let size = Checkpoint::parse(note).ok().map(|checkpoint| checkpoint.head.size);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        *status = PlaceStatus { place: self.name.clone(), published: size, at: Some(now), code: None, message: None };
    }

    /// Takes note of why it has not what is to be there. Returns whether that is news.
    pub(super) fn failed(&self, error: &PlaceError) -> bool {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let news = status.code.as_deref() != Some(error.code());
        (status.code, status.message) = (Some(error.code().into()), Some(chain(error)));
        news
    }
}

impl Kind {
    fn is_unseen(&self) -> bool {
        match self {
            Self::File { looked, .. } => !looked,
            Self::Git { publisher, looked } => !looked || publisher.is_stale(),
        }
    }

    fn looked(&mut self) -> &mut bool {
        let (Self::File { looked, .. } | Self::Git { looked, .. }) = self;
        looked
    }

    /// Pushes to a ref; a file has no such thing.
    async fn push(&mut self, text: &str, now: Time) -> Result<(), SourceError> {
        let Self::Git { publisher, looked } = self else { return Ok(()) };
        // One that fails, or is dropped, may have come through, or not: that is looked at.
        *looked = false;
        publisher.push(text, now).await?;
        *looked = true;
        Ok(())
    }
}

/// Whether the checkpoint that is there says as much as the one that is to come.
fn covers(last: &Note, note: &Note) -> bool {
    let size = |note: &Note| Checkpoint::parse(note).map_or(0, |checkpoint: audit::Checkpoint| checkpoint.head.size);
    last == note || size(last) >= size(note) && origin(last) == origin(note)
}

fn origin(note: &Note) -> Option<&str> {
    note.text().lines().next()
}

/// How long the start waits for a place that does not answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
