//! The trail: what was planned, intended, done and seen, in rows that cannot be changed without it showing.
//!
//! A leaf is SHA-256(0x00 ‖ bytes) over a record's bytes exactly as stored, the tree over the leaves is that of RFC 9162, and
//! its size and root are stored with every append, so that a missing tail shows. A leaf commits to its payload by a salted
//! hash: the payload may be erased, and the tree stays whole.
//!
//! What this does not show: a trail that was rewritten whole, head included, by whoever owns the machine. That takes a
//! checkpoint held elsewhere.

mod append;
mod appended;
mod body;
mod break_glass;
mod entry;
mod export;
mod leaf;
mod read;
mod redact;
mod tell;
mod tree;
mod verify;

pub use append::append;
pub use appended::Appended;
pub use body::{
    ActBody, BreakGlassBody, ClosedBody, Counts, DaemonBody, EditedBody, IntentBody, ObservedBody, OutcomeBody,
    PlannedBody, Quiet, QuietBody, ResumedBody, StepOutcomeBody, StepSummary,
};
pub use break_glass::{BreakGlasses, Glass};
pub use entry::{Act, Body, Entry, GlassEvent, Kind, StepResult};
pub use export::{Line, export, export_page, verify_export};
pub use leaf::Head;
pub use read::{Filter, Record, has_intent, last_time, list, show};
pub use redact::{Masks, Redactor};
pub use verify::{Problem, Report, check_tail, head, verify};
