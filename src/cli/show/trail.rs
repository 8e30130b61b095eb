use std::fmt::Write;

use serde_json::Value;

use super::paint::{BOLD, GREEN, RED, paint};
use super::printable;
use crate::audit::{Proof, Proven, Report};
use crate::model::Time;

/// The kinds that tell what became of an application; the others are the steps on the way.
const TOLD: [&str; 7] = ["closed", "act", "break-glass", "observed", "revert", "resumed", "quiet"];

/// Whether a record belongs into the history of an application.
#[must_use]
pub fn is_told(record: &Value) -> bool {
    TOLD.contains(&word(record, "kind").as_str())
}

/// Returns one line for each record.
#[must_use]
pub fn records(records: &[Value]) -> String {
    records.iter().map(|record| line(record) + "\n").collect()
}

/// Returns one record whole.
#[must_use]
pub fn record(record: &Value) -> String {
    let mut text = format!("{}\n", paint(BOLD, line(record)));
    for (name, value) in record.as_object().into_iter().flatten() {
        if name != "body" && !value.is_null() {
            let _ = writeln!(text, "  {name:<12}{}", plain(name, value));
        }
    }
    if let Some(body) = record.get("body") {
        let pretty = serde_json::to_string_pretty(body).unwrap_or_default();
        for line in pretty.lines() {
            let _ = writeln!(text, "  {}", printable(line));
        }
    }
    text
}

fn line(record: &Value) -> String {
    let mut parts = vec![
        format!("{:>6}", sequence(record).unwrap_or_default()),
        time(record),
        format!("{:9}", word(record, "kind")),
    ];
    parts.extend(filled(word(record, "application")));
    let body = record.get("body").unwrap_or(&Value::Null);
    let said = ["event", "what", "branch", "id", "outcome", "act", "code", "reason", "message"];
    parts.extend(said.iter().filter_map(|key| filled(word(body, key))));
    parts.extend(body.get("opening").and_then(|opening| filled(word(opening, "reason"))));
    parts.extend(["decision"].iter().filter_map(|key| filled(word(body.get("verdict")?, key))));
    parts.extend(steps(body));
    parts.extend(shortened("at", record, "revision", 10));
    parts.extend(shortened("plan", record, "plan", 12));
    parts.extend(actor(record));
    parts.join("  ").trim_end().to_owned()
}

/// Returns a sentence for each thing that is wrong with the trail, and what it was held against.
#[must_use]
pub fn verified(report: &Report) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let what = printable(&problem.what);
        let place = problem.seq.map_or_else(String::new, |sequence| format!("record {sequence}: "));
        let _ = writeln!(text, "{place}{what}");
    }
    if report.omitted > 0 {
        let _ = writeln!(text, "and {} more", report.omitted);
    }
    let records = match report.begin {
        0 => format!("{} records", report.size),
        begin => format!("records {} to {}", begin + 1, report.size),
    };
    let problems = report.problems.len() as u64 + report.omitted;
    let _ = match problems {
        0 => writeln!(text, "{}: {records}, none changed, none missing", paint(GREEN, "intact")),
        1 => writeln!(text, "{}: 1 problem in {records}", paint(RED, "damaged")),
        many => writeln!(text, "{}: {many} problems in {records}", paint(RED, "damaged")),
    };
    let _ = writeln!(text, "  root {}", report.root);
    let erased = report.erased.len() as u64;
    for (count, what) in [(erased, "payloads are erased"), (report.archived, "records lie in the archive")] {
        if count > 0 {
            let _ = writeln!(text, "  {count} {what}");
        }
    }
    for held in &report.checkpoints {
        let word = if held.holds { paint(GREEN, "holds") } else { paint(RED, "does not hold") };
        let _ = writeln!(text, "  checkpoint of {} records: {word} ({})", held.size, printable(&held.place));
    }
    let _ = writeln!(text, "  covered by a signed checkpoint: {} records", report.covered);
    trusted(&mut text, &report.keys, report.vouched);
    text
}

/// Returns one line for each file that records were moved into.
#[must_use]
pub fn moved(segments: &Value) -> String {
    let all = segments.as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        return "nothing is old enough, and covered by a published checkpoint\n".into();
    }
    let number = |segment: &Value, key: &str| segment.get(key).and_then(Value::as_u64).unwrap_or_default();
    let line = |one: &Value| format!("{} to {}  {}\n", number(one, "first"), number(one, "last"), word(one, "file"));
    all.iter().map(line).collect()
}

/// Says what a proof proves.
#[must_use]
pub fn proven(proof: &Proof, proven: &Proven) -> String {
    let mut text = match proof {
        Proof::Inclusion { record, .. } => format!(
            "{}: record {} is among the {} records of {}\n  {}\n",
            paint(GREEN, "proven"),
            proven.subject,
            proven.size,
            printable(&proven.origin),
            printable(&record.bytes)
        ),
        Proof::Growth { .. } => format!(
            "{}: the first {} of the {} records of {} are those of the old checkpoint\n",
            paint(GREEN, "proven"),
            proven.subject,
            proven.size,
            printable(&proven.origin)
        ),
    };
    let _ = writeln!(text, "  root {}", proven.root);
    trusted(&mut text, &proven.keys.iter().map(ToString::to_string).collect::<Vec<_>>(), proven.vouched);
    text
}

fn trusted(text: &mut String, keys: &[String], vouched: bool) {
    let by = if vouched { "as given" } else { "as the trail itself says: keep it elsewhere, and give it with --key" };
    for key in keys {
        let _ = writeln!(text, "  key {} ({by})", printable(key));
    }
}

/// Returns the number of a record.
#[must_use]
pub fn sequence(record: &Value) -> Option<u64> {
    record.get("seq").and_then(Value::as_u64)
}

fn time(record: &Value) -> String {
    record.get("time").and_then(Value::as_i64).map_or_else(String::new, |time| Time(time).to_string())
}

/// Says who did it, or what rang where it was the daemon by itself.
fn actor(record: &Value) -> Option<String> {
    let actor = record.get("actor")?;
    let name = filled(word(actor, "display")).or_else(|| filled(word(actor, "subject")))?;
    Some(if word(actor, "kind") == "daemon" { format!("on {name}") } else { format!("by {name}") })
}

/// Says how many steps a record tells of, and what became of those that did not go well.
fn steps(body: &Value) -> Option<String> {
    let all = body.get("steps").or_else(|| body.get("outcomes"))?.as_array()?;
    let failed = all.iter().filter(|step| step.get("result").is_some_and(|result| result == "failed")).count();
    let count = if all.len() == 1 { "1 step".to_owned() } else { format!("{} steps", all.len()) };
    Some(if failed == 0 { count } else { format!("{count}, {failed} failed") })
}

fn plain(name: &str, value: &Value) -> String {
    match (name, value) {
        ("time", Value::Number(_)) => value.as_i64().map_or_else(String::new, |time| Time(time).to_string()),
        (_, Value::String(text)) => printable(text).into_owned(),
        (_, value) => printable(&value.to_string()).into_owned(),
    }
}

fn shortened(prefix: &str, record: &Value, key: &str, digits: usize) -> Option<String> {
    let text = filled(word(record, key))?;
    Some(format!("{prefix} {}", text.chars().take(digits).collect::<String>()))
}

/// Returns a text of a record, safe to show; empty where there is none.
fn word(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).map(|text| printable(text).into_owned()).unwrap_or_default()
}

fn filled(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}
