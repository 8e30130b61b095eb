//! The documents of a layer: `apiVersion: host.trueup.dev/v1alpha1`, each one object.

mod build;
mod command;
mod reference;
mod schema;
mod unit;

use std::sync::Arc;

use crate::model::{Mistake, ObjectId, Place};
use crate::source::Entry;
use crate::yaml::{self, Node, Profile, Value, nearest, quoted};

use super::RenderError;
use super::error::{ENCRYPTED, Mistakes};
use super::files::{Files, whole};
use super::merge::{Declared, Objects};
use super::{Keys, secret, sops};

const API_VERSION: &str = "host.trueup.dev/v1alpha1";
const KINDS: [&str; 5] = ["File", "Directory", "Symlink", "Check", "Unit"];
const NOT_A_DOCUMENT: &str = "YAML that is no document of trueup belongs below a folder `files/`";

/// One document, and what it takes to render it.
struct Document<'a> {
    files: &'a Files<'a>,
    layer: &'a str,
    /// Path in the repository.
    file: Arc<str>,
    node: &'a Node,
    /// Its content was encrypted.
    secret: bool,
}

/// Renders every document of the file at `path` of the repository, whose content is `entry`.
pub(super) fn read(
    files: &Files<'_>,
    layer: &str,
    (path, entry): (&str, &Entry),
    (objects, mistakes): (&mut Objects, &mut Mistakes),
) -> Result<(), RenderError> {
    let text = files.read(entry)?;
    let nodes = match yaml::parse(path, &text, Profile::Config) {
        Ok(nodes) => nodes,
        Err(found) => {
            mistakes.extend(found);
            return Ok(());
        }
    };
    let file: Arc<str> = path.into();
    let Some(opened) = open(files, path, nodes, mistakes) else { return Ok(()) };
    for sops::Document { node, secret } in opened.iter().filter(|opened| opened.node.value != Value::Null) {
        let document = Document { files, layer, file: file.clone(), node, secret: *secret };
        if let Some((id, declared)) = document.render(mistakes)? {
            objects.declare(id, declared, mistakes);
        }
    }
    Ok(())
}

/// Opens the documents of a file that is encrypted as a whole.
fn open(files: &Files<'_>, path: &str, nodes: Vec<Node>, mistakes: &mut Mistakes) -> Option<Vec<sops::Document>> {
    if !nodes.iter().any(sops::is_sealed) {
        return Some(nodes.into_iter().map(|node| sops::Document { node, secret: false }).collect());
    }
    let Keys::Open { keyring, learn, .. } = files.keys() else {
        return Some(nodes.into_iter().map(sops::Document::closed).collect());
    };
    match sops::documents(nodes, keyring) {
        Ok((opened, values)) => {
            learn(values);
            Some(opened)
        }
        Err(fault) => {
            secret::refuse(path, &whole(path), fault, mistakes);
            None
        }
    }
}

impl Document<'_> {
    /// Renders the document, or adds every mistake in it.
    fn render(&self, mistakes: &mut Mistakes) -> Result<Option<(ObjectId, Declared)>, RenderError> {
        if self.encrypted() {
            let message = "this document is encrypted, and has no SOPS metadata that would open it".into();
            let hint = Some("bring it back as `sops encrypt --encrypted-regex '^content$'` wrote it".into());
            mistakes.push(Mistake { code: ENCRYPTED.into(), place: self.place(), message, hint });
            return Ok(None);
        }
        let Some(kind) = self.kind(mistakes) else { return Ok(None) };
        let envelope = self.decode::<schema::Envelope>(self.node, mistakes);
        let object = self.object(kind, mistakes)?;
        let id = envelope.and_then(|envelope| self.id(kind, &envelope.metadata.name, mistakes));
        Ok(id.zip(object))
    }

    /// Returns whether what should be readable is encrypted: its kind, or content that no metadata opened.
    fn encrypted(&self) -> bool {
        let sealed =
            |part: Option<&Node>| part.and_then(Node::as_str).is_some_and(|text| text.starts_with("ENC[AES256_GCM,"));
        sealed(self.node.get("kind")) || !self.secret && sealed(self.node.at("/spec/content"))
    }

    /// Returns the kind, where this is a document of ours.
    fn kind(&self, mistakes: &mut Mistakes) -> Option<&'static str> {
        if !matches!(self.node.value, Value::Mapping(_)) {
            let message = "expected a document: a mapping with apiVersion, kind, metadata and spec";
            mistakes.add(&self.place(), message, Some(NOT_A_DOCUMENT));
            return None;
        }
        let version = self.node.get("apiVersion");
        let given = version.and_then(Node::as_str).unwrap_or_default();
        if given != API_VERSION {
            let found = version.map_or_else(|| "none".into(), |_| quoted(given));
            let hint = if given.contains("trueup.dev") {
                format!("write `apiVersion: {API_VERSION}`")
            } else {
                NOT_A_DOCUMENT.into()
            };
            let message = format!("expected apiVersion {API_VERSION}, found {found}");
            mistakes.add(&self.place_of(version), &message, Some(&hint));
            return None;
        }
        let written = self.node.get("kind");
        let given = written.and_then(Node::as_str).unwrap_or_default();
        let known = KINDS.into_iter().find(|kind| *kind == given);
        if known.is_none() {
            self.unknown_kind(written, given, mistakes);
        }
        known
    }

    fn unknown_kind(&self, written: Option<&Node>, given: &str, mistakes: &mut Mistakes) {
        let place = self.place_of(written);
        let found = written.map_or_else(|| "none".into(), |_| quoted(given));
        let hint = nearest(given, KINDS).map(|kind| format!("did you mean '{kind}'?"));
        mistakes.add(&place, &format!("expected kind {}, found {found}", KINDS.join(", ")), hint.as_deref());
    }

    fn decode<T: serde::de::DeserializeOwned + schemars::JsonSchema>(
        &self,
        node: &Node,
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        match yaml::decode(&self.file, node) {
            Ok(decoded) => Some(decoded),
            Err(found) => {
                mistakes.extend(found.into_iter().map(|mistake| self.mode_in_quotes(mistake)).collect());
                None
            }
        }
    }

    /// A bare 0644 is the number 644 to YAML: the hint says how the mode that was meant is written.
    fn mode_in_quotes(&self, mistake: Mistake) -> Mistake {
        let number = match self.node.at("/spec/mode") {
            Some(mode) if mistake.code == "schema.type" && mode.place(&self.file) == mistake.place => {
                mode.to_json().as_f64()
            }
            _ => None,
        };
        let hint = number.map(|number| format!("put it in quotes: \"{number:04}\"")).or(mistake.hint);
        Mistake { hint, ..mistake }
    }

    fn place(&self) -> Place {
        self.node.place(&self.file)
    }

    /// Returns the place of a part of this document, of the document itself where it has no such part.
    fn place_of(&self, part: Option<&Node>) -> Place {
        part.unwrap_or(self.node).place(&self.file)
    }

    /// Returns the place of what a JSON pointer names.
    fn place_at(&self, pointer: &str) -> Place {
        self.place_of(self.node.at(pointer))
    }
}
