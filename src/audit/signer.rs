//! Who signs for the trail: the key, where it lies, and how it is replaced.
//!
//! # Guarantees
//! A key signs only once a record of the trail has introduced it. The record, and the checkpoint right after it, are signed by the
//! key before as well, where that is at hand; then it is erased. A crash in between leaves the one that the trail names.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::append::head_of;
use super::body::TrailBody;
use super::checkpoint::{self, Checkpoint};
use super::key::SigningKey;
use super::keys::Keys;
use super::note::Note;
use super::statement::Statement;
use super::upkeep::By;
use super::{Head, TrailError};
use crate::model::Name;
use crate::store::{Store, StoreError, StoreErrorKind, credential, random, secret_in_file, write_secret};

const FILE: &str = "trail.key";
/// The key that comes, until the trail names it.
const NEXT: &str = "trail.key.next";
const CREDENTIAL: &str = "trueup-trail-key";

/// The key that signs for the trail now. A clone is the same key.
#[derive(Clone, Debug)]
pub struct Signer {
    key: Arc<SigningKey>,
    /// It lies in the data folder, where it can be replaced; else systemd hands it out.
    replaceable: bool,
}

impl Signer {
    /// Returns the key that the trail names; makes one, and the trail's name, where it names none yet. It signs nothing before
    /// it was introduced: see [`Signer::introduce`].
    ///
    /// # Errors
    /// `trail.key` where the key is missing, or is another one: a new key beside an old trail is for a person to decide.
    pub async fn open(store: &Store, name: Option<&Name>) -> Result<Self, TrailError> {
        let keys = Keys::of(store).await?;
        settle(store.folder(), &keys)?;
        let lost = |why: String| TrailError::Key(why);
        let (text, replaceable) = match credential(CREDENTIAL)? {
            Some(bytes) => (Some(bytes), false),
            None => (secret_in_file(&store.folder().join(FILE))?, true),
        };
        let key = match (text, keys.newest()) {
            (Some(bytes), newest) => {
                let key = read(&bytes).ok_or_else(|| lost("it is no signing key".into()))?;
                if let Some(newest) = newest.filter(|newest| *newest != key.public()) {
                    return Err(lost(format!("it is {}, and the trail was last signed for by {newest}", key.public())));
                }
                key
            }
            (None, Some(newest)) => return Err(lost(format!("{newest} is not there, and the trail names no other"))),
            (None, None) => {
                let key = SigningKey::generate(&origin(name)?)?;
                write_secret(store.folder(), FILE, key.secret().as_bytes())?;
                key
            }
        };
        Ok(Self { key: Arc::new(key), replaceable })
    }

    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Introduces this key in a trail that names none, and returns the checkpoint right after it; `None` where it is known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn introduce(&self, store: &Store, by: &By<'_>) -> Result<Option<Note>, StoreError> {
        if Keys::of(store).await?.newest().is_some() {
            return Ok(None);
        }
        introduce(store, by, vec![], &self.key, None).await.map(Some)
    }

    /// Replaces this key by a new one of the same trail. Returns the new one, and the checkpoint that both have signed.
    ///
    /// # Errors
    /// `trail.key` where systemd hands the key out; or when it cannot be written: then the old one goes on.
    pub async fn rotate(&self, store: &Store, by: &By<'_>) -> Result<(Self, Note), TrailError> {
        if !self.replaceable {
            return Err(TrailError::Key(format!(
                "systemd hands it out as {CREDENTIAL}, and only files can be replaced"
            )));
        }
        let new = SigningKey::generate(self.key.public().name())?;
        replace(store, by, vec![], new, Some(&self.key)).await
    }

    /// Begins a trail of another name on the records that are there: a backup was restored, or the key was lost. Returns its key,
    /// and its first checkpoint. Checkpoints of before hold for what they cover, as far as that is still there; those that are
    /// `forgone` do not.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn begin_anew(
        store: &Store,
        name: Option<&Name>,
        old: Option<&Self>,
        forgone: Vec<String>,
        by: &By<'_>,
    ) -> Result<(Self, Note), TrailError> {
        if credential(CREDENTIAL)?.is_some() {
            return Err(TrailError::Key(format!("systemd hands it out as {CREDENTIAL}: take that away first")));
        }
        replace(store, by, forgone, SigningKey::generate(&origin(name)?)?, old.map(|old| &*old.key)).await
    }

    /// Returns a checkpoint of all that the trail has: the newest one where that covers it, else one that is made and kept. It may be
    /// new to the caller in either case: whoever had the newest one made may not have waited for it.
    ///
    /// # Errors
    /// When it cannot be read or written; `store.damaged` where the newest one is of more, or of others: nothing is signed beside it.
    pub async fn checkpoint(&self, store: &Store) -> Result<Note, StoreError> {
        let read = |note| Checkpoint::parse(&note).ok().map(|checkpoint| (checkpoint.head, note));
        let newest = checkpoint::newest(store).await?.and_then(read);
        let head = super::head(store).await?;
        match newest {
            Some((newest, note)) if newest == head => return Ok(note),
            Some((newest, _)) if newest.size >= head.size => {
                let message = format!(
                    "the trail is damaged: it has a checkpoint of {} records that is not of these",
                    newest.size
                );
                return Err(StoreError::new(StoreErrorKind::Damaged, message));
            }
            _ => {}
        }
        let note = Checkpoint::sign(head, &[&self.key]);
        let mut tx = store.write().await?;
        checkpoint::keep(&mut tx, &head, &note).await?;
        tx.commit().await?;
        Ok(note)
    }
}

/// Puts a new key in the place of the old one: written beside it, introduced, then moved over it.
async fn replace(
    store: &Store,
    by: &By<'_>,
    forgone: Vec<String>,
    new: SigningKey,
    old: Option<&SigningKey>,
) -> Result<(Signer, Note), TrailError> {
    write_secret(store.folder(), NEXT, new.secret().as_bytes())?;
    let note = introduce(store, by, forgone, &new, old).await?;
    take_over(store.folder())?;
    Ok((Signer { key: Arc::new(new), replaceable: true }, note))
}

/// Writes the record that introduces a key and the checkpoint after it, in one transaction.
async fn introduce(
    store: &Store,
    by: &By<'_>,
    forgone: Vec<String>,
    new: &SigningKey,
    old: Option<&SigningKey>,
) -> Result<Note, StoreError> {
    let mut tx = store.write().await?;
    let statement = Statement::sign(head_of(&mut tx).await?, new, old).to_string();
    let body = TrailBody::Key { statement, reason: by.reason.clone(), forgone };
    by.append(&mut tx, body).await?;
    let head: Head = head_of(&mut tx).await?;
    let keys: Vec<_> = [Some(new), old].into_iter().flatten().collect();
    let note = Checkpoint::sign(head, &keys);
    checkpoint::keep(&mut tx, &head, &note).await?;
    tx.commit().await?;
    Ok(note)
}

/// Ends a replacement that a crash interrupted: the key that comes is the one where the trail names it, and nothing else.
fn settle(folder: &Path, keys: &Keys) -> Result<(), StoreError> {
    let Some(bytes) = secret_in_file(&folder.join(NEXT))? else { return Ok(()) };
    let named = read(&bytes).is_some_and(|key| keys.newest() == Some(key.public()));
    if named { take_over(folder) } else { erase(&folder.join(NEXT)) }
}

fn take_over(folder: &Path) -> Result<(), StoreError> {
    let failed =
        |source| StoreError::file(format!("could not put the new key of the trail into {}", folder.display()), source);
    overwrite(&folder.join(FILE)).map_err(failed)?;
    std::fs::rename(folder.join(NEXT), folder.join(FILE)).map_err(failed)?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn erase(path: &Path) -> Result<(), StoreError> {
    let erased = overwrite(path).and_then(|()| std::fs::remove_file(path));
    erased.map_err(|source| StoreError::file(format!("could not remove {}", path.display()), source))
}

/// Overwrites a key where it lies. What a file system or a disk keeps of it besides is out of reach.
fn overwrite(path: &Path) -> std::io::Result<()> {
    match std::fs::OpenOptions::new().write(true).open(path) {
        Ok(mut file) => {
            let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
            file.write_all(&vec![0; length])?;
            file.sync_all()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn read(bytes: &[u8]) -> Option<SigningKey> {
    SigningKey::read(std::str::from_utf8(bytes).ok()?).ok()
}

/// Returns a name that no trail had before: that of the daemon, and 64 random bits.
fn origin(name: Option<&Name>) -> Result<String, StoreError> {
    let name = name.map_or("trueup", Name::as_str);
    Ok(format!("trueup.dev/{name}/{:016x}", u64::from_be_bytes(random()?)))
}
