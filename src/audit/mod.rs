//! The trail: what was planned, intended, done and seen, in rows that cannot be changed without it showing.
//!
//! A leaf is SHA-256(0x00 ‖ bytes) over a record's bytes exactly as stored, the tree over the leaves is that of RFC 9162, and
//! its size and root are stored with every append, so that a missing tail shows. A leaf commits to its payload by a salted
//! hash: the payload may be erased, and the tree stays whole.
//!
//! A trail that was rewritten whole, head included, by whoever owns the machine, is shown by a checkpoint that was kept elsewhere:
//! a signed note of how many records there were, and their root. What came after the newest one that was kept, nothing shows.

mod accept;
mod append;
mod appended;
mod archive;
mod body;
mod break_glass;
mod checkpoint;
mod entry;
mod erase;
mod error;
mod events;
mod export;
mod key;
mod keys;
mod leaf;
mod leaves;
mod note;
mod proof;
mod prove;
mod published;
mod read;
mod redact;
mod signer;
mod statement;
mod tell;
mod tree;
mod upkeep;
mod verify;

pub use accept::Acceptance;
pub use append::append;
pub use appended::Appended;
pub use archive::{Retention, Segment, archive, segments};
pub use body::{
    ActBody, BreakGlassBody, ClosedBody, Counts, DaemonBody, EditedBody, IntentBody, ObservedBody, OutcomeBody,
    PlannedBody, Quiet, QuietBody, ResumedBody, RevertBody, StepOutcomeBody, StepSummary, TrailBody,
};
pub use break_glass::{BreakGlasses, Glass};
pub use checkpoint::{Checkpoint, newest};
pub use entry::{Act, Body, Entry, GlassEvent, Kind, RevertEvent, StepResult};
pub use erase::{EraseError, erase};
pub use error::TrailError;
pub use events::Events;
pub use export::{Begin, Item, Line, Mark, export, export_begin, export_page, verify_export};
pub use key::{InvalidKey, SigningKey, VerifyKey};
pub use keys::Keys;
pub use leaf::Head;
pub use note::{Note, NoteError, notes};
pub use prove::{Proof, Proven, Signed, Unproven, prove, prove_growth};
pub use published::{CheckpointFile, hold_against};
pub use read::{Filter, Record, each, intent, last_time, list, show};
pub use redact::{Masks, Redactor};
pub use signer::Signer;
pub use upkeep::By;
pub use verify::{Given, Held, InvalidGiven, Problem, Report, check_tail, head, verify};
