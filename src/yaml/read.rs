//! Events → [`Node`]: keeps where each key and value begins.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::key::KeyText;
use super::meter::{self, stop};
use super::{Key, Node, Profile, Value};

/// A node on its way in.
pub(super) struct Read(pub Node);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Raw>::deserialize(deserializer)?;
        let (line, column) = place(spanned.defined);
        meter::passed((line, column));
        Ok(Self(Node { value: spanned.value.0, line, column }))
    }
}

pub(super) fn place(location: serde_yaml::Location) -> (u32, u32) {
    let saturated = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    (saturated(location.line()), saturated(location.column()))
}

struct Raw(Value);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor).map(Self)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::Integer(integer.into()))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
        Ok(Value::Integer(integer.into()))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<Value, E> {
        number(float)
    }

    fn visit_str<E: Error>(self, string: &str) -> Result<Value, E> {
        meter::text(string.len())?;
        Ok(Value::String(string.to_owned()))
    }

    fn visit_string<E: Error>(self, string: String) -> Result<Value, E> {
        meter::text(string.len())?;
        Ok(Value::String(string))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Read(node)) = access.next_element()? {
            items.push(node);
        }
        Ok(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        mapping(access)
    }
}

/// Two keys may be told apart by the parser and be one here: `1` and `"1"`.
fn mapping<'de, A: MapAccess<'de>>(mut access: A) -> Result<Value, A::Error> {
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    while let Some(key) = access.next_key::<Spanned<KeyText>>()? {
        let (line, column) = place(key.defined);
        let text = key.value.0;
        meter::passed((line, column));
        meter::text(text.len())?;
        if !seen.insert(text.clone()) {
            let message = format!("the key {} occurs twice in one mapping", super::quoted(&text));
            return Err(stop("yaml.duplicate-key", message, Some("the parser tells them apart, a cluster does not")));
        }
        let Read(node) = access.next_value()?;
        entries.push((Key { text, line, column }, node));
    }
    Ok(Value::Mapping(entries))
}

/// A cluster has one kind of number: `1.0` is 1 where its field is an integer.
fn number<E: Error>(float: f64) -> Result<Value, E> {
    if !float.is_finite() {
        let message = "a number that is not finite".to_owned();
        return Err(stop("yaml.number", message, Some("quote it to make it text")));
    }
    // Up to 2^53 every whole number has exactly one float.
    let whole = float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
    if meter::profile() == Profile::Manifest && whole {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53, as just seen")]
        return Ok(Value::Integer(i128::from(float as i64)));
    }
    Ok(Value::Float(float))
}
