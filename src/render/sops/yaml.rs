//! YAML: the values of the file are replaced where they stand, so that its order and its comments stay; then what came out is
//! read back, and must say what was decrypted.

mod edit;

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use self::edit::{Comments, Edits, Under};
use super::fault::Fault;
use super::identity::Keyring;
use super::metadata::Metadata;
use super::open::{Opened, Opener};
use super::path::Path;
use super::rules::Rules;
use super::value::{Plain, bool_bytes, not_text};
use crate::model::Mistake;
use crate::yaml::{self, Node, Profile, Value};

pub(super) const METADATA: &str = "sops";

/// Reads text, where it is YAML whose first document has metadata.
pub(super) fn read(name: &str, text: &[u8]) -> Result<Option<Vec<Node>>, Vec<Mistake>> {
    let nodes = yaml::parse(name, text, Profile::Config)?;
    Ok(nodes.first().is_some_and(is_sealed).then_some(nodes))
}

/// Returns whether this is a document of an encrypted file.
pub(in crate::render) fn is_sealed(node: &Node) -> bool {
    node.get(METADATA).is_some_and(|sops| matches!(sops.value, Value::Mapping(_)))
}

pub(super) fn metadata(nodes: &[Node]) -> Result<Metadata, Fault> {
    let sops = nodes.first().and_then(|node| node.get(METADATA));
    Metadata::read(sops.map(Node::to_json).unwrap_or_default())
}

/// Opens every value of a file, and writes it as SOPS does.
pub(super) fn open(text: &str, nodes: &[Node], metadata: &Metadata, keyring: &dyn Keyring) -> Result<Opened, Fault> {
    let rules = Rules::new(metadata)?;
    let mut walk = Walk {
        opener: Opener::new(metadata, keyring)?,
        path: Path::new(&rules),
        edits: Edits::new(text, nodes)?,
        comments: Comments::of(text),
        said: Said::default(),
    };
    for node in nodes {
        walk.document(node)?;
    }
    walk.comments.rest(&mut walk.opener, &mut walk.edits);
    let out = walk.edits.apply();
    let mut again = Said::default();
    let read = yaml::parse("", out.as_bytes(), Profile::Config).map_err(|_| edit::form())?;
    for node in &read {
        again.node(node);
    }
    if again.0.finalize() != walk.said.0.finalize() {
        return Err(edit::form());
    }
    walk.opener.finish(metadata, out.into_bytes())
}

struct Walk<'a> {
    opener: Opener,
    path: Path<'a>,
    edits: Edits<'a>,
    comments: Comments<'a>,
    said: Said,
}

impl Walk<'_> {
    fn document(&mut self, node: &Node) -> Result<(), Fault> {
        let entries = node.entries();
        if entries.last().is_none_or(|(key, _)| key.text != METADATA) {
            return Err(Fault::invalid("a document of it has no SOPS metadata, or more behind it"));
        }
        self.mapping(&entries[..entries.len() - 1])?;
        let (key, _) = &entries[entries.len() - 1];
        self.edits.cut(key, entries.len() == 1)
    }

    fn mapping(&mut self, entries: &[(yaml::Key, Node)]) -> Result<(), Fault> {
        for (key, node) in entries {
            self.comments.before(key.line, self.path.aad(), &mut self.opener, &mut self.edits);
            let container = self.path.aad().to_owned();
            self.path.enter(&key.text)?;
            self.said.key(&key.text);
            self.value(node, Under::Key(key.column), &container)?;
            self.path.leave();
        }
        self.said.end();
        Ok(())
    }

    fn value(&mut self, node: &Node, under: Under, container: &str) -> Result<(), Fault> {
        match &node.value {
            Value::Null => {}
            Value::String(text) => match self.opener.text(&self.path, text)? {
                None => self.said.value(b's', text.as_bytes()),
                Some(plain) => {
                    self.said.plain(&plain);
                    let aads = [container, self.path.aad()];
                    self.edits
                        .replace(node, (text, &plain), under, |comment| self.opener.comment(comment, aads.into_iter()))
                        .map_err(|fault| fault.unwrap_or_else(|| not_text(&self.path.shown())))?;
                }
            },
            Value::Sequence(items) => {
                for item in items {
                    self.comments.before(item.line, self.path.aad(), &mut self.opener, &mut self.edits);
                    let aad = self.path.aad().to_owned();
                    self.value(item, Under::Item, &aad)?;
                }
            }
            Value::Mapping(entries) => self.mapping(entries)?,
            other => {
                let (sort, bytes) = scalar(other);
                self.opener.other(&self.path, &bytes)?;
                self.said.value(sort, &bytes);
            }
        }
        Ok(())
    }
}

/// Returns the sort of a value that is no text, and what the MAC is made over.
fn scalar(value: &Value) -> (u8, Vec<u8>) {
    match value {
        Value::Bool(bool) => (b'b', bool_bytes(*bool).to_vec()),
        Value::Integer(int) => (b'n', int.to_string().into_bytes()),
        Value::Float(float) => (b'n', float.to_string().into_bytes()),
        _ => (b'0', vec![]),
    }
}

/// What a file says, as a digest: two files that say the same have the same.
#[derive(Default)]
struct Said(Sha256);

impl Said {
    fn key(&mut self, key: &str) {
        self.value(b'k', key.as_bytes());
    }

    fn end(&mut self) {
        self.value(b'e', b"");
    }

    fn plain(&mut self, plain: &Plain) {
        let sort = match plain {
            Plain::Comment(_) => return,
            Plain::Text(_) | Plain::Time(_) => b's',
            Plain::Int(_) | Plain::Float(_) => b'n',
            Plain::Bool(_) => b'b',
        };
        self.value(sort, &plain.bytes());
    }

    fn value(&mut self, sort: u8, bytes: &[u8]) {
        self.0.update([sort]);
        self.0.update(bytes.len().to_le_bytes());
        self.0.update(bytes);
    }

    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Null => {}
            Value::String(text) => self.value(b's', text.as_bytes()),
            Value::Sequence(items) => items.iter().for_each(|item| self.node(item)),
            Value::Mapping(entries) => {
                for (key, node) in entries {
                    self.key(&key.text);
                    self.node(node);
                }
                self.end();
            }
            other => {
                let (sort, bytes) = scalar(other);
                self.value(sort, &bytes);
            }
        }
    }
}

/// One document of a host in the clear.
pub(in crate::render) struct Document {
    pub(in crate::render) node: Node,
    /// Its content was encrypted.
    pub(in crate::render) secret: bool,
}

impl Document {
    /// Returns a document that stays closed.
    pub(in crate::render) fn closed(mut node: Node) -> Self {
        let secret = without_metadata(&mut node);
        Self { node, secret }
    }
}

/// Takes the metadata off a document; returns whether it had any.
fn without_metadata(node: &mut Node) -> bool {
    let sealed = is_sealed(node);
    if let (true, Value::Mapping(entries)) = (sealed, &mut node.value) {
        entries.retain(|(key, _)| key.text != METADATA);
    }
    sealed
}

/// Opens the documents of a host. Only the content of a File may be encrypted: everything else stands in plans and records.
pub(in crate::render) fn documents(
    nodes: Vec<Node>,
    keyring: &dyn Keyring,
) -> Result<(Vec<Document>, BTreeSet<Vec<u8>>), Fault> {
    let metadata = metadata(&nodes)?;
    let rules = Rules::new(&metadata)?;
    let mut opener = Opener::new(&metadata, keyring)?;
    let mut path = Path::new(&rules);
    let mut documents = vec![];
    for mut node in nodes {
        without_metadata(&mut node);
        let mut secret = false;
        reveal(&mut node, &mut path, &mut opener, &mut secret)?;
        documents.push(Document { node, secret });
    }
    let values = opener.finish(&metadata, vec![])?.values;
    Ok((documents, values))
}

fn reveal(node: &mut Node, path: &mut Path<'_>, opener: &mut Opener, secret: &mut bool) -> Result<(), Fault> {
    match &mut node.value {
        Value::Null => {}
        Value::String(text) => {
            let Some(plain) = opener.text(path, text)? else { return Ok(()) };
            let (Plain::Text(_), "spec:content:") = (&plain, path.aad()) else {
                let hint = "encrypt it with `sops encrypt --encrypted-regex '^content$'`";
                let message = format!("only the text of `spec.content` may be encrypted, and {} is", path.shown());
                return Err(Fault::invalid(message).hint(hint));
            };
            plain.text().ok_or_else(|| not_text(&path.shown()))?.clone_into(text);
            *secret = true;
        }
        Value::Sequence(items) => items.iter_mut().try_for_each(|item| reveal(item, path, opener, secret))?,
        Value::Mapping(entries) => {
            for (key, item) in entries {
                path.enter(&key.text)?;
                reveal(item, path, opener, secret)?;
                path.leave();
            }
        }
        other => {
            let (_, bytes) = scalar(other);
            opener.other(path, &bytes)?;
        }
    }
    Ok(())
}
