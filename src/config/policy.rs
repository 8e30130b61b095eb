//! Rules over plans, as people write them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Glob, Span};
use crate::expression::{Expression, InvalidExpression, InvalidPattern, Pattern};
use crate::model::{Action, Cause, Name, host};
use crate::schedule::{InvalidSchedule, Recurrence};

/// What the expressions of a policy may name. `step` is one step of the plan: an expression that names it is asked for each.
pub const VARIABLES: [&str; 7] = ["plan", "step", "commit", "commits", "application", "target", "now"];

/// The kinds of objects that a policy may name: those of a host, and what is declared in Git.
pub const OBJECT_KINDS: [&str; 7] =
    [host::PATH, host::UNIT, host::CHECK, host::HANDLER, "application", "policy", "person"];

/// A rule over plans: one that does not keep it is held. At least one of `window`, `limit`, `protect`, `approve`, `require`,
/// `deny` and `warn`; each of those given is a rule of its own. All policies that match a plan bind it: none loosens another.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// What this binds: all that is given has to match, any word of a list is enough. Left out, it binds everything.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// When changes may be carried out.
    #[serde(default)]
    pub window: Option<Window>,
    /// How much one plan may change.
    #[serde(default)]
    pub limit: Option<Limit>,
    /// What is not to be touched.
    #[serde(default)]
    pub protect: Option<Protect>,
    /// Whose yes a plan needs.
    #[serde(default)]
    pub approve: Option<Approve>,
    /// What the commits behind a plan have to be.
    #[serde(default)]
    pub require: Option<Require>,
    /// Holds a plan for which an expression is true, or has no answer.
    #[serde(default)]
    pub deny: Option<Condition>,
    /// Tells of a plan for which an expression is true, or has no answer, and lets it go on.
    #[serde(default)]
    pub warn: Option<Condition>,
    /// Groups whose people may break the glass over this policy. Left out: whoever may act. An empty list: nobody.
    #[serde(default, rename = "override")]
    pub overrides: Option<Vec<Name>>,
    /// How many further people have to agree before a broken glass counts for this policy.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub override_people: u32,
}

/// What a policy binds. `applications`, `labels`, `targets`, `repositories` and `branches` choose applications; `kinds`, `names`,
/// `actions` and `causes` choose steps of their plans.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Match {
    /// Applications by name; `*` stands for any part of one.
    pub applications: Vec<Glob>,
    /// Labels that an application has, all of them with these values.
    pub labels: BTreeMap<String, String>,
    /// Targets by name; `*` stands for any part of one.
    pub targets: Vec<Glob>,
    /// Repositories by name; `*` stands for any part of one.
    pub repositories: Vec<Glob>,
    /// Branches that their repositories follow; `*` stands for any part of one.
    pub branches: Vec<Glob>,
    /// Kinds of objects: `path`, `unit`, `check`, `handler`, and of what is declared in Git `application`, `policy`, `person`.
    pub kinds: Vec<String>,
    /// Objects by name, such as the path of a file; `*` stands for any part of one, `/` included.
    pub names: Vec<Glob>,
    /// What is done to them.
    pub actions: Vec<Action>,
    /// Why.
    pub causes: Vec<Cause>,
}

/// When changes may be carried out: exactly one of `allow` and `deny`. Held is what comes while a window of `deny` is open, or
/// none of `allow` is. Drift is healed all the same, unless `match` names `corrective` among its `causes`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// When a window opens in which changes go live: minute, hour, day of month, month and weekday, as in crontab(5).
    #[serde(default)]
    pub allow: Option<String>,
    /// When a window opens in which they wait.
    #[serde(default)]
    pub deny: Option<String>,
    /// How long it stays open, at most `366d`. Elapsed time: a night in which the clock changes has an hour more or less.
    #[serde(rename = "for")]
    pub length: Span,
    /// The zone whose clock this goes by, such as `Europe/Berlin`. A time that its clock skips opens at the next that exists,
    /// and one that comes twice the first time.
    #[serde(default = "default_timezone")]
    pub timezone: String,
    /// More windows of the same sort, in the same zone: `{ at: "0 0 24 12 *", for: 72h }`.
    #[serde(default)]
    pub also: Vec<Also>,
}

/// One more window.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Also {
    /// When it opens.
    pub at: String,
    /// How long it stays open.
    #[serde(rename = "for")]
    pub length: Span,
}

/// How much one plan may change: at least one field. Only steps that `match` chooses are counted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limit {
    /// At most this many deletes.
    pub deletes: Option<u64>,
    /// Deletes of at most this many of a hundred objects that the application has.
    #[schemars(range(max = 100))]
    pub deletes_percent: Option<u32>,
    /// At most this many replacements.
    pub replaces: Option<u64>,
    /// At most this many objects that are touched.
    pub objects: Option<u64>,
    /// At most this many of a hundred objects that the application has.
    #[schemars(range(max = 100))]
    pub objects_percent: Option<u32>,
    /// At most this many applications at once; the others wait for their turn.
    #[schemars(range(min = 1))]
    pub applications: Option<u64>,
    /// How many deletes there may be over all applications of this daemon.
    pub budget: Option<Budget>,
}

/// Deletes over all applications of this daemon.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// At most this many deletes …
    pub deletes: u64,
    /// … within this time, at least `1s` and at most `30d`.
    pub within: Span,
}

/// What is not to be touched: steps that do one of `actions` to an object that all of the lists given name. Without a list, to
/// whatever `match` chooses.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Protect {
    /// Kinds of objects, as in `match`.
    pub kinds: Vec<String>,
    /// Objects by name; `*` stands for any part of one.
    pub names: Vec<Glob>,
    /// Paths, and all that lies below them.
    pub paths: Vec<PathBuf>,
    /// What may not be done.
    #[schemars(length(min = 1))]
    pub actions: Vec<Action>,
}

impl Default for Protect {
    fn default() -> Self {
        Self { kinds: vec![], names: vec![], paths: vec![], actions: vec![Action::Delete, Action::Replace] }
    }
}

/// Whose yes a plan needs. Nobody says yes to what they wrote, committed or signed themselves; each author who is no declared
/// Person asks for one more. Drift is healed without, unless `match` names `causes`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// How many people.
    #[serde(default = "default_people")]
    #[schemars(range(min = 1, max = 100))]
    pub people: u32,
    /// Groups out of which they come, any of them. Left out: anybody who is declared as a Person.
    #[serde(default)]
    pub from: Vec<Name>,
}

/// What the commits behind a plan have to be, all since what was last applied: at least one field. Drift is healed whatever they
/// are, unless `match` names `causes`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Require {
    /// Each is signed by somebody out of one of these groups.
    pub signed_by: Vec<Name>,
    /// The message of each holds this: a regular expression, without look-around and references back.
    pub ticket: Option<String>,
    /// The revision has been known to this daemon for at least this long: a commit dates itself as it likes.
    pub age: Option<Span>,
    /// They descend from what was last applied.
    pub descendant: bool,
}

/// An expression in CEL over `plan`, `step`, `commit`, `commits`, `application`, `target` and `now`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// The expression. It answers true or false, in at most a million steps of work; one that names `step` is asked for each
    /// step. It has CEL's operators, `has`, `all`, `exists`, `exists_one`, `map`, `filter` (two deep at most), `size`, `in`,
    /// `contains`, `startsWith`, `endsWith`, `matches` (with its pattern written out), the conversions between types,
    /// `timestamp`, `duration`, and the `get…` of times.
    pub when: String,
    /// What people are told when it is true.
    #[schemars(length(min = 1, max = 1000))]
    pub message: String,
}

/// Somebody who pushes, signs, approves or acts: one identity, whichever way they come. No two people share one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Person {
    /// Names of unix users on this machine.
    pub unix: Vec<String>,
    /// Addresses in commits. Upper and lower case, and what follows a `+`, make no difference.
    pub emails: Vec<String>,
    /// Keys that sign commits: the fingerprint of an SSH key (`SHA256:…`) or of an OpenPGP key, or a principal of
    /// `allowed_signers`.
    pub keys: Vec<String>,
    /// The account with which they log in: the address of the provider, a slash, and the subject that it knows them by, exactly:
    /// `https://git.example.org/42`. `trueup login` names it to whoever is not declared.
    pub login: Option<String>,
    /// Groups that they belong to. A group is there when somebody belongs to it.
    pub groups: Vec<Name>,
}

impl Policy {
    /// Returns whether it has a rule at all.
    #[must_use]
    pub fn rules(&self) -> bool {
        let Self { window, limit, protect, approve, require, deny, warn, .. } = self;
        let first = window.is_some() || limit.is_some() || protect.is_some() || approve.is_some();
        first || require.is_some() || deny.is_some() || warn.is_some()
    }
}

impl Window {
    /// Returns the windows, the first one first. In a loaded configuration there always are.
    pub fn recurrences(&self) -> Result<Vec<Recurrence>, InvalidSchedule> {
        let first = self.allow.iter().chain(&self.deny).map(|at| (at, self.length));
        let all = first.chain(self.also.iter().map(|also| (&also.at, also.length)));
        all.map(|(at, length)| Recurrence::new(at, &self.timezone, length.0)).collect()
    }
}

impl Condition {
    /// Returns its expression, over [`VARIABLES`]. In a loaded configuration there always is one.
    pub fn expression(&self) -> Result<Expression, InvalidExpression> {
        Expression::compile(&self.when, &VARIABLES)
    }
}

impl Require {
    /// Returns the pattern of its ticket, where it asks for one. In a loaded configuration it always can be read.
    pub fn ticket(&self) -> Result<Option<Pattern>, InvalidPattern> {
        self.ticket.as_deref().map(Pattern::new).transpose()
    }
}

fn default_timezone() -> String {
    "UTC".into()
}

const fn default_people() -> u32 {
    1
}
