use super::surroundings::{Known, Surroundings};
use crate::audit::{self, Body, Filter, Kind, PlannedBody, Record};
use crate::model::notice::{Notice, NoticeEvent, NoticeFinding, Severity};
use crate::model::{Finding, Name, Outcome, Waits};
use crate::store::{Store, StoreError};

/// How a notification is read. It grows when a field comes to mean something else.
const VERSION: u32 = 1;

/// So many findings, and objects of each, are told; the trail has them all.
const MOST: usize = 20;

/// A reason that is longer is cut; the trail has it whole.
const LONGEST: usize = 16 * 1024;

/// Makes what a sink is told of a record.
pub(super) async fn notice(
    around: &Surroundings,
    sink: &Name,
    record: &Record,
    (event, severity): (NoticeEvent, Severity),
    known: Known,
) -> Result<Notice, StoreError> {
    let planned = planned(&around.store, record).await?;
    let (outcome, code, message) = reason(record);
    let held = matches!(outcome, Some(Outcome::Held | Outcome::Degraded));
    let findings = planned.as_ref().filter(|_| held).map_or(&[][..], |planned| &planned.verdict.findings);
    let waits = Waits::of(findings);
    Ok(Notice {
        version: VERSION,
        id: id(around, sink, &format!("{}\0{}", record.seq, record.time.0)),
        installation: around.installation.to_string(),
        record: record.seq,
        time: record.time.to_string(),
        event: event.as_str(),
        severity,
        summary: super::words::summary(record, event, planned.as_ref()),
        application: record.application.clone(),
        labels: known.labels,
        target: known.target,
        revision: record.revision.clone(),
        plan: record.plan,
        sync: record.sync.clone(),
        actor: record.actor.clone(),
        outcome,
        code,
        message: message.map(|text| shortened(text, LONGEST)),
        findings: findings.iter().take(MOST).map(finding).collect(),
        approvable: waits == Some(Waits::Approval),
        until: waits.and_then(|waits| if let Waits::Until(time) = waits { Some(time.to_string()) } else { None }),
    })
}

/// Returns the id by which a receiver knows what it was told already: another one for each sink, and for each `what`. Keyed, and
/// over the record's time too, so that a store that was restored from a backup gives no id again to another record.
pub(super) fn id(around: &Surroundings, sink: &Name, what: &str) -> String {
    let digest = around.store.key().digest("trueup/notification/v1", format!("{sink}\0{what}").as_bytes()).to_string();
    format!("msg_{}", &digest[..32])
}

/// Returns text of at most so many bytes.
pub(super) fn shortened(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest - '…'.len_utf8()));
        text.push('…');
    }
    text
}

/// Returns the plan that a record closes: the last that was recorded before it, where that is the same.
pub(crate) async fn planned(store: &Store, record: &Record) -> Result<Option<PlannedBody>, StoreError> {
    let (Some(plan), Some(application), Kind::Closed) = (record.plan, &record.application, record.kind) else {
        return Ok(None);
    };
    let filter = Filter {
        application: Some(application.clone()),
        kinds: vec![Kind::Planned],
        before: Some(record.seq),
        newest_first: true,
        limit: 1,
        ..Filter::default()
    };
    // One that is damaged is left out: what it closes is told all the same.
    let found = audit::each(store, &filter).await?.pop().and_then(|(_, found)| found.ok());
    Ok(match found.filter(|found| found.plan == Some(plan)).and_then(|found| found.body) {
        Some(Body::Planned(planned)) => Some(planned),
        _ => None,
    })
}

fn reason(record: &Record) -> (Option<Outcome>, Option<String>, Option<String>) {
    match &record.body {
        Some(Body::Closed(closed)) => (Some(closed.outcome), closed.code.clone(), closed.message.clone()),
        Some(Body::Observed(observed)) => {
            let named = observed.objects.iter().take(MOST).map(|object| format!("\n{object}"));
            let more = observed.objects.len().saturating_sub(MOST);
            let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
            (None, None, Some(named.fold(observed.message.clone(), |text, line| text + &line) + &more))
        }
        Some(Body::Act(body)) => (None, None, body.reason.clone()),
        Some(Body::BreakGlass(body)) => (None, None, body.opening.as_ref().map(|opening| opening.reason.clone())),
        Some(Body::Revert(body)) => (None, body.code.clone(), Some(body.said())),
        Some(Body::Trail(body)) => (None, None, body.reason().map(str::to_owned)),
        _ => (None, None, None),
    }
}

fn finding(finding: &Finding) -> NoticeFinding {
    NoticeFinding {
        code: finding.guard.code().into(),
        message: finding.said(),
        objects: finding.objects.iter().take(MOST).map(ToString::to_string).collect(),
        more: finding.objects.len().saturating_sub(MOST),
        passed: finding.passed,
    }
}
