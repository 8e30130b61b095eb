use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Boot, Name, ObjectId, Time, matches};

/// A recorded, expiring override of named policies on named applications, or leave to edit named objects by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakGlass {
    pub id: BreakGlassId,
    pub applications: Vec<Name>,
    /// Policies that do not hold these applications meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Name>,
    /// Objects that are left as people make them meanwhile, by name; `*` stands for any part of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live_edit: Vec<String>,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The document in Git that asked for it, as it stood then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Name>,
    pub by: Actor,
    pub opened: Time,
    /// The machine's uptime then: a clock that is set back lengthens nothing.
    pub boot: Boot,
    /// How long it lasts, in seconds.
    pub lasts: u32,
    /// How many further people must agree before it takes effect.
    #[serde(default)]
    pub needs: usize,
}

/// 64 random bits in hexadecimal: people type it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct BreakGlassId(pub Box<str>);

/// Why one has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BreakGlassEnd {
    /// A person closed it.
    Closed,
    /// Its wall-clock end has come.
    Expired,
    /// It lasted as long as it might, by a clock that nobody sets.
    RanOut,
    /// The daemon started and found the clock before the last record: how long it lasted cannot be told.
    ClockSetBack,
}

impl BreakGlass {
    /// When it ends by the wall clock, at the latest.
    #[must_use]
    pub const fn until(&self) -> Time {
        self.opened.plus_seconds(self.lasts as i64)
    }

    /// Returns why it has ended by itself, if it has.
    #[must_use]
    pub fn ended(&self, now: Time, boot: &Boot) -> Option<BreakGlassEnd> {
        if now >= self.until() {
            return Some(BreakGlassEnd::Expired);
        }
        // Another start of the machine counts from its own beginning: what is left of it is judged by the wall clock alone.
        let same = boot.id == self.boot.id;
        let lasted = boot.elapsed.saturating_sub(self.boot.elapsed);
        (same && lasted >= i64::from(self.lasts) * 1_000_000).then_some(BreakGlassEnd::RanOut)
    }

    /// Whether it is about this policy on this application.
    #[must_use]
    pub fn overrides(&self, application: &Name, policy: &Name) -> bool {
        self.applications.contains(application) && self.policies.contains(policy)
    }

    /// Whether an object of one of its applications is left as people make it.
    #[must_use]
    pub fn spares(&self, id: &ObjectId) -> bool {
        self.live_edit.iter().any(|pattern| matches(pattern, &id.name))
    }
}

impl fmt::Display for BreakGlassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl BreakGlassEnd {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::RanOut => "ran out",
            Self::ClockSetBack => "the clock was set back",
        }
    }
}
