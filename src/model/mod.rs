//! The nouns of the field, as plain data. Nothing here does I/O.

mod actor;
mod chain;
mod clock;
mod deceives;
mod digest;
pub mod event;
mod guard;
mod health;
pub mod host;
mod inventory;
mod mistake;
mod name;
mod object;
mod outcome;
mod plan;
mod preview;
mod problem;
mod revision;
pub mod unit;
pub mod view;

pub use actor::{Actor, ActorKind};
pub use chain::chain;
pub use clock::{Clock, Time};
pub use deceives::deceives;
pub use digest::{Digest, DigestKey, ParseDigestError};
pub use guard::{Decision, Finding, Guard, PassedBy, Verdict};
pub use health::{Health, HealthState};
pub use inventory::{Inventory, Left, Origin, Owned, Walk};
pub use mistake::Mistake;
pub use name::{InvalidName, Name};
pub use object::{Complete, Contents, ContentsError, Desired, Fingerprint, ObjectId, Place, Spec, pairs};
pub use outcome::Outcome;
pub use plan::{Action, Cause, Plan, PlanId, Risk, Step, SyncId};
pub use preview::{After, Live, Preview, Previews, State};
pub use problem::Problem;
pub use revision::{InvalidRevision, Revision};
