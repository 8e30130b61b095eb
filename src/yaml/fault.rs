//! What the parser refuses → [`Mistake`].

use std::sync::Arc;

use serde_yaml::budget::BudgetBreach;
use serde_yaml::{Error, Location};

use super::text::quoted;
use super::{MAX_DEPTH, meter, read};
use crate::model::{Mistake, Place};

const REPEAT: &str = "write what differs, or split the file";

pub(super) fn mistake(file: &Arc<str>, error: &Error) -> Mistake {
    let error = unwrapped(error);
    let (line, column) = read::place(error.location().unwrap_or(Location::UNKNOWN));
    let mut place = Place { file: Arc::clone(file), line, column };
    if let Some(stop) = meter::take_stop() {
        if line == 0 {
            (place.line, place.column) = stop.last;
        }
        return super::mistake(stop.code, place, stop.message, stop.hint.map(str::to_owned));
    }
    let (code, message, hint) = words(error);
    super::mistake(code, place, message, hint.map(str::to_owned))
}

/// The parser wraps an error found while an alias is resolved; the inner one is what is wrong.
fn unwrapped(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => unwrapped(error),
        error => error,
    }
}

fn words(error: &Error) -> (&'static str, String, Option<&'static str>) {
    match error {
        Error::Budget { breach, .. } => breached(breach),
        Error::DuplicateMappingKey { key, .. } => {
            ("yaml.duplicate-key", twice(key.as_deref()), Some("keep one of the two"))
        }
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            ("yaml.alias-budget", "aliases repeat more than one file may hold".into(), Some(REPEAT))
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("yaml.alias-cycle", "an alias stands inside what it names".into(), None)
        }
        Error::UnknownAnchor { .. } => ("yaml.anchor", "the alias names no anchor above it".into(), None),
        Error::UnsupportedTag { tag, .. } => {
            ("yaml.tag", format!("the tag {} is not known", quoted(tag)), Some("remove the tag, or quote the text"))
        }
        Error::TaggedScalarCannotDeserializeIntoString { .. } => {
            ("yaml.tag", "the tag does not fit the value".into(), Some("remove the tag"))
        }
        Error::InvalidBinaryBase64 { .. } | Error::BinaryNotUtf8 { .. } => {
            ("yaml.tag", "expected base64 of UTF-8 text under the tag !!binary".into(), None)
        }
        Error::NonFiniteFloat { value, .. } => {
            ("yaml.number", format!("{} is not a finite number", quoted(value)), Some("quote it to make it text"))
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            ("yaml.merge", "expected a mapping, or a list of mappings, under the merge key <<".into(), None)
        }
        other => syntax(other),
    }
}

fn twice(key: Option<&str>) -> String {
    match key {
        Some(key) => format!("the key {} occurs twice in one mapping", quoted(key)),
        None => "a key occurs twice in one mapping".into(),
    }
}

fn breached(breach: &BudgetBreach) -> (&'static str, String, Option<&'static str>) {
    match breach {
        BudgetBreach::Depth { .. } => ("yaml.depth", format!("nested more than {MAX_DEPTH} levels deep"), None),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::MergeKeys { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => {
            ("yaml.alias-budget", "more anchors and aliases than one file may hold".into(), Some(REPEAT))
        }
        BudgetBreach::SequenceUnbalanced => ("yaml.syntax", "a list or mapping is not closed".into(), None),
        _ => ("yaml.too-large", "more values, text or documents than one file may hold".into(), Some("split the file")),
    }
}

/// The parser's words, on one line and without its own prefix of the place.
fn syntax(error: &Error) -> (&'static str, String, Option<&'static str>) {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    if text.contains("nesting") || text.contains("recursion limit") {
        return ("yaml.depth", format!("nested more than {MAX_DEPTH} levels deep"), None);
    }
    let hint = text.contains("tab").then_some("indent with spaces");
    ("yaml.syntax", super::text::escaped(text), hint)
}
