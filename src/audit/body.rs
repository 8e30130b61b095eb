//! The payloads, one for each kind of record. They hold digests, never contents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Act, GlassEvent, RevertEvent, StepResult};
use crate::model::{
    Action, Actor, BreakGlass, BreakGlassEnd, BreakGlassId, Cause, Digest, Name, ObjectId, Observed, Outcome, Plan,
    PlanId, Revision, Risk, Step, SyncId, Time, Verdict,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedBody {
    pub verdict: Verdict,
    /// Who signed the revision: as the trust root names them, with the key's fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    pub steps: Vec<StepSummary>,
}

/// One step of a plan, as records tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSummary {
    /// Its place in the plan, from 0.
    pub number: usize,
    pub object: ObjectId,
    pub action: Action,
    pub cause: Cause,
    pub before: Digest,
    pub after: Digest,
    pub risk: Risk,
    pub wave: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntentBody {
    pub wave: u32,
    pub steps: Vec<StepSummary>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeBody {
    pub wave: u32,
    pub outcomes: Vec<StepOutcomeBody>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOutcomeBody {
    /// The step's place in the plan, from 0.
    pub number: usize,
    pub object: ObjectId,
    pub action: Action,
    pub result: StepResult,
    /// The stable code of what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The last lines that a command printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    pub duration_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedBody {
    pub outcome: Outcome,
    /// The stable code of the reason, where it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    pub counts: Counts,
    /// From the first intent to the end, where anything was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The syncs without a change since this application's last record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
}

/// How many steps there were, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub done: usize,
    pub already: usize,
    pub failed: usize,
    pub skipped: usize,
}

/// Syncs that found nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    pub count: u64,
    pub first: Time,
    pub last: Time,
}

/// What others did, as it was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObservedBody {
    pub message: String,
    pub objects: Vec<ObjectId>,
    /// What became of each, with who and when as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Observed>,
}

impl ObservedBody {
    /// Returns the payload that tells of these changes.
    #[must_use]
    pub fn of(changes: Vec<Observed>) -> Self {
        let objects = changes.iter().map(|seen| seen.object.clone()).collect();
        Self { message: Observed::sentence(&changes), objects, changes }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActBody {
    pub act: Act,
    /// Why, in the person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

/// What became of one break-glass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlassBody {
    pub id: BreakGlassId,
    pub event: GlassEvent,
    /// All of it, where it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<BreakGlass>,
    /// Why, where it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<BreakGlassEnd>,
    /// What was edited by hand under it, where it has ended: the plans that put it right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<EditedBody>,
}

/// What was edited by hand in one application: `trueup restore` has it, by the plan that puts it right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedBody {
    pub application: Name,
    pub plan: PlanId,
}

impl BreakGlassBody {
    #[must_use]
    pub fn new(id: &BreakGlassId, event: GlassEvent) -> Self {
        Self { id: id.clone(), event, opening: None, end: None, edits: vec![] }
    }

    /// Returns what became of it, in one line.
    #[must_use]
    pub fn said(&self, actor: &Actor) -> String {
        let head = format!("break-glass {} {} by {actor}", self.id, self.event);
        let Some(opening) = &self.opening else { return head };
        let words = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let over = if opening.live_edit.is_empty() {
            format!("over {}", words(&opening.policies))
        } else {
            format!("to edit {}", opening.live_edit.join(", "))
        };
        let (on, until) = (words(&opening.applications), opening.until());
        format!("{head} {over} on {on} until {until}: {}", opening.reason)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuietBody {
    #[serde(flatten)]
    pub quiet: Quiet,
}

/// What became of a commit that takes a failed change out of Git. The record names the revision that failed, and its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertBody {
    pub what: RevertEvent,
    /// The branch that it is for, or lies in.
    pub branch: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Revision>,
    /// What the branch was at when it was made: its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<Revision>,
    /// The revision whose tree the application's paths are set back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<Revision>,
    /// The sync that failed.
    pub failed: SyncId,
    /// Stable code of why it is not further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where people can let it through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl RevertBody {
    /// Returns what became of it, in one line.
    #[must_use]
    pub fn said(&self) -> String {
        let branch = &self.branch;
        let commit = self.commit.as_ref().map(|commit| format!(" {}", commit.short())).unwrap_or_default();
        let head = match self.what {
            RevertEvent::Queued => format!("a commit that sets {branch} back waits for the Git host"),
            RevertEvent::Made => format!("made commit{commit}, which sets {branch} back"),
            RevertEvent::Pushed => format!("{branch} is set back by commit{commit}"),
            RevertEvent::Proposed => format!("commit{commit} waits in {branch}: merge it to set Git back"),
            RevertEvent::Delayed => format!("{branch} cannot be set back yet"),
            RevertEvent::Refused => format!("{branch} is not set back"),
            RevertEvent::Dropped => format!("{branch} need not be set back"),
        };
        let why = self.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        let link = self.link.as_deref().map(|link| format!(", at {link}")).unwrap_or_default();
        format!("{head}{link}{why}")
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResumedBody {
    /// Places in the plan of the steps whose outcome was not written down.
    pub open: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DaemonBody {
    pub version: String,
}

/// What was done to the trail itself. Such a record is never erased and never leaves the store: `verify` goes by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum TrailBody {
    /// A key signs checkpoints from here on.
    Key {
        /// A note that says so, signed by it, and by the key before where that was at hand.
        statement: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Published checkpoints that the trail is behind of or beside, and that a person goes on without.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        forgone: Vec<String>,
    },
    /// These records lie in a file of the archive; the store has only their hashes.
    Archived { first: u64, last: u64, file: String },
    /// A record's payload and salt are gone for ever.
    Erased { record: u64, reason: String },
}

impl PlannedBody {
    /// Says what is to be done, by action: `2 create, 1 run`; nothing where there are no steps.
    #[must_use]
    pub fn counted(&self) -> String {
        let mut counts = BTreeMap::<String, usize>::new();
        for step in &self.steps {
            *counts.entry(step.action.to_string()).or_default() += 1;
        }
        counts.iter().map(|(action, count)| format!("{count} {action}")).collect::<Vec<_>>().join(", ")
    }
}

impl TrailBody {
    /// Returns what was done to the trail, in one line.
    #[must_use]
    pub fn said(&self) -> String {
        match self {
            Self::Key { reason, forgone, .. } => {
                let why = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let beside = if forgone.is_empty() { "" } else { ", beside what was published before" };
                format!("a new key signs for the trail from here on{beside}{why}")
            }
            Self::Archived { first, last, file } => format!("records {first} to {last} are in the archive, as {file}"),
            Self::Erased { record, reason } => format!("the payload of record {record} is erased: {reason}"),
        }
    }

    /// Returns why, in the words of who did it.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Key { reason, .. } => reason.as_deref(),
            Self::Erased { reason, .. } => Some(reason),
            Self::Archived { .. } => None,
        }
    }
}

impl StepSummary {
    #[must_use]
    pub fn new(number: usize, step: &Step) -> Self {
        Self {
            number,
            object: step.id.clone(),
            action: step.action,
            cause: step.cause,
            before: step.before,
            after: step.after,
            risk: step.risk,
            wave: step.wave,
        }
    }

    /// Returns the summaries of a whole plan, in order.
    #[must_use]
    pub fn of(plan: &Plan) -> Vec<Self> {
        plan.steps.iter().enumerate().map(|(number, step)| Self::new(number, step)).collect()
    }
}

impl Counts {
    /// Counts the steps by how they ended.
    #[must_use]
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a StepOutcomeBody>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            match outcome.result {
                StepResult::Done => counts.done += 1,
                StepResult::Already => counts.already += 1,
                StepResult::Failed => counts.failed += 1,
                StepResult::Skipped => counts.skipped += 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_of_earlier_versions_are_read_and_written_as_they_were() {
        let old = r#"{"message":"1 differ","objects":[{"kind":"path","name":"/etc/motd"}]}"#;
        let body: ObservedBody = serde_json::from_str(old).unwrap();
        assert_eq!((body.objects.len(), body.changes.len()), (1, 0));
        assert_eq!(serde_json::to_string(&body).unwrap(), old);
    }
}
