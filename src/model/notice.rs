//! What people are told, as plain data: the same in the body of a webhook and in the templates of every sink.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Name, Outcome, PlanId, Revision, SyncId};

/// The sort of thing that a notification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoticeEvent {
    /// A sync changed something.
    Changed,
    /// A plan, or a part of it, waits for a person.
    Held,
    /// A sync failed or was refused, or its target moved under the plan three times in a row.
    Failed,
    /// Done as far as could be known.
    Degraded,
    /// All is well again, told to whom the trouble was told.
    Recovered,
    /// A sync failed, and the last good state is back.
    RolledBack,
    /// What became of a commit that takes a failed change out of Git.
    Revert,
    /// What others did on the target was seen.
    Drift,
    /// A person did something: approved, adopted, suspended.
    Act,
    /// Policies were, or are about to be, overridden.
    BreakGlass,
    /// The daemon started or stopped, or refused a configuration.
    Daemon,
    /// Something was done to the trail itself: another key signs, records were archived, a payload was erased.
    Trail,
}

impl NoticeEvent {
    /// What is told where nobody says otherwise.
    pub const QUIET: [Self; 7] =
        [Self::Changed, Self::Held, Self::Failed, Self::Recovered, Self::RolledBack, Self::Revert, Self::BreakGlass];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Degraded => "degraded",
            Self::Recovered => "recovered",
            Self::RolledBack => "rolled-back",
            Self::Revert => "revert",
            Self::Drift => "drift",
            Self::Act => "act",
            Self::BreakGlass => "break-glass",
            Self::Daemon => "daemon",
            Self::Trail => "trail",
        }
    }
}

impl fmt::Display for NoticeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much it matters, from the least on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it should be.
    #[default]
    Info,
    /// Worth knowing.
    Notice,
    /// Somebody should look.
    Warning,
    /// Somebody should look now.
    Critical,
}

/// One notification. Fields are added, never changed: `version` says how to read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub version: u32,
    /// The same whenever this is delivered again to the same sink, and no other's.
    pub id: String,
    /// Stable name of the installation whose trail it comes from.
    pub installation: String,
    /// The number of the record that it tells of.
    pub record: u64,
    /// When that was recorded, after RFC 3339.
    pub time: String,
    /// A [`NoticeEvent`], or `test`.
    pub event: &'static str,
    pub severity: Severity,
    /// All of it in one line.
    pub summary: String,
    pub application: Option<Name>,
    /// As declared now, or last.
    pub labels: BTreeMap<String, String>,
    pub target: Option<Name>,
    pub revision: Option<Revision>,
    pub plan: Option<PlanId>,
    pub sync: Option<SyncId>,
    pub actor: Actor,
    pub outcome: Option<Outcome>,
    /// Stable code of the reason.
    pub code: Option<String>,
    /// Why, in words: may have several lines.
    pub message: Option<String>,
    /// What the guards found, where the plan is held.
    pub findings: Vec<NoticeFinding>,
    /// The plan is held, and nothing but approvals of it is missing.
    pub approvable: bool,
    /// Until when the plan is held with nobody doing anything, after RFC 3339, where that is known.
    pub until: Option<String>,
}

/// One reason why a plan is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeFinding {
    pub code: String,
    pub message: String,
    /// The first of the objects that it is about.
    pub objects: Vec<String>,
    /// How many more there are.
    pub more: usize,
    pub passed: bool,
}

impl Notice {
    /// The names that a template may ask for.
    pub const NAMES: [&'static str; 21] = [
        "version",
        "id",
        "installation",
        "record",
        "time",
        "event",
        "severity",
        "summary",
        "application",
        "labels",
        "target",
        "revision",
        "plan",
        "sync",
        "actor",
        "outcome",
        "code",
        "message",
        "findings",
        "approvable",
        "until",
    ];

    /// Returns two that differ as much as notifications do, to try a template with: one with everything, one with the least.
    #[must_use]
    pub fn samples() -> [Self; 2] {
        let finding = NoticeFinding {
            code: "guard.delete-limit".into(),
            message: "12 deletes, more than 10".into(),
            objects: vec!["/etc/motd".into()],
            more: 11,
            passed: false,
        };
        let least = Self {
            version: 1,
            id: "msg_0123456789abcdef0123456789abcdef".into(),
            installation: "0123456789abcdef".into(),
            record: 42,
            time: "2027-01-02T03:04:05.678Z".into(),
            event: NoticeEvent::Daemon.as_str(),
            severity: Severity::Info,
            summary: "trueup started".into(),
            application: None,
            labels: BTreeMap::new(),
            target: None,
            revision: None,
            plan: None,
            sync: None,
            actor: Actor::daemon("run"),
            outcome: None,
            code: None,
            message: None,
            findings: vec![],
            approvable: false,
            until: None,
        };
        let most = Self {
            event: NoticeEvent::Held.as_str(),
            severity: Severity::Warning,
            summary: "web is held: 12 deletes, more than 10".into(),
            application: "web".parse().ok(),
            labels: BTreeMap::from([("team".into(), "edge".into())]),
            target: "web-1".parse().ok(),
            revision: "0123456789abcdef0123456789abcdef01234567".parse().ok(),
            plan: Some(PlanId(super::Digest::of(b"sample"))),
            sync: Some(SyncId("0123456789abcdef0123456789abcdef".into())),
            outcome: Some(Outcome::Held),
            code: Some("guard.delete-limit".into()),
            message: Some("12 deletes, more than 10".into()),
            findings: vec![finding],
            approvable: true,
            until: Some("2027-01-02T08:00:00.000Z".into()),
            ..least.clone()
        };
        [most, least]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_templates_are_the_fields_and_the_words_those_of_yaml() {
        for sample in Notice::samples() {
            let fields = serde_json::to_value(&sample).unwrap();
            let fields: Vec<_> = fields.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(fields, Notice::NAMES);
        }
        assert!(Notice::samples()[0].revision.is_some() && Notice::samples()[0].application.is_some());
        for event in NoticeEvent::QUIET {
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
    }
}
