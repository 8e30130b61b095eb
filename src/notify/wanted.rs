use super::surroundings::Known;
use super::tale::{Past, events, reports_drift, severity, usual};
use crate::audit::{Body, Record};
use crate::config::Notification;
use crate::model::notice::{NoticeEvent, Severity};

/// Returns as which event a sink wants to be told of a record, and how much that matters; `None` where it does not.
pub(super) fn wanted(
    declared: &Notification,
    record: &Record,
    past: &Past,
    known: &Known,
) -> Option<(NoticeEvent, Severity)> {
    let events = events(record, past);
    if events.is_empty() || !concerns(declared, record, known, &events) {
        return None;
    }
    let asked = |event: NoticeEvent| declared.events.contains(&event);
    let drift = matches!(&record.body, Some(Body::Closed(closed)) if reports_drift(closed));
    let chosen = events.into_iter().find(|event| match event {
        // The trouble that is over must have been told, too.
        NoticeEvent::Recovered => asked(*event) && past.ills.iter().any(|ill| asked(*ill) && loud(declared, *ill)),
        NoticeEvent::Degraded if drift => asked(*event) && !asked(NoticeEvent::Drift) && loud(declared, *event),
        event => asked(*event) && severity(record, *event) >= declared.severity,
    })?;
    Some((chosen, severity(record, chosen)))
}

fn loud(declared: &Notification, event: NoticeEvent) -> bool {
    // Of what failed it is not known any more whether it failed or was refused.
    let most = if event == NoticeEvent::Failed { Severity::Critical } else { usual(event) };
    most >= declared.severity
}

fn concerns(declared: &Notification, record: &Record, known: &Known, events: &[NoticeEvent]) -> bool {
    let wanted = &declared.matching;
    if wanted.applications.is_empty() && wanted.labels.is_empty() {
        return true;
    }
    let Some(application) = &record.application else { return events.contains(&NoticeEvent::BreakGlass) };
    wanted.fits(application, &known.labels)
}
