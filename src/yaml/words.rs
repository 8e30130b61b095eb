//! What a schema asks for and what stands there, in words.

use serde_json::Value as Schema;

use super::text::{nearest, quoted};
use super::{Node, Value, pattern};

pub(super) fn list<'s>(schema: &'s Schema, name: &str) -> impl Iterator<Item = &'s Schema> {
    schema.get(name).and_then(Schema::as_array).into_iter().flatten()
}

pub(super) fn by_pattern<'s>(schema: &'s Schema, key: &str) -> Option<&'s Schema> {
    let patterns = schema.get("patternProperties")?.as_object()?;
    patterns.iter().find(|(wanted, _)| pattern::matches(wanted, key) == Some(true)).map(|(_, schema)| schema)
}

/// Returns the words of an enumeration of text.
pub(super) fn words_of(schema: &Schema) -> Option<Vec<&str>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(word), _) => word.as_str().map(|word| vec![word]),
        (_, Some(Schema::Array(words))) => words.iter().map(Schema::as_str).collect(),
        _ => None,
    }
}

fn types(schema: &Schema) -> Vec<&str> {
    match schema.get("type") {
        Some(Schema::String(one)) => vec![one],
        Some(Schema::Array(several)) => several.iter().filter_map(Schema::as_str).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn wants(schema: &Schema, name: &str) -> bool {
    types(schema).contains(&name)
}

pub(super) fn only_null(schema: &Schema) -> bool {
    types(schema) == ["null"]
}

pub(super) fn fits(schema: &Schema, node: &Node) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| match (*name, &node.value) {
            ("null", Value::Null)
            | ("boolean", Value::Bool(_))
            | ("integer" | "number", Value::Integer(_))
            | ("number", Value::Float(_))
            | ("string", Value::String(_))
            | ("array", Value::Sequence(_))
            | ("object", Value::Mapping(_)) => true,
            ("integer", Value::Float(float)) => float.fract() == 0.0,
            _ => false,
        })
}

/// Returns false where a field with one allowed word (the tag of a choice) holds another word.
pub(super) fn tag_fits(schema: &Schema, node: &Node) -> bool {
    let Some(fields) = schema.get("properties").and_then(Schema::as_object) else { return true };
    fields
        .iter()
        .filter_map(|(name, field)| Some((name, field.get("const")?.as_str()?)))
        .all(|(name, word)| node.get(name).is_none_or(|value| value.as_str() == Some(word)))
}

/// Returns the first sentence of what the schema says of a field.
pub(super) fn description(schema: &Schema) -> Option<String> {
    let text = schema.get("description")?.as_str()?.replace('\n', " ");
    let first = text.split_once(". ").map_or(text.as_str(), |(first, _)| first);
    Some(first.trim_end_matches('.').to_owned())
}

pub(super) fn expected(schema: &Schema) -> String {
    let word = |name: &&str| match *name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        _ => "nothing",
    };
    let words: Vec<_> = types(schema).iter().filter(|name| **name != "null").map(word).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" or ") }
}

pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(bool) => format!("the boolean {bool}"),
        Value::Integer(integer) => format!("the number {integer}"),
        Value::Float(float) => format!("the number {float}"),
        Value::String(text) => quoted(text),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
    }
}

pub(super) fn either(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

pub(super) fn nearest_bool(text: &str) -> Option<String> {
    let word = match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "1" => "true",
        "no" | "off" | "n" | "0" => "false",
        other => nearest(other, ["true", "false"])?,
    };
    Some(format!("did you mean {word}, without quotes?"))
}
