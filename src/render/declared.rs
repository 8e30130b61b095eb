//! A tree → what is declared in Git: applications, policies, people, and break-glass that is asked for. Each document is an
//! object, in its one form, so that what changes is planned, judged and shown like anything else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::contents::{Origin, TreeContents};
use super::error::Mistakes;
use super::files::{Files, join};
use super::layer::{document, leads_inside};
use super::print::block;
use super::{RenderError, Request};
use crate::config::{Accepted, Config, Declaration, Declarations, parse_declarations};
use crate::model::declared::{APPLICATION, BREAK_GLASS, PERSON, POLICY};
use crate::model::{Complete, Digest, Name, ObjectId, Spec};
use crate::source::{EntryKind, Tree};

/// Renders every `*.yaml` and `*.yml` file of the layers, in all folders below; names that begin with a dot are left out.
/// Repositories, targets and people that the documents refer to are those of `machine`.
///
/// # Errors
/// Every mistake of every document at once, or the one thing that kept it from reading them all.
pub fn declarations(request: &Request<'_>, machine: &Config) -> Result<Complete, RenderError> {
    let files = Files::list(request)?;
    let (mut mistakes, mut read) = (Mistakes::default(), vec![]);
    for layer in files.layers() {
        for (path, entry) in files.of_layer(layer).filter(|(path, _)| is_document(path)) {
            let full = join(layer, path);
            if entry.kind == EntryKind::Symlink && !leads_inside(&files, &full, &mut mistakes)? {
                continue;
            }
            if let Some(entry) = document(&files, &full, entry, &mut mistakes)? {
                read.push((full, files.read(entry)?));
            }
        }
    }
    let parsed = parse_declarations(&read, machine);
    let declared = parsed.unwrap_or_else(|found| {
        mistakes.extend(found);
        Declarations::default()
    });
    mistakes.into_result()?;
    Ok(complete(declared, request.tree))
}

/// Returns the documents behind objects that were rendered so.
#[must_use]
pub fn accepted(objects: &BTreeMap<ObjectId, Spec>) -> Vec<Accepted> {
    let document = |spec: &Spec| Accepted { document: spec.body()[BODY].clone(), place: spec.place().clone() };
    objects.values().map(document).collect()
}

/// The field of a spec that holds the document. A difference of it is shown as one of content.
const BODY: &str = "content";

fn is_document(path: &str) -> bool {
    let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
    let yaml = name.rsplit_once('.').is_some_and(|(_, extension)| matches!(extension, "yaml" | "yml"));
    yaml && !path.split('/').any(|segment| segment.starts_with('.'))
}

fn complete(declared: Declarations, tree: &Arc<dyn Tree>) -> Complete {
    let mut made = Made { objects: BTreeMap::new(), contents: TreeContents { tree: tree.clone(), origins: [].into() } };
    made.all(APPLICATION, "Application", declared.applications);
    made.all(POLICY, "Policy", declared.policies);
    made.all(PERSON, "Person", declared.people);
    made.all(BREAK_GLASS, "BreakGlass", declared.requests);
    Complete { objects: made.objects, contents: Arc::new(made.contents) }
}

struct Made {
    objects: BTreeMap<ObjectId, Spec>,
    contents: TreeContents,
}

impl Made {
    fn all<T>(&mut self, kind: &'static str, word: &str, declared: BTreeMap<Name, Declaration<T>>) {
        for (name, one) in declared {
            let document = written(word, &name, one.value);
            let mut text = String::new();
            block(&mut text, &document, 0);
            let content: Arc<[u8]> = text.into_bytes().into();
            let digest = Digest::of(&content);
            self.contents.origins.insert(digest, Origin::Inline(content));
            let spec = Spec::new(json!({ BODY: document }), vec![digest], one.place);
            self.objects.insert(ObjectId::new(kind, name.as_str()), spec);
        }
    }
}

/// Returns a document in its one form.
fn written(kind: &str, name: &Name, mut value: Value) -> Value {
    let mut metadata = Map::from_iter([("name".to_owned(), json!(name))]);
    let labels = value["labels"].take();
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        metadata.insert("labels".into(), labels);
    }
    json!({
        "apiVersion": "trueup.dev/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": given(value["spec"].take()),
    })
}

/// Leaves out what is not given.
fn given(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given_fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(given_fields.map(|(key, value)| (key, given(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(given).collect()),
        scalar => scalar,
    }
}
