//! Scalars → the text of keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Profile;
use super::meter::{self, stop};

/// A key on its way in.
pub(super) struct KeyText(pub String);

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor).map(Self)
    }
}

struct KeyVisitor;

impl KeyVisitor {
    /// `sigs.k8s.io/yaml` turns numbers and booleans into text; in our own documents no key is meant to be either.
    fn scalar<E: Error>(text: String) -> Result<String, E> {
        match meter::profile() {
            Profile::Manifest => Ok(text),
            Profile::Config => Err(Self::refuse(&text)),
        }
    }

    fn refuse<E: Error>(what: &str) -> E {
        stop("yaml.key", format!("expected text as the key, found {what}"), Some("quote the key"))
    }
}

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("text as the key")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<String, E> {
        Self::scalar(bool.to_string())
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<String, E> {
        Self::scalar(integer.to_string())
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<String, E> {
        Self::scalar(integer.to_string())
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<String, E> {
        Self::scalar(float.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Err(Self::refuse("nothing"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(Self::refuse("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(Self::refuse("a mapping"))
    }
}
