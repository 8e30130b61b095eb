use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Digest;

/// The identity of one thing on a target, canonical for its adapter: a path on a host (never what lies there), group and
/// kind without version on a cluster, an address in Terraform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ObjectId {
    pub kind: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub namespace: Box<str>,
    pub name: Box<str>,
}

impl ObjectId {
    #[must_use]
    pub fn new(kind: &'static str, name: &str) -> Self {
        Self { kind: Cow::Borrowed(kind), namespace: "".into(), name: name.into() }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Where something was written: a path in the repository (or a file of the machine), line and column counted from 1; both 0
/// where the whole file is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.file);
        }
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What one object should be: the adapter's own document in canonical form, contents replaced by their digests. A clone is the
/// same one: plans, previews and whoever else looks at it share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Spec(#[schemars(with = "Stored")] Arc<Written>);

/// A spec as it is stored.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
struct Written {
    body: serde_json::Value,
    /// Plain SHA-256 of each content that the body names; their bytes come from [`Contents`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contents: Vec<Digest>,
    /// Where in Git it is written, for messages. Not part of what the object should be.
    place: Place,
    #[serde(skip)]
    digest: Digest,
}

/// What of it is read back.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Spec")]
struct Stored {
    body: serde_json::Value,
    #[serde(default)]
    contents: Vec<Digest>,
    place: Place,
}

impl From<Stored> for Written {
    fn from(Stored { body, contents, place }: Stored) -> Self {
        let digest = Digest::of_json("trueup/spec/v1", &body);
        Self { body, contents, place, digest }
    }
}

impl Spec {
    #[must_use]
    pub fn new(body: serde_json::Value, contents: Vec<Digest>, place: Place) -> Self {
        Self(Arc::new(Stored { body, contents, place }.into()))
    }

    #[must_use]
    pub fn body(&self) -> &serde_json::Value {
        &self.0.body
    }

    #[must_use]
    pub fn contents(&self) -> &[Digest] {
        &self.0.contents
    }

    #[must_use]
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Returns the digest of what the object should be, wherever it is written. Made once: it is asked for in every round.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }
}

/// What Git says the objects are.
#[derive(Clone)]
pub enum Desired {
    /// The outcome of a render that reached its end: only this may cause deletes.
    Objects(Complete),
    /// A target that names its objects itself (Terraform): the tree, and what else goes in.
    Opaque { tree: Digest, inputs: Digest },
}

/// Every object of an application: nothing was left out because of an error, a limit or a time-out.
#[derive(Clone)]
pub struct Complete {
    pub objects: BTreeMap<ObjectId, Spec>,
    pub contents: Arc<dyn Contents>,
}

/// Where the bytes behind the digests of a [`Spec`] come from: a Git object database, or the store.
pub trait Contents: Send + Sync {
    /// Returns the bytes whose SHA-256 is `digest`. Blocking.
    ///
    /// # Errors
    /// When they are not to be had, or do not digest to `digest`.
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError>;
}

#[derive(Debug, thiserror::Error)]
#[error("could not read content {}", .digest.short())]
pub struct ContentsError {
    pub digest: Digest,
    #[source]
    pub source: anyhow::Error,
}

/// Tells cheaply that nothing moved (mtime and inode, resourceVersion). A moved one proves nothing: the content is read and
/// compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Fingerprint(pub Box<str>);

/// Writes a map whose keys are no strings as a list of pairs, as JSON wants it.
pub mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
