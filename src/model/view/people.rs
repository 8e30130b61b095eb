//! What people do, and what of it is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Change;
use crate::model::{Actor, BreakGlass, BreakGlassEnd, BreakGlassId, Guard, Name, PlanId, Time};

/// What a person asks for with `trueup break-glass open`: what a request in Git asks for, or everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakGlassAsked {
    /// A `BreakGlass` document in Git, by its name; the rest is taken from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Name>,
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Edits {
    pub application: Name,
    /// The plan that puts it right: `trueup restore` finds what was edited by its id.
    pub plan: PlanId,
    /// From what was applied to what was found.
    pub changes: Vec<Change>,
}

/// One policy in force.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyListed {
    pub name: Name,
    /// The sorts of rules that it has.
    pub rules: Vec<Guard>,
    /// The applications that it binds.
    pub applications: Vec<Name>,
    /// Groups whose people may break the glass over it; `None` is whoever may act, and an empty list nobody.
    #[serde(default)]
    pub overridden_by: Option<Vec<Name>>,
    /// How many further people must agree then.
    #[serde(default)]
    pub override_people: u32,
}

/// What one policy says of an application.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyView {
    pub name: Name,
    /// It is about this application.
    pub binds: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    pub rules: Vec<PolicyRule>,
    /// Groups whose people may break the glass over it; `None` is whoever may act, and an empty list nobody.
    #[serde(default)]
    pub overridden_by: Option<Vec<Name>>,
    /// How many further people must agree then.
    #[serde(default)]
    pub override_people: u32,
    /// Break-glass over it that counts for this application now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<BreakGlassId>,
}

/// One rule of a policy, as it stands for the plan that would run now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRule {
    pub guard: Guard,
    /// What it found, or what it is about where it found nothing.
    pub says: String,
    /// Whether the plan waits because of it.
    #[serde(default)]
    pub holds: Option<bool>,
    /// When it may be another matter with nobody doing anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<Time>,
}
