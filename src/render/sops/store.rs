//! Which format an encrypted file has. SOPS goes by the name; where that says nothing, the content does.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::identity::Keyring;
use super::metadata::Metadata;
use super::open::Opened;
use super::value::PREFIX;
use super::{dotenv, ini, json, yaml};
use crate::model::Mistake;
use crate::yaml::Node;

/// An encrypted file, read but not opened.
pub(in crate::render) struct Sealed<'t> {
    metadata: Metadata,
    form: Form<'t>,
}

enum Form<'t> {
    Yaml(&'t str, Vec<Node>),
    Json(&'t [u8], Map<String, Value>),
    Binary(Map<String, Value>),
    Dotenv(&'t str),
    Ini(&'t str),
}

/// Why what looks encrypted cannot even be read.
pub(in crate::render) enum Unreadable {
    Fault(Fault),
    Yaml(Vec<Mistake>),
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether a file may hold encrypted values: no file of SOPS is without one, for the MAC is one.
pub(in crate::render) fn looks_sealed(bytes: &[u8]) -> bool {
    find(bytes, PREFIX.as_bytes()).is_some()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(next) = bytes.get(at..)?.iter().position(|byte| *byte == wanted[0]) {
        at += next;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Reads a file that may be encrypted; `None` where it is not.
///
/// # Errors
/// Where it holds values in the form of SOPS, and its metadata is gone or makes no sense.
pub(in crate::render) fn sealed<'t>(name: &str, bytes: &'t [u8]) -> Result<Option<Sealed<'t>>, Unreadable> {
    if !looks_sealed(bytes) {
        return Ok(None);
    }
    if let Some(object) = json::object(bytes) {
        let metadata = json::metadata(&object)?;
        let structured =
            std::path::Path::new(name).extension().is_some_and(|end| end == "json") || !json::is_binary(&object);
        let form = if structured { Form::Json(bytes, object) } else { Form::Binary(object) };
        return Ok(Some(Sealed { metadata, form }));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
    if let Some(metadata) = ini::metadata(text) {
        return Ok(Some(Sealed { metadata: metadata?, form: Form::Ini(text) }));
    }
    if let Some(metadata) = dotenv::metadata(text) {
        return Ok(Some(Sealed { metadata: metadata?, form: Form::Dotenv(text) }));
    }
    if text.lines().any(|line| line.starts_with("sops:")) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(nodes) = yaml::read(name, text.as_bytes()).map_err(Unreadable::Yaml)? {
            return Ok(Some(Sealed { metadata: yaml::metadata(&nodes)?, form: Form::Yaml(text, nodes) }));
        }
    }
    if has_value(text) {
        let message = "it holds values that SOPS encrypted, and no metadata that would open them";
        let hint = "the file may be truncated: bring it back as `sops encrypt` wrote it";
        return Err(Fault::encrypted(message, hint).into());
    }
    Ok(None)
}

/// Returns whether a whole encrypted value stands in text: one that only speaks of such values has none.
fn has_value(text: &str) -> bool {
    let whole =
        |value: &str| value.split_once(']').is_some_and(|(value, _)| value.contains(",iv:") && value.contains(",tag:"));
    text.match_indices(PREFIX).any(|(at, _)| whole(&text[at..]))
}

impl Sealed<'_> {
    /// Opens it.
    ///
    /// # Errors
    /// When no key at hand opens it, or it was changed since.
    pub(in crate::render) fn open(self, keyring: &dyn Keyring) -> Result<Opened, Fault> {
        match self.form {
            Form::Yaml(text, nodes) => yaml::open(text, &nodes, &self.metadata, keyring),
            Form::Json(bytes, object) => json::open(bytes, object, &self.metadata, keyring),
            Form::Binary(object) => json::open_binary(&object, &self.metadata, keyring),
            Form::Dotenv(text) => dotenv::open(text, &self.metadata, keyring),
            Form::Ini(text) => ini::open(text, &self.metadata, keyring),
        }
    }
}
