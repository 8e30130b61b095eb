use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Fingerprint, ObjectId};

/// The objects kept true for one application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub objects: BTreeMap<ObjectId, Owned>,
}

/// One object of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    pub origin: Origin,
    pub left: Left,
}

/// How an object came to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Created,
    Adopted,
    /// Found identical at first contact: may be corrected, never deleted, until adopted.
    Matched,
}

/// How we last left (or found) an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// [`super::Spec::digest`] of what was desired then.
    pub spec: Digest,
    /// Digest of the normalised live state then.
    pub state: Digest,
    pub fingerprint: Fingerprint,
}
