//! The trail as the log tells it: a line for each record that a person would want to read, once it is durable. What is told
//! once in the trail is told once in the log, so that a quiet daemon has a quiet journal.

use super::{
    Act, ActBody, Body, ClosedBody, Entry, GlassEvent, OutcomeBody, PlannedBody, RevertEvent, StepOutcomeBody,
    StepResult, TrailBody,
};
use crate::model::event::{self, Event};
use crate::model::{Decision, Outcome, Revision};

/// One line, to be said when its record is durable.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    event: Event,
    bad: bool,
    text: String,
    application: Option<String>,
    revision: Option<String>,
    plan: Option<String>,
    sync: Option<String>,
    actor: String,
    object: Option<String>,
    code: Option<String>,
}

/// Returns the lines of these records.
pub(super) fn lines(entries: &[Entry]) -> Vec<Line> {
    entries.iter().flat_map(of).collect()
}

fn of(entry: &Entry) -> Vec<Line> {
    let one = |event, bad, text| vec![Line::new(entry, event, bad, text)];
    match &entry.body {
        Body::Started(daemon) => one(event::STARTED, false, format!("trueup {} started", daemon.version)),
        Body::Stopped(_) => one(event::STOPPED, false, "stopped".into()),
        Body::Planned(planned) => one(event::SYNC_PLANNED, false, plan(planned, entry.revision.as_ref())),
        Body::Resumed(resumed) => {
            let text = format!("going on with a plan of {} steps that was left open", resumed.open.len());
            one(event::SYNC_RESUMED, false, text)
        }
        Body::Outcome(OutcomeBody { outcomes, .. }) => outcomes.iter().map(|outcome| step(entry, outcome)).collect(),
        // A refused configuration is told mistake by mistake, where it was read.
        Body::Closed(closed) if entry.application.is_some() => vec![end(entry, closed)],
        Body::Observed(observed) => one(event::DRIFT_OBSERVED, true, observed.message.clone()),
        Body::Act(body) => one(act(body.act), false, acted(body, entry)),
        Body::BreakGlass(body) => one(glass(body.event), true, body.said(&entry.actor)),
        Body::Trail(body) => upkeep(entry, body),
        Body::Revert(body) => {
            let bad = matches!(body.what, RevertEvent::Proposed | RevertEvent::Delayed | RevertEvent::Refused);
            let mut line = Line::new(entry, event::REVERT, bad, body.said());
            line.code.clone_from(&body.code);
            vec![line]
        }
        Body::Closed(_) | Body::Intent(_) | Body::Quiet(_) => vec![],
    }
}

/// Says what was found, and what is to be done: `plan for revision 1234567890: 2 create, 1 run`.
fn plan(planned: &PlannedBody, revision: Option<&Revision>) -> String {
    let counts = planned.counted();
    let counts = if counts.is_empty() { "no steps".into() } else { counts };
    let revision = revision.map_or_else(|| "the state of before".into(), |one| format!("revision {}", one.short()));
    let held = if planned.verdict.decision == Decision::Hold { ", held" } else { "" };
    format!("plan for {revision}: {counts}{held}")
}

fn step(entry: &Entry, outcome: &StepOutcomeBody) -> Line {
    let failed = outcome.result == StepResult::Failed;
    let event = if failed { event::STEP_FAILED } else { event::STEP_DONE };
    let why = outcome.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    let (action, object, result) = (outcome.action, &outcome.object, outcome.result);
    let text = format!("{action} {object}: {result} in {} ms{why}", outcome.duration_ms);
    let mut line = Line::new(entry, event, failed, text);
    (line.object, line.code) = (Some(object.to_string()), outcome.code.clone());
    line
}

fn end(entry: &Entry, closed: &ClosedBody) -> Line {
    let event = match closed.outcome {
        Outcome::Unchanged => event::SYNC_UNCHANGED,
        Outcome::Applied => event::SYNC_APPLIED,
        Outcome::Degraded => event::SYNC_DEGRADED,
        Outcome::Held => event::SYNC_HELD,
        Outcome::Refused => event::SYNC_REFUSED,
        Outcome::Failed => event::SYNC_FAILED,
        Outcome::RolledBack => event::SYNC_ROLLED_BACK,
        Outcome::Stale => event::SYNC_STALE,
        Outcome::Stopped => event::SYNC_STOPPED,
        Outcome::Suspended => event::SYNC_SUSPENDED,
    };
    let lasted = closed.duration_ms.map(|ms| format!(" in {ms} ms")).unwrap_or_default();
    let why = closed.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    let mut line = Line::new(entry, event, !closed.outcome.is_good(), format!("{}{lasted}{why}", closed.outcome));
    line.code.clone_from(&closed.code);
    line
}

const fn glass(event: GlassEvent) -> Event {
    match event {
        GlassEvent::Opened => event::BREAK_GLASS_OPENED,
        GlassEvent::Agreed => event::BREAK_GLASS_AGREED,
        GlassEvent::Used => event::BREAK_GLASS_USED,
        GlassEvent::Reminded => event::BREAK_GLASS_REMINDED,
        GlassEvent::Closed => event::BREAK_GLASS_CLOSED,
        GlassEvent::Expired => event::BREAK_GLASS_EXPIRED,
    }
}

const fn act(act: Act) -> Event {
    match act {
        Act::Sync => event::ACT_SYNC,
        Act::Approve => event::ACT_APPROVE,
        Act::Adopt => event::ACT_ADOPT,
        Act::Suspend => event::ACT_SUSPEND,
        Act::Resume => event::ACT_RESUME,
        Act::Reject => event::ACT_REJECT,
        Act::Destroy => event::ACT_DESTROY,
        _ => event::ACT_OTHER,
    }
}

fn acted(body: &ActBody, entry: &Entry) -> String {
    let why = body.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} asks: {}{why}", entry.actor, body.act)
}

fn upkeep(entry: &Entry, body: &TrailBody) -> Vec<Line> {
    let event = match body {
        TrailBody::Key { .. } => event::TRAIL_KEY,
        TrailBody::Archived { .. } => event::TRAIL_ARCHIVED,
        TrailBody::Erased { .. } => event::TRAIL_ERASED,
    };
    vec![Line::new(entry, event, false, body.said())]
}

impl Line {
    fn new(entry: &Entry, event: Event, bad: bool, text: String) -> Self {
        Self {
            event,
            bad,
            text,
            application: entry.application.as_ref().map(ToString::to_string),
            revision: entry.revision.as_ref().map(ToString::to_string),
            plan: entry.plan.as_ref().map(ToString::to_string),
            sync: entry.sync.as_ref().map(ToString::to_string),
            actor: entry.actor.to_string(),
            object: None,
            code: None,
        }
    }

    pub(super) fn say(self) {
        let Self { event, bad, text, application: app, revision, plan, sync, actor, object, code } = self;
        let (event, app, revision, plan) = (event.name, app.as_deref(), revision.as_deref(), plan.as_deref());
        let (sync, object, code) = (sync.as_deref(), object.as_deref(), code.as_deref());
        if bad {
            tracing::warn!(event, app, revision, plan, sync, actor, object, code, "{text}");
        } else {
            tracing::info!(event, app, revision, plan, sync, actor, object, code, "{text}");
        }
    }
}
