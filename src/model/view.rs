//! What people and programs are shown: the same structs in the API, in `--json` and behind the pages.

mod people;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Action, Finding, Mistake, Name, ObjectId, Outcome, Place, Plan, PlanId, Revision, Spec, Step, Time, Verdict,
};

pub use people::{BreakGlassAsked, BreakGlassView, Edits, PolicyListed, PolicyRule, PolicyView};

/// The whole daemon at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub version: String,
    pub started: Time,
    /// Mistakes of a newer configuration that was not taken; the old one runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected_configuration: Vec<Mistake>,
    /// Documents of Git that were accepted, and are left out because they do not fit the machine's files any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Mistake>,
    pub trail: TrailStatus,
    pub repositories: Vec<RepositoryStatus>,
    pub applications: Vec<ApplicationStatus>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationStatus>,
    /// Applications that are declared no more, and whose objects are still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<OrphanStatus>,
}

impl Status {
    /// Whether nothing differs, waits for a person, or fails.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let applications = self.applications.iter().all(|one| one.outcome.is_none_or(Outcome::is_good));
        let repositories = self.repositories.iter().all(|one| matches!(one.state.as_str(), "ok" | "waiting"));
        let published = self.trail.places.iter().all(|place| place.code.is_none());
        let taken = self.rejected_configuration.is_empty() && self.left_out.is_empty();
        let told = self.notifications.iter().all(|one| one.state == "ok");
        let destroyed = self.orphans.iter().all(|one| one.plan.is_none());
        applications && repositories && published && taken && told && destroyed
    }
}

/// What is left of an application that is declared no more: nobody keeps it true, and nobody takes it away unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrphanStatus {
    pub name: Name,
    pub target: Name,
    /// How many objects it has in its inventory.
    pub objects: usize,
    /// The plan to destroy it that waits for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
}

/// How far the trail is signed for, and where that is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrailStatus {
    /// The name that it is signed for under; `None` until the first checkpoint since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How many records the newest checkpoint covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// The places, beside the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceStatus>,
}

/// A place that checkpoints are published to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceStatus {
    pub place: String,
    /// How many records the last checkpoint covers that was published there since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<u64>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Stable code of why the newest one is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryStatus {
    pub name: Name,
    /// Without credentials.
    pub url: String,
    /// The fully qualified ref that is followed, or the commit that is held.
    pub reference: String,
    /// `None` until the first answer.
    pub head: Option<Revision>,
    /// `ok`, `waiting`, or the stable code of what is wrong.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the remote last answered.
    pub polled: Option<Time>,
}

/// One application: what state, since when, waiting on what.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApplicationStatus {
    pub name: Name,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub target: Name,
    pub repository: Name,
    /// Its folders of the repository, lowest layer first; `.` is all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// How the last sync ended; `None` before the first.
    pub outcome: Option<Outcome>,
    /// A sync runs now.
    pub syncing: bool,
    /// The room of the house that it is in just now: `render`, `preview`, `execute` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// When it came into this state.
    pub since: Option<Time>,
    /// Stable code of what holds, refuses or fails it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why, in words; and what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// When what holds it may pass by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<Time>,
    /// The plan that waits for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    pub applied: Option<Revision>,
    /// Last good.
    pub good: Option<Revision>,
    /// A revision whose inputs failed, and are not tried again by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<Revision>,
    /// The commit that takes out of Git what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revert: Option<RevertStatus>,
    /// How many objects are kept true.
    pub objects: usize,
    /// Syncs since the daemon started.
    pub syncs: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<String>,
}

/// A commit that takes out of Git what failed, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevertStatus {
    /// `owed`, `made`, `pushed`, `proposed` or `refused`.
    pub stage: String,
    /// The branch that it is for, or lies in.
    pub branch: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Revision>,
    /// The revision whose tree the application's paths are set back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Revision>,
    /// Stable code of why it is not further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where people can let it through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Another application that has some of the files that are set back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedFiles {
    pub application: Name,
    /// Those of its paths that they lie in.
    pub paths: Vec<String>,
}

impl SharedFiles {
    /// Returns the other applications of a daemon that follow the same branch and have one of these files.
    #[must_use]
    pub fn with(
        name: &Name,
        (applications, repositories): (&[ApplicationStatus], &[RepositoryStatus]),
        (url, reference): (&str, &str),
        files: &[String],
    ) -> Vec<Self> {
        let same = |one: &&ApplicationStatus| {
            let mut of = repositories.iter().filter(|repository| repository.name == one.repository);
            one.name != *name && of.any(|repository| repository.url == url && repository.reference == reference)
        };
        let shared = applications.iter().filter(same).map(|one| Self {
            application: one.name.clone(),
            paths: one.paths.iter().filter(|path| files.iter().any(|file| is_in(file, path))).cloned().collect(),
        });
        shared.filter(|one| !one.paths.is_empty()).collect()
    }
}

fn is_in(file: &str, path: &str) -> bool {
    path == "." || file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl ApplicationStatus {
    /// Returns its state in one word.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self.outcome {
            _ if self.syncing => "syncing",
            _ if self.suspended.is_some() => "suspended",
            Some(outcome) => outcome.as_str(),
            None => "new",
        }
    }
}

/// Whom people asked to be told, and how far that is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotificationStatus {
    pub name: Name,
    /// `webhook`, `slack`, `matrix` or `email`.
    pub kind: String,
    /// `ok`, or the stable code of what keeps the next one from being delivered.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When one was last delivered.
    pub delivered: Option<Time>,
    /// How many wait to be delivered.
    pub waiting: usize,
    /// How many were given up, ever, because they were not taken.
    pub dropped: u64,
    /// The record of the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_dropped: Option<u64>,
}

/// How the test of a sink ended, where it was taken.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotifyReport {
    pub name: Name,
    pub kind: String,
    /// The id that the test message bore.
    pub id: String,
    /// What the other side answered.
    pub answer: String,
}

/// A plan with what a person needs to judge it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlanView {
    pub plan: Plan,
    pub revision: Option<Revision>,
    /// Author and first line of the commit, as the author wrote them: escape before showing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    pub verdict: Verdict,
    /// One for each step, in the order of the plan.
    pub changes: Vec<Change>,
    /// Objects found identical, kept true from now on.
    pub matched: usize,
}

/// One step, with its difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub step: Step,
    /// Attributes that change: name, before, after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, Option<String>, Option<String>)>,
    /// Unified diff of the content; `None` where it is hidden, binary, large or unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Said instead of a diff: `content hidden`, `binary content, 4096 bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where in Git it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// How one sync ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SyncReport {
    /// When what holds it may pass by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<Time>,
    pub application: Name,
    pub outcome: Outcome,
    pub revision: Option<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Steps that were carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepReport>,
    /// Steps that put right what drifted, among them.
    pub corrective: usize,
    pub milliseconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    pub id: ObjectId,
    pub action: super::Action,
    /// `done`, `already`, or the stable code of the failure.
    pub result: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a plan overwrote or deleted when it was carried out; without contents, which are asked for one by one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreimagesView {
    /// The id, or the beginning of it that was asked for where the plan left no pre-images.
    pub plan: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Name>,
    /// When the execution began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// What the plan went to, or was made at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The repository, without credentials.
    pub url: String,
    /// The application's paths in it, lowest first.
    pub layers: Vec<String>,
    /// Each is asked for by its place in this list.
    pub objects: Vec<PreimageView>,
}

/// One object as it was found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreimageView {
    pub id: ObjectId,
    pub action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// Where Git has it, or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Not everyone may read it.
    #[serde(default)]
    pub hidden: bool,
    /// Why it cannot be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The target keeps it, and shows it to nobody but root.
    #[serde(default)]
    pub withheld: bool,
    /// Nothing was there: somebody had removed it by hand.
    #[serde(default)]
    pub gone: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_its_folders_and_in_no_other_that_begins_so() {
        for (path, holds) in [(".", true), ("base", true), ("base/etc", true), ("bas", false), ("base/et", false)] {
            assert_eq!(is_in("base/etc/motd", path), holds, "{path}");
        }
        assert!(is_in("base", "base"), "where the folder was a file");
    }
}
