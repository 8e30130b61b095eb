//! The messages of version 1. Their shapes are promised to adapters and stay as they are, whatever becomes of the types
//! inside; what a reader does not know of a message, it ignores.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Action, Actor, Cause, Digest, Fingerprint, HealthState, ObjectId, Origin, PlanId, Risk, SyncId};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToAdapter {
    /// The first line of a connection.
    Hello {
        protocol: Range,
        /// Name and version, for logs.
        client: String,
        /// What is declared of the target, after the adapter's own schema.
        #[serde(default)]
        configuration: Value,
    },
    Preview {
        id: u64,
        call: Called,
        /// The client wants what is there now as well, where everyone may read it.
        #[serde(default)]
        live: bool,
    },
    Apply {
        id: u64,
        call: Called,
        plan: PlanId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        artifact: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        precondition: Option<Digest>,
    },
    Health {
        id: u64,
        call: Called,
    },
    Watch {
        id: u64,
        call: Called,
    },
    Recover {
        id: u64,
        call: Called,
    },
    /// One object of a preview, health, watch or recover.
    Object {
        id: u64,
        object: ObjectId,
        /// What it should be; without one it should not be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spec: Option<Written>,
        /// How we last left it, where it is ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owned: Option<Owned>,
    },
    /// One step of an apply.
    Step(Box<StepToDo>),
    /// All items of the request were sent: it begins.
    End {
        id: u64,
        items: u64,
    },
    Cancel {
        id: u64,
    },
    Chunk(Chunk),
    /// A content that was asked for is not to be had.
    Lacking {
        id: u64,
        digest: Digest,
        reason: String,
    },
}

/// What an adapter says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FromAdapter {
    /// The answer to hello.
    Welcome {
        protocol: u32,
        /// Name and version, for logs.
        adapter: String,
        /// `watch`, `live`, `recover`: what it does beside the least.
        #[serde(default)]
        features: Vec<String>,
        /// JSON Schema of its configuration.
        #[serde(default)]
        schema: Value,
    },
    Preview(Box<Previewed>),
    /// What runs that no document names and the adapter itself adds.
    Run {
        id: u64,
        object: ObjectId,
        spec: Written,
    },
    Health {
        id: u64,
        object: ObjectId,
        state: HealthState,
        #[serde(default)]
        message: String,
    },
    /// How a step ended: exactly one of `done` and `error`.
    Outcome {
        id: u64,
        number: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        done: Option<Finished>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    Ring {
        id: u64,
        objects: Vec<ObjectId>,
    },
    /// Send this content.
    Need {
        id: u64,
        digest: Digest,
    },
    Chunk(Chunk),
    /// The request was answered whole.
    End {
        id: u64,
        items: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        artifact: Option<Digest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        precondition: Option<Digest>,
    },
    /// The request failed; without an id, the connection has, and ends.
    Error {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        error: Failure,
    },
}

/// Versions of the protocol, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub min: u32,
    pub max: u32,
}

/// What goes with every request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// Milliseconds that are left: the clocks of the two need not agree.
    pub deadline: u64,
    pub fence: u64,
    pub sync: SyncId,
    pub actor: Actor,
}

/// What one object should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The adapter's own document.
    pub body: Value,
    /// Plain SHA-256 of each content that the body names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Digest>,
    /// Where it is written, for messages.
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

/// How we last left an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    pub origin: Origin,
    pub spec: Digest,
    pub state: Digest,
    pub fingerprint: Fingerprint,
}

/// One step to carry out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepToDo {
    pub id: u64,
    /// Its place in the plan, from 0.
    pub number: usize,
    /// The `SyncId`, `/`, and the number: under it the step happens once.
    pub key: String,
    pub object: ObjectId,
    pub action: Action,
    pub cause: Cause,
    pub before: Digest,
    pub after: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    pub risk: Risk,
    pub wave: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Written>,
    /// Kept for what shows that Git really says so (signed commit, tree, blob). Nobody fills or checks it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Value>,
}

/// What one object is, and what applying would make it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previewed {
    pub id: u64,
    pub object: ObjectId,
    pub live: Live,
    pub after: After,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ObjectId>,
    pub rank: u32,
    #[serde(default)]
    pub wave: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<String>,
    /// Who changed what is there, and when, where it is not as it was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<Touched>,
}

/// What is known of the last change to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Microseconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Live {
    Known { state: Box<State> },
    Absent,
    Unknown { why: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum After {
    Same,
    State { state: Box<State> },
    Absent,
    Released,
    Run { digest: Digest },
}

/// The state of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    pub sort: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Written>,
    /// The spec is the one that the client sent for this object.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_desired: bool,
    /// What is there now: its chunks came before this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// Not everyone may read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// What a finished step left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Remains>,
    /// It was done before.
    #[serde(default)]
    pub already: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    pub digest: Digest,
    pub fingerprint: Fingerprint,
}

/// Part of a content, base64 with padding.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub id: u64,
    /// Plain SHA-256 of the whole content.
    pub digest: Digest,
    /// Where this part begins; parts come in order.
    pub offset: u64,
    /// Bytes of the whole content.
    pub size: u64,
    pub data: String,
    /// Must not reach a log, an error, an argument or an environment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({}, {} of {})", self.digest.short(), self.offset, self.size)
    }
}

/// Why a target did not do it. Each kind asks for something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Failure {
    Stale {
        object: ObjectId,
    },
    Conflict {
        object: ObjectId,
        holder: String,
    },
    Locked {
        holder: String,
    },
    Denied {
        code: String,
        reason: String,
    },
    Invalid {
        code: String,
        reason: String,
    },
    Unavailable {
        doing: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    Cancelled,
    InDoubt {
        doing: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
}
