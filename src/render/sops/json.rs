//! JSON objects, and any other bytes as the one value `data` of such an object.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::fault::Fault;
use super::identity::Keyring;
use super::metadata::Metadata;
use super::open::{Opened, Opener};
use super::path::Path;
use super::rules::Rules;
use super::value::{Plain, bool_bytes, not_text};

const METADATA: &str = "sops";
const DATA: &str = "data";

/// Returns the object, where this is one with metadata.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(bytes).ok()? {
        Value::Object(object) if object.get(METADATA).is_some_and(Value::is_object) => Some(object),
        _ => None,
    }
}

/// Returns whether this is how SOPS writes what is no structure.
pub(super) fn is_binary(object: &Map<String, Value>) -> bool {
    object.len() == 2 && object.get(DATA).is_some_and(Value::is_string)
}

pub(super) fn metadata(object: &Map<String, Value>) -> Result<Metadata, Fault> {
    Metadata::read(object.get(METADATA).cloned().unwrap_or_default())
}

/// Opens the one value of a binary file.
pub(super) fn open_binary(
    object: &Map<String, Value>,
    metadata: &Metadata,
    keyring: &dyn Keyring,
) -> Result<Opened, Fault> {
    let rules = Rules::new(metadata)?;
    let mut opener = Opener::new(metadata, keyring)?;
    let mut path = Path::new(&rules);
    path.enter(DATA)?;
    let text = object.get(DATA).and_then(Value::as_str).unwrap_or_default();
    let content = match opener.text(&path, text)? {
        None => text.as_bytes().to_vec(),
        Some(Plain::Text(bytes)) => bytes,
        Some(_) => return Err(Fault::invalid("its one value is of another type than text")),
    };
    opener.finish(metadata, content)
}

/// Opens every value, and writes the object as SOPS does: indented as `bytes` are.
pub(super) fn open(
    bytes: &[u8],
    mut object: Map<String, Value>,
    metadata: &Metadata,
    keyring: &dyn Keyring,
) -> Result<Opened, Fault> {
    let rules = Rules::new(metadata)?;
    let mut opener = Opener::new(metadata, keyring)?;
    object.shift_remove(METADATA);
    let mut root = Value::Object(object);
    walk(&mut root, &mut Path::new(&rules), &mut opener)?;
    let mut out = String::with_capacity(bytes.len());
    write(&mut out, &root, indent(bytes), 0);
    out.push('\n');
    opener.finish(metadata, out.into_bytes())
}

fn walk(value: &mut Value, path: &mut Path<'_>, opener: &mut Opener) -> Result<(), Fault> {
    match value {
        Value::Null => {}
        Value::Bool(bool) => opener.other(path, bool_bytes(*bool))?,
        Value::Number(number) => {
            let bytes = match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => int.to_string(),
                (None, float) => float.unwrap_or_default().to_string(),
            };
            opener.other(path, bytes.as_bytes())?;
        }
        Value::String(text) => {
            if let Some(plain) = opener.text(path, text)? {
                *value = json(&plain).ok_or_else(|| not_text(&path.shown()))?;
            }
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(item, path, opener))?,
        Value::Object(fields) => {
            for (key, item) in fields {
                path.enter(key)?;
                walk(item, path, opener)?;
                path.leave();
            }
        }
    }
    Ok(())
}

fn json(plain: &Plain) -> Option<Value> {
    Some(match plain {
        Plain::Int(int) => (*int).into(),
        Plain::Float(float) => (*float).into(),
        Plain::Bool(bool) => (*bool).into(),
        Plain::Text(_) | Plain::Time(_) => plain.text()?.into(),
        // A list of YAML that was written as JSON: where its comment stood, nothing can stand.
        Plain::Comment(_) => return None,
    })
}

/// Returns what the file indents with: a tab, unless it was configured otherwise.
fn indent(bytes: &[u8]) -> &str {
    let second = bytes.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
    let blank = second.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    std::str::from_utf8(&second[..blank]).unwrap_or("\t")
}

/// Writes as Go's `encoding/json` does, which SOPS uses.
fn write(out: &mut String, value: &Value, indent: &str, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str(indent));
    };
    match value {
        Value::String(text) => string(out, text),
        Value::Number(number) => self::number(out, number),
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                line(out, depth + 1);
                write(out, item, indent, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push('{');
            for (at, (key, item)) in fields.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                line(out, depth + 1);
                string(out, key);
                out.push_str(": ");
                write(out, item, indent, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        // `null`, booleans, and what is empty.
        other => out.push_str(&other.to_string()),
    }
}

/// Go escapes what HTML or JavaScript would take for something else.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
}

/// Go writes a float with an exponent only below 1e-6 and from 1e21, and then with two digits at least for a large one.
fn number(out: &mut String, number: &serde_json::Number) {
    let (None, Some(float)) = (number.as_i64(), number.as_f64()) else { return out.push_str(&number.to_string()) };
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        out.push_str(&if text.contains("e-") { text } else { text.replace('e', "e+") });
    } else {
        out.push_str(&float.to_string());
    }
}
