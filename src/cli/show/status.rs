use std::fmt::Write;

use super::plan::findings;
use super::table::Table;
use super::{mistakes, printable, when};
use crate::model::view::{
    ApplicationStatus, NotificationStatus, NotifyReport, OrphanStatus, RepositoryStatus, RevertStatus, Status,
};
use crate::model::{Revision, Time, Waits};

/// Returns the whole daemon at a glance.
#[must_use]
pub fn status(status: &Status, now: Time) -> String {
    let up = when::length(now.since(status.started).as_secs());
    let mut text = format!("trueup {}, up {up}\n", printable(&status.version));
    if !status.rejected_configuration.is_empty() {
        text.push_str("\nthe configuration on disk has mistakes; the daemon goes on with the one before:\n");
        text.push_str(&mistakes(&status.rejected_configuration));
    }
    if !status.left_out.is_empty() {
        text.push_str(
            "\nof what was accepted from Git this does not fit the machine's files any more, and is left out:\n",
        );
        text.push_str(&mistakes(&status.left_out));
    }
    for place in &status.trail.places {
        if let Some(message) = &place.message {
            let (place, message) = (printable(&place.place), printable(message));
            let _ = writeln!(text, "\ncheckpoints of the trail are not published at {place}: {message}");
        }
    }
    let shown = text.len();
    if !status.repositories.is_empty() {
        let _ = write!(text, "\n{}", repositories(&status.repositories, now));
    }
    if !status.applications.is_empty() {
        let _ = write!(text, "\n{}", applications(&status.applications, now));
    }
    if !status.orphans.is_empty() {
        let _ = write!(text, "\n{}", orphans(&status.orphans));
    }
    if !status.notifications.is_empty() {
        let _ = write!(text, "\n{}", notifications(&status.notifications, now));
    }
    if text.len() == shown {
        text.push_str("\nnothing is declared yet\n");
    }
    text
}

/// Returns what a sink answered to a test.
#[must_use]
pub fn notified(report: &NotifyReport) -> String {
    let (name, answer) = (&report.name, printable(&report.answer));
    format!("{name} ({}) took the message {}: {answer}\n", report.kind, printable(&report.id))
}

/// Returns one application, with its findings.
#[must_use]
pub fn application(status: &ApplicationStatus, now: Time) -> String {
    applications(std::slice::from_ref(status), now) + &findings(&status.findings)
}

fn repositories(all: &[RepositoryStatus], now: Time) -> String {
    let mut table = Table::new(&["REPOSITORY", "HEAD", "FOLLOWS", "ANSWERED", "STATE", "MESSAGE"]);
    for one in all {
        let answered = one.polled.map_or_else(|| "never".into(), |time| when::ago(time, now));
        let message = one.message.as_deref().unwrap_or_default();
        table.row([one.name.as_str(), short(one.head.as_ref()), &one.reference, &answered, &one.state, message]);
    }
    table.render()
}

fn applications(all: &[ApplicationStatus], now: Time) -> String {
    let mut table = Table::new(&["APPLICATION", "STATE", "SINCE", "APPLIED", "OBJECTS", "WAITING FOR"]);
    for one in all {
        let since = one.since.map_or_else(String::new, |time| when::ago(time, now));
        let objects = one.objects.to_string();
        let waiting = waiting(one);
        table.row([one.name.as_str(), one.state(), &since, short(one.applied.as_ref()), &objects, &waiting]);
    }
    table.render()
}

fn orphans(all: &[OrphanStatus]) -> String {
    let mut table = Table::new(&["DECLARED NO MORE", "TARGET", "OBJECTS", "WAITING FOR"]);
    for one in all {
        let waiting = one.plan.map_or_else(
            || "its document, or `trueup destroy`".to_owned(),
            |plan| format!("approval of plan {}, which destroys it", plan.short()),
        );
        table.row([one.name.as_str(), one.target.as_str(), &one.objects.to_string(), &waiting]);
    }
    table.render()
}

fn notifications(all: &[NotificationStatus], now: Time) -> String {
    let mut table = Table::new(&["NOTIFICATION", "KIND", "DELIVERED", "WAITING", "GIVEN UP", "STATE", "MESSAGE"]);
    for one in all {
        let delivered = one.delivered.map_or_else(|| "never".into(), |time| when::ago(time, now));
        let given_up = match one.last_dropped {
            Some(record) => format!("{} (last: record {record})", one.dropped),
            None => String::new(),
        };
        let (waiting, message) = (one.waiting.to_string(), one.message.as_deref().unwrap_or_default());
        table.row([one.name.as_str(), &one.kind, &delivered, &waiting, &given_up, &one.state, message]);
    }
    table.render()
}

/// Says why it is in its state, and what a person could do about it.
fn waiting(one: &ApplicationStatus) -> String {
    let mut parts = Vec::new();
    if let Some(reason) = &one.suspended {
        parts.push(format!("resume (suspended: {reason})"));
    }
    match (Waits::of(&one.findings), &one.plan) {
        (Some(Waits::Approval), Some(plan)) => parts.push(format!("approval of plan {}", plan.short())),
        (Some(Waits::Until(time)), _) => parts.push(time.to_string()),
        _ => {}
    }
    parts.extend(one.message.clone());
    match (&one.revert, &one.bad) {
        (Some(revert), _) => parts.push(reverting(revert)),
        (None, Some(bad)) => parts.push(format!("a commit after {}, which failed", bad.short())),
        (None, None) => {}
    }
    parts.join("; ")
}

/// Says what the commit waits for that takes out of Git what failed.
fn reverting(one: &RevertStatus) -> String {
    let (branch, commit) = (&one.branch, short(one.commit.as_ref()));
    let head = match one.stage.as_str() {
        "pushed" => format!("commit {commit}, which sets {branch} back, to go live"),
        "proposed" => {
            let link = one.link.as_deref().map(|link| format!(" ({link})")).unwrap_or_default();
            format!("a merge of {branch}, which sets Git back{link}")
        }
        "refused" => format!("somebody to set {branch} back"),
        _ => format!("{branch} to be set back"),
    };
    let why = one.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    head + &why
}

fn short(revision: Option<&Revision>) -> &str {
    revision.map_or("-", Revision::short)
}
