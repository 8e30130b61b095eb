use std::fmt::Write;

use serde_json::Value;

use super::paint::{BOLD, GREEN, RED, paint};
use super::printable;
use crate::model::Time;

/// The kinds that tell what became of an application; the others are the steps on the way.
const TOLD: [&str; 5] = ["closed", "act", "observed", "resumed", "quiet"];

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
    parts.extend(["outcome", "act", "code", "reason", "message"].iter().filter_map(|key| filled(word(body, key))));
    parts.extend(["decision"].iter().filter_map(|key| filled(word(body.get("verdict")?, key))));
    parts.extend(steps(body));
    parts.extend(shortened("at", record, "revision", 10));
    parts.extend(shortened("plan", record, "plan", 12));
    parts.extend(actor(record));
    parts.join("  ").trim_end().to_owned()
}

/// Returns a sentence for each thing that is wrong with the trail, and one that sums it up.
#[must_use]
pub fn verified(report: &Value) -> String {
    let size = report.get("size").and_then(Value::as_u64).unwrap_or_default();
    let problems = problems(report);
    let root = word(report, "root");
    if problems.is_empty() {
        return format!("{}: {size} records, none changed, none missing\n  root {root}\n", paint(GREEN, "intact"));
    }
    let mut text = String::new();
    for problem in problems {
        let what = word(problem, "what");
        let place = sequence(problem).map_or_else(String::new, |sequence| format!("record {sequence}: "));
        let _ = writeln!(text, "{place}{what}");
    }
    text + &format!("{}: {} in {size} records\n", paint(RED, "damaged"), counted(problems.len()))
}

/// Whether a report of the trail names no problem.
#[must_use]
pub fn is_intact(report: &Value) -> bool {
    report.get("problems").is_some_and(Value::is_array) && problems(report).is_empty()
}

fn problems(report: &Value) -> &[Value] {
    report.get("problems").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn counted(problems: usize) -> String {
    if problems == 1 { "1 problem".into() } else { format!("{problems} problems") }
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
