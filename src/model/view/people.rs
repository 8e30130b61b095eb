//! What people do, and what of it is shown.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::model::{Actor, BreakGlass, BreakGlassEnd, Name, PlanId, Time};

/// What a person asks for with `trueup break-glass open`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakGlassAsked {
    /// On which applications.
    #[serde(default)]
    pub applications: Vec<Name>,
    /// Over which policies.
    #[serde(default)]
    pub policies: Vec<Name>,
    /// Which objects may be edited by hand; `*` stands for any part of a name.
    #[serde(default)]
    pub live_edit: Vec<String>,
    #[serde(default)]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// How long, in seconds.
    #[serde(default)]
    pub seconds: u32,
}

/// One break-glass, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BreakGlassView {
    #[serde(flatten)]
    pub opening: BreakGlass,
    /// When it ends by the wall clock, at the latest.
    pub until: Time,
    /// It counts now.
    pub in_force: bool,
    /// Further people who said that it is right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreed: Vec<Actor>,
    /// How many plans went because of it.
    pub used: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<BreakGlassEnd>,
}

/// What was edited by hand in one application, against what was last applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edits {
    pub application: Name,
    /// The plan that puts it right: `trueup restore` finds what was edited by its id.
    pub plan: PlanId,
    /// From what was applied to what was found.
    pub changes: Vec<Change>,
}
