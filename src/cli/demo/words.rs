//! JSON and times in the words of the story.

use std::time::Duration;

use serde_json::Value;

pub(super) fn sequence(record: &Value) -> u64 {
    record["seq"].as_u64().unwrap_or_default()
}

pub(super) fn short(value: &Value) -> &str {
    let text = value.as_str().unwrap_or_default();
    text.get(..12).unwrap_or(text)
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

pub(super) fn told(length: Duration) -> String {
    if length < Duration::from_secs(1) {
        format!("{} ms", length.as_millis())
    } else {
        format!("{:.1} s", length.as_secs_f64())
    }
}
