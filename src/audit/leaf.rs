use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tree::{Tree, hash};
use super::{Body, Entry, Kind, Redactor};
use crate::model::{Actor, Digest, Name, PlanId, Revision, SyncId, Time};
use crate::store::{StoreError, StoreErrorKind, random};

/// The version of the bytes that are hashed. Old records keep theirs for ever.
pub(super) const VERSION: u32 = 1;

/// What is hashed: the fields in this order, as JSON without white space. The bytes are stored as they were hashed, so
/// nothing ever depends on writing them the same way again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaf {
    pub(super) v: u32,
    pub(super) seq: u64,
    pub(super) time: Time,
    pub(super) kind: Kind,
    pub(super) application: Option<Name>,
    pub(super) revision: Option<Revision>,
    pub(super) plan: Option<PlanId>,
    pub(super) sync: Option<SyncId>,
    pub(super) actor: Actor,
    /// SHA-256(salt ‖ payload).
    pub(super) payload: Digest,
}

/// How many records the trail has, and the root of their tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    pub size: u64,
    pub root: Digest,
}

/// One record as it is stored.
pub(super) struct Row {
    pub(super) seq: u64,
    pub(super) bytes: String,
    /// Both `None` once the payload was erased.
    pub(super) salt: Option<String>,
    pub(super) payload: Option<String>,
}

/// Makes the row of an entry: redacted first, then hashed. Of what is said of the trail itself only the reason is anybody else's: the rest
/// is signed, or names a file, and would be worth nothing with a word of it masked.
pub(super) fn row(seq: u64, now: Time, redactor: &Redactor, entry: &Entry) -> Result<Row, StoreError> {
    let failed = |e| StoreError::because(StoreErrorKind::Unavailable, "could not encode a record", e);
    let mut payload = serde_json::to_string(&entry.body).map_err(failed)?;
    if !redactor.finds_nothing(&payload) {
        let mut body = serde_json::to_value(&entry.body).map_err(failed)?;
        match &entry.body {
            Body::Trail(_) => body.get_mut("reason").into_iter().for_each(|reason| redactor.clean(reason)),
            _ => redactor.clean(&mut body),
        }
        payload = serde_json::to_string(&body).map_err(failed)?;
    }
    let salt = format!("{:032x}", u128::from_be_bytes(random()?));
    let leaf = Leaf {
        v: VERSION,
        seq,
        time: now,
        kind: entry.body.kind(),
        application: entry.application.clone(),
        revision: entry.revision.clone(),
        plan: entry.plan,
        sync: entry.sync.clone(),
        actor: redactor.actor(&entry.actor),
        payload: commitment(&salt, &payload),
    };
    let bytes = serde_json::to_string(&leaf).map_err(failed)?;
    Ok(Row { seq, bytes, salt: Some(salt), payload: Some(payload) })
}

/// The salt, 128 random bits in hexadecimal, is hashed as it is written.
pub(super) fn commitment(salt: &str, payload: &str) -> Digest {
    hash(&[salt.as_bytes(), payload.as_bytes()])
}

impl Tree {
    pub(super) fn head(&self) -> Head {
        Head { size: self.size, root: self.root() }
    }
}
