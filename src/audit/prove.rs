//! Proofs as documents that stand by themselves: what is proven, the checkpoint that it is proven against, and who signed that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::export::Line;
use super::key::VerifyKey;
use super::leaf::Head;
use super::note::{Note, NoteError};
use super::proof::{Roots, consistency_ranges, extends, includes, inclusion_ranges};
use super::verify::line as check;
use super::{Checkpoint, Item, Keys, checkpoint, export_page, leaves};
use crate::model::Digest;
use crate::store::{Store, StoreError};

/// Something about the trail that can be checked without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// This record is among those that the checkpoint covers: RFC 9162, section 2.1.3.
    Inclusion {
        record: Line,
        path: Vec<Digest>,
        #[serde(flatten)]
        signed: Signed,
    },
    /// The records that the old checkpoint covers are the first ones of those that the new one covers: section 2.1.4.
    Growth {
        old: String,
        path: Vec<Digest>,
        #[serde(flatten)]
        signed: Signed,
    },
}

/// What a proof is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signed {
    pub checkpoint: String,
    /// The key that signs for the trail now.
    pub key: VerifyKey,
    /// What introduces each key that ever did: each signed by the one before.
    pub statements: Vec<String>,
}

/// What came of checking a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The number of the record that is proven, or how many records the old checkpoint covers.
    pub subject: u64,
    /// The name of the trail.
    pub origin: String,
    /// How many records the checkpoint covers, and their root.
    pub size: u64,
    pub root: Digest,
    /// The keys that signed it and are trusted.
    pub keys: Vec<VerifyKey>,
    /// Whether the keys were given. Else they are those that the proof itself names, and nobody vouches for them.
    pub vouched: bool,
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    #[error("the {which} checkpoint")]
    Note {
        which: &'static str,
        #[source]
        source: NoteError,
    },
    #[error("a key that it names: {0}")]
    Key(String),
    #[error("the record: {0}")]
    Record(String),
    #[error("the path leads from the record to another root than the one that was signed")]
    Inclusion,
    #[error("the path does not lead from the old root to the new one")]
    Growth,
}

/// Proves that a record is among those of the newest checkpoint; `None` where that does not cover it.
///
/// # Errors
/// When it cannot be read.
pub async fn prove(store: &Store, seq: u64) -> Result<Option<Proof>, StoreError> {
    let Some((signed, head)) = signed(store).await? else { return Ok(None) };
    let items = export_page(store, seq.saturating_sub(1), seq).await?;
    let record = items.into_iter().find_map(|item| if let Item::Record(line) = item { Some(line) } else { None });
    let Some(record) = record.filter(|_| seq <= head.size) else { return Ok(None) };
    let path = leaves::roots(store, head.size, Roots::of(inclusion_ranges(seq - 1, head.size))).await?;
    Ok(Some(Proof::Inclusion { record, path, signed }))
}

/// Proves that the trail has only grown since an older checkpoint; `None` where the newest one covers less.
///
/// # Errors
/// When it cannot be read.
pub async fn prove_growth(store: &Store, old: &Note, size: u64) -> Result<Option<Proof>, StoreError> {
    let Some((signed, head)) = signed(store).await?.filter(|(_, head)| size > 0 && size <= head.size) else {
        return Ok(None);
    };
    let path = leaves::roots(store, head.size, Roots::of(consistency_ranges(size, head.size))).await?;
    Ok(Some(Proof::Growth { old: old.to_string(), path, signed }))
}

async fn signed(store: &Store) -> Result<Option<(Signed, Head)>, StoreError> {
    let keys = Keys::of(store).await?;
    let newest = checkpoint::newest(store).await?;
    let head = newest.as_ref().and_then(|note| Checkpoint::parse(note).ok()).map(|checkpoint| checkpoint.head);
    let (Some(note), Some(head), Some(key)) = (newest, head, keys.newest().cloned()) else { return Ok(None) };
    Ok(Some((Signed { checkpoint: note.to_string(), key, statements: keys.notes() }, head)))
}

impl Proof {
    /// Checks it, by itself. `anchors`: the keys to trust; where there are none, those that it names are believed.
    ///
    /// # Errors
    /// With the reason why it proves nothing.
    pub fn verify(&self, anchors: &[VerifyKey]) -> Result<Proven, Unproven> {
        let (Self::Inclusion { signed, path, .. } | Self::Growth { signed, path, .. }) = self;
        let mut keys = Keys::default();
        for statement in &signed.statements {
            keys.add(statement).map_err(Unproven::Key)?;
        }
        let trusted = if anchors.is_empty() { keys.iter().cloned().collect() } else { keys.linked(anchors) };
        let (signers, checkpoint) = believed(&signed.checkpoint, &trusted, "newest")?;
        let subject = match self {
            Self::Inclusion { record, .. } => {
                let checked = check(record);
                if let Some(problem) = checked.problems().first() {
                    return Err(Unproven::Record(problem.clone()));
                }
                let index = record.seq.checked_sub(1).ok_or(Unproven::Inclusion)?;
                if !includes(&checkpoint.head, index, checked.hash(), path) {
                    return Err(Unproven::Inclusion);
                }
                record.seq
            }
            Self::Growth { old, .. } => {
                let (_, old) = believed(old, &trusted, "old")?;
                if !extends(&old.head, &checkpoint.head, path) {
                    return Err(Unproven::Growth);
                }
                old.head.size
            }
        };
        let Checkpoint { origin, head: Head { size, root } } = checkpoint;
        Ok(Proven { subject, origin, size, root, keys: signers, vouched: !anchors.is_empty() })
    }
}

/// Reads a checkpoint that a trusted key has signed, and returns those that did.
fn believed(text: &str, trusted: &[VerifyKey], which: &'static str) -> Result<(Vec<VerifyKey>, Checkpoint), Unproven> {
    let read = || {
        let note = Note::parse(text)?;
        let signers = note.verify(trusted)?.into_iter().cloned().collect();
        Ok((signers, Checkpoint::parse(&note)?))
    };
    read().map_err(|source| Unproven::Note { which, source })
}
