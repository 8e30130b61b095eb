//! What a record tells, given what came before it. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::audit::{Body, ClosedBody, Kind, Record, RevertEvent, TrailBody};
use crate::model::notice::{NoticeEvent, Severity};
use crate::model::{Outcome, PlanId, Revision};
use crate::source::SourceErrorKind;

/// A target that moved under its plan so often in a row is worth telling.
pub(super) const STALE: usize = 3;

/// A remote that cannot be reached is told of when that has lasted so long: most often it is over before anyone could look, and
/// it would be told for each application.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// Kinds of records that never tell anything by themselves.
pub(super) const SILENT: [Kind; 5] = [Kind::Planned, Kind::Intent, Kind::Outcome, Kind::Quiet, Kind::Resumed];

/// How the syncs of an application ended before the record in question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// How the last one did.
    pub(super) last: Option<Ending>,
    /// What was wrong since all was well, but for what passed by itself before it was told.
    pub(super) ills: BTreeSet<NoticeEvent>,
    /// How many ended as stale in a row, up to the last one.
    pub(super) stale: usize,
}

/// How a sync ended, as far as it matters whether the next one ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    outcome: Outcome,
    code: Option<String>,
    plan: Option<PlanId>,
    revision: Option<Revision>,
    /// What differs in words alone is the same failure of the same plan. Without a plan the words are all there is.
    message: Option<String>,
    passing: bool,
}

/// What an end says of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    Ill(Vec<NoticeEvent>),
    Stale,
    /// Nothing: it was stopped, or kept true to what it was while something newer waits.
    Same,
}

impl Ending {
    pub(super) fn of(record: &Record, closed: &ClosedBody) -> Self {
        let message = closed.message.clone().filter(|_| record.plan.is_none());
        let (outcome, code) = (closed.outcome, closed.code.clone());
        Self { outcome, code, plan: record.plan, revision: record.revision.clone(), message, passing: passing(closed) }
    }

    /// Whether this one went as that one did. A remote that is out of reach in another way is still out of reach.
    fn like(&self, other: &Self) -> bool {
        self == other || self.passing && other.passing
    }
}

impl Standing {
    pub(super) fn of(record: &Record, closed: &ClosedBody) -> Self {
        match closed.outcome {
            Outcome::Applied | Outcome::Unchanged if keeps(record) => Self::Same,
            Outcome::Applied | Outcome::Unchanged => Self::Good,
            // Who asked for drift was told of it; so it is drift, too, that is over.
            Outcome::Degraded if reports_drift(closed) => Self::Ill(vec![NoticeEvent::Degraded, NoticeEvent::Drift]),
            Outcome::Degraded => Self::Ill(vec![NoticeEvent::Degraded]),
            Outcome::Held => Self::Ill(vec![NoticeEvent::Held]),
            Outcome::Refused | Outcome::Failed => Self::Ill(vec![NoticeEvent::Failed]),
            Outcome::RolledBack => Self::Ill(vec![NoticeEvent::RolledBack]),
            Outcome::Stale => Self::Stale,
            Outcome::Stopped | Outcome::Suspended => Self::Same,
        }
    }
}

/// Whether an execution went to no revision: it kept the application true to what was last applied, or took it back.
fn keeps(record: &Record) -> bool {
    record.sync.is_some() && record.revision.is_none()
}

/// Whether nothing but the way to the remote was wrong.
pub(super) fn passing(closed: &ClosedBody) -> bool {
    let codes = [SourceErrorKind::Unreachable.code(), SourceErrorKind::TimedOut.code()];
    closed.outcome == Outcome::Refused && closed.code.as_deref().is_some_and(|code| codes.contains(&code))
}

/// Whether it only says how a sync ended that found drift; the drift is told by a record of its own.
pub(super) fn reports_drift(closed: &ClosedBody) -> bool {
    closed.code.as_deref() == Some("drift.reported")
}

/// Returns what a record tells, in the order in which a sink that wants several of them is told the first.
pub(super) fn events(record: &Record, past: &Past) -> Vec<NoticeEvent> {
    match &record.body {
        // One whose payload was erased is told by its name.
        _ if record.kind == Kind::BreakGlass => vec![NoticeEvent::BreakGlass],
        Some(Body::Trail(_)) => vec![NoticeEvent::Trail],
        Some(Body::Closed(closed)) if record.application.is_some() => ended(record, closed, past),
        Some(Body::Closed(_) | Body::Started(_) | Body::Stopped(_)) => vec![NoticeEvent::Daemon],
        Some(Body::Observed(_)) => vec![NoticeEvent::Drift],
        Some(Body::Act(_)) => vec![NoticeEvent::Act],
        // What follows says whether it was taken.
        Some(Body::Revert(body)) if body.what != RevertEvent::Made => vec![NoticeEvent::Revert],
        _ => vec![],
    }
}

fn ended(record: &Record, closed: &ClosedBody, past: &Past) -> Vec<NoticeEvent> {
    let told = past.last.as_ref().is_some_and(|last| last.like(&Ending::of(record, closed)));
    let also = if closed.counts.done > 0 { Some(NoticeEvent::Changed) } else { None };
    // Where all was well since, Git came back to what failed.
    let follows = closed.code.as_deref() == Some("sync.bad-inputs") && !past.ills.is_empty();
    match Standing::of(record, closed) {
        // The same failure of another try; or what follows from one that was told.
        Standing::Ill(_) if told || follows => vec![],
        Standing::Ill(mut events) => {
            events.retain(|event| *event != NoticeEvent::Drift);
            events.extend(also.filter(|_| matches!(closed.outcome, Outcome::Held | Outcome::Degraded)));
            events
        }
        Standing::Stale if past.stale + 1 == STALE => vec![NoticeEvent::Failed],
        Standing::Good => {
            let recovered = if past.ills.is_empty() { None } else { Some(NoticeEvent::Recovered) };
            let changed = if closed.outcome == Outcome::Applied { Some(NoticeEvent::Changed) } else { None };
            recovered.into_iter().chain(changed).collect()
        }
        Standing::Same if closed.outcome == Outcome::Applied => vec![NoticeEvent::Changed],
        Standing::Stale | Standing::Same => vec![],
    }
}

/// Returns how much it matters that this was recorded.
pub(super) fn severity(record: &Record, event: NoticeEvent) -> Severity {
    match (event, &record.body) {
        (NoticeEvent::Failed, Some(Body::Closed(closed))) if closed.outcome == Outcome::Failed => Severity::Critical,
        (NoticeEvent::Daemon, Some(Body::Closed(_))) => Severity::Warning,
        (NoticeEvent::Trail, Some(Body::Trail(body))) => match body {
            TrailBody::Archived { .. } => Severity::Info,
            // Whoever verifies from outside wants it.
            TrailBody::Key { forgone, .. } if forgone.is_empty() => Severity::Notice,
            // What was recorded, or was published, does not count any more because a person says so.
            TrailBody::Key { .. } | TrailBody::Erased { .. } => Severity::Critical,
        },
        (NoticeEvent::Revert, Some(Body::Revert(body))) => match body.what {
            RevertEvent::Proposed | RevertEvent::Delayed | RevertEvent::Refused => Severity::Warning,
            _ => Severity::Notice,
        },
        (event, _) => usual(event),
    }
}

/// Returns how much an event matters at least.
pub(super) const fn usual(event: NoticeEvent) -> Severity {
    match event {
        NoticeEvent::Held
        | NoticeEvent::Failed
        | NoticeEvent::Degraded
        | NoticeEvent::RolledBack
        | NoticeEvent::BreakGlass => Severity::Warning,
        NoticeEvent::Recovered | NoticeEvent::Revert | NoticeEvent::Drift | NoticeEvent::Act => Severity::Notice,
        _ => Severity::Info,
    }
}
