//! What people see: structs → text. Colour codes are in it; whoever prints takes them out where they are not wanted.

mod escape;
mod paint;
mod people;
mod plan;
mod report;
mod status;
mod table;
mod token;
mod trail;
mod when;

pub use escape::{printable, printable_content};
pub use people::{break_glass, edits, explained, policies, requests};
pub use plan::{diff, findings, plan, summary, way_on};
pub use report::{mistakes, report};
pub use status::{application, notified, status};
pub use token::tokens;
pub use trail::{is_told, moved, proven, record, records, sequence, verified};
