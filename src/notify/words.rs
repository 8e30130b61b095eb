//! What is told, in one line of plain words; and the templates that are used where nobody wrote others.

use crate::audit::{Body, ClosedBody, PlannedBody, Record};
use crate::model::notice::NoticeEvent;
use crate::model::{Outcome, Revision};

pub(super) const TITLE: &str = "{{ summary }}";

/// The reason, and by which names to look further. No links: what they would lead to is for whoever reads it to know.
pub(super) const TEXT: &str = "\
{% if message %}{{ message }}
{% endif %}{% for finding in findings if finding.message != message %}- {{ finding.message }}
{% endfor %}{% if application %}application {{ application }}{% if target %} on {{ target }}{% endif %}
{% endif %}{% if revision %}revision {{ revision }}
{% endif %}{% if plan %}plan {{ plan }}
{% endif %}{% if event == 'held' and plan %}look at it with `trueup plan {{ application }}`\
{% if approvable %}, let it through with `trueup approve {{ plan[:12] }}`{% elif until %}; it waits until {{ until }}\
{% elif code and code[:7] == 'policy.' %}; `trueup policy explain {{ application }}` says what holds it{% endif %}
{% endif %}record {{ record }}, {{ time }}, {{ actor.display }}";

/// Returns all of it in one line. `planned` is the plan that the record closes.
pub(super) fn summary(record: &Record, event: NoticeEvent, planned: Option<&PlannedBody>) -> String {
    let who = record.application.as_ref().map_or("trueup", |name| name.as_str());
    let at = record.revision.as_ref().map(|revision| format!(" at {}", Revision::short(revision))).unwrap_or_default();
    match (event, &record.body) {
        (NoticeEvent::Changed, Some(Body::Closed(closed))) => {
            let how = if record.sync.is_some() && record.revision.is_none() { "was put right" } else { "changed" };
            format!("{who} {how}{at}: {}", counted(closed, planned))
        }
        (NoticeEvent::Recovered, Some(Body::Closed(closed))) => {
            let done = if closed.counts.done > 0 { format!(": {}", counted(closed, planned)) } else { String::new() };
            format!("{who} is well again{at}{done}")
        }
        (NoticeEvent::Daemon, Some(Body::Closed(_))) => "trueup refused a changed configuration".into(),
        (_, Some(Body::Closed(closed))) => {
            let why = first_line(closed.message.as_deref().or(closed.code.as_deref()));
            format!("{who} {}{at}{why}", word(closed.outcome))
        }
        (_, Some(Body::Observed(observed))) => format!("{who} drifted{}", first_line(Some(&observed.message))),
        (_, Some(Body::Act(body))) => {
            let plan = record.plan.map(|plan| format!(" of plan {}", plan.short())).unwrap_or_default();
            let on = record.application.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
            format!("{}: {}{plan}{on}{}", record.actor, body.act, first_line(body.reason.as_deref()))
        }
        (_, Some(Body::BreakGlass(body))) => {
            let used = record.plan.map(|plan| format!(": plan {} of {who} went because of it", plan.short()));
            body.said(&record.actor) + &used.unwrap_or_default()
        }
        (_, Some(Body::Revert(body))) => format!("{who}: {}", body.said()),
        (_, Some(Body::Trail(body))) => format!("{who}: {}", body.said()),
        (_, Some(Body::Started(daemon))) => format!("trueup {} started", daemon.version),
        (_, Some(Body::Stopped(_))) => "trueup stopped".into(),
        _ => format!("{who}: {} by {}", record.kind.as_str().replace('-', " "), record.actor),
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "is held",
        Outcome::Refused => "was refused",
        Outcome::Degraded => "is degraded",
        Outcome::RolledBack => "was rolled back",
        Outcome::Stale => "finds no rest: its target moves under each plan",
        _ => "failed",
    }
}

/// Says what was done: `2 create, 1 run`.
fn counted(closed: &ClosedBody, planned: Option<&PlannedBody>) -> String {
    let counts = planned.map(PlannedBody::counted).unwrap_or_default();
    match (counts.is_empty(), closed.counts.done) {
        (false, _) => counts,
        (true, 1) => "1 step".into(),
        (true, done) => format!("{done} steps"),
    }
}

/// Returns the first line of a reason, behind a colon.
fn first_line(text: Option<&str>) -> String {
    const LONGEST: usize = 160;
    let line = text.and_then(|text| text.lines().next()).unwrap_or_default();
    let short: String = line.chars().take(LONGEST).collect();
    match (short.is_empty(), short.len() < line.len()) {
        (true, _) => String::new(),
        (false, true) => format!(": {short}…"),
        (false, false) => format!(": {short}"),
    }
}
