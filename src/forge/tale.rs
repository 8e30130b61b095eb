//! What a record says of a commit. Pure, but for one look back.

use super::host::State;
use crate::audit::{self, Body, ClosedBody, Filter, Kind, PlannedBody, Record};
use crate::model::{Cause, Decision, Guard, Name, Outcome, Revision};
use crate::notify::planned;
use crate::store::{Store, StoreError};

/// Kinds of records that say something of a commit.
pub(super) const KINDS: [Kind; 2] = [Kind::Planned, Kind::Closed];

/// How many ends of an application are looked back at for the one that was taken back.
const BACK: u32 = 50;

/// How one application fares at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) application: Name,
    pub(super) commit: Revision,
    pub(super) state: State,
    pub(super) description: String,
}

/// Returns what a record says of a commit; `None` where it says nothing new.
pub(super) async fn tale(store: &Store, record: &Record) -> Result<Option<Told>, StoreError> {
    let Some(application) = record.application.clone() else { return Ok(None) };
    let told = |commit: Revision, (state, description): (State, String)| {
        Some(Told { application: application.clone(), commit, state, description })
    };
    // What takes a failed sync back is told of the commit that failed.
    if record.revision.is_some() && corrects(planned(store, record).await?.as_ref()) {
        return Ok(None);
    }
    Ok(match (&record.body, record.revision.clone()) {
        (Some(Body::Planned(planned)), Some(commit)) if !corrects(Some(planned)) => {
            begins(planned).and_then(|said| told(commit, said))
        }
        // What failed was told, and what came of it as well.
        (Some(Body::Closed(closed)), Some(commit)) if closed.code.as_deref() == Some("sync.bad-inputs") => {
            match failed(store, &application, record).await? {
                Some((failed, _)) if failed == commit => None,
                _ => ends(closed).and_then(|said| told(commit, said)),
            }
        }
        (Some(Body::Closed(closed)), Some(commit)) => ends(closed).and_then(|said| told(commit, said)),
        (Some(Body::Closed(closed)), None) if closed.outcome == Outcome::RolledBack => {
            let failed = failed(store, &application, record).await?;
            failed.and_then(|(commit, why)| told(commit, (State::Failure, format!("rolled back: {why}"))))
        }
        _ => None,
    })
}

/// Whether a plan only puts right what others did on the target: that is no doing of the commit.
fn corrects(planned: Option<&PlannedBody>) -> bool {
    planned.is_some_and(|planned| {
        !planned.steps.is_empty() && planned.steps.iter().all(|step| step.cause == Cause::Corrective)
    })
}

fn begins(planned: &PlannedBody) -> Option<(State, String)> {
    let going = |count: usize| (State::Pending, format!("going live: {}", steps(count)));
    // What is held is told by the record that closes it.
    (planned.verdict.decision != Decision::Hold).then(|| going(planned.steps.len()))
}

fn ends(closed: &ClosedBody) -> Option<(State, String)> {
    let why = || closed.message.clone().or_else(|| closed.code.clone()).unwrap_or_default();
    Some(match closed.outcome {
        Outcome::Applied | Outcome::Unchanged => {
            (State::Success, format!("live: {}", steps(closed.counts.done + closed.counts.already)))
        }
        // That others changed something is no doing of the commit either.
        Outcome::Degraded if closed.code.as_deref().is_some_and(|code| code.starts_with("drift.")) => return None,
        Outcome::Degraded => (State::Warning, format!("live but for a part: {}", why())),
        Outcome::Held if closed.code.as_deref() == Some(Guard::Rejected.code()) => {
            (State::Failure, format!("rejected: {}", why()))
        }
        Outcome::Held => (State::Pending, format!("held: {}", why())),
        Outcome::Refused => (State::Failure, format!("refused: {}", why())),
        Outcome::Failed => (State::Failure, format!("failed: {}", why())),
        Outcome::RolledBack => (State::Failure, format!("rolled back: {}", why())),
        // It is planned anew, goes on at the next start, or nobody may do anything about it.
        Outcome::Stale | Outcome::Stopped | Outcome::Suspended => return None,
    })
}

fn steps(count: usize) -> String {
    match count {
        0 => "nothing to change".into(),
        1 => "1 step".into(),
        count => format!("{count} steps"),
    }
}

/// Returns the last commit of an application that failed before this record, and why.
async fn failed(store: &Store, application: &Name, before: &Record) -> Result<Option<(Revision, String)>, StoreError> {
    let filter = Filter {
        application: Some(application.clone()),
        kinds: vec![Kind::Closed],
        before: Some(before.seq),
        newest_first: true,
        limit: BACK,
        ..Filter::default()
    };
    let found = audit::each(store, &filter).await?.into_iter().filter_map(|(_, record)| record.ok());
    let mut failed = found.filter_map(|record| match (record.body, record.revision) {
        (Some(Body::Closed(closed)), Some(commit)) if closed.outcome == Outcome::Failed => {
            Some((commit, closed.message.or(closed.code).unwrap_or_default()))
        }
        _ => None,
    });
    Ok(failed.next())
}
