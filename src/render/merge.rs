use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::host::{CommandSpec, HostSpec, PATH, SignalSpec, UnitHealth, Verb, signal};
use crate::model::{Complete, Digest, ObjectId, Place, Spec};
use crate::source::Tree;

use super::contents::{Origin, TreeContents};
use super::error::Mistakes;
use super::identity;

/// Seconds that a handler may take: a reload waits for old connections.
const HANDLER_TIMEOUT: u32 = 300;

/// One object as a layer declares it.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) spec: HostSpec,
    pub(super) place: Place,
    /// Where the content of a file lies.
    pub(super) content: Option<Origin>,
    /// The commands of the handlers that the spec calls.
    pub(super) handlers: Vec<Vec<String>>,
    /// The units that the spec has reloaded or restarted.
    pub(super) signals: Vec<(Verb, String)>,
}

impl Declared {
    pub(super) const fn new(spec: HostSpec, place: Place) -> Self {
        Self { spec, place, content: None, handlers: Vec::new(), signals: Vec::new() }
    }
}

/// What one layer declares, and later what all of them come to.
#[derive(Debug, Default)]
pub(super) struct Objects(BTreeMap<ObjectId, Declared>);

impl Objects {
    /// Adds an object. A layer that says twice what one thing is cannot be right both times.
    pub(super) fn declare(&mut self, id: ObjectId, declared: Declared, mistakes: &mut Mistakes) {
        if let Some(first) = self.0.get(&id) {
            let message = format!("{} is declared twice in one layer: first at {}", named(&id), first.place);
            let hint = "keep one of the two, or move one to another layer: later layers win";
            mistakes.add(&declared.place, &message, Some(hint));
            return;
        }
        self.0.insert(id, declared);
    }
}

/// Lays layers over each other: of two objects with one identity the later layer's stands.
pub(super) fn merge(layers: Vec<Objects>, mistakes: &mut Mistakes) -> Objects {
    let merged = Objects(layers.into_iter().flat_map(|layer| layer.0).collect());
    for (id, declared) in &merged.0 {
        if let (PATH, HostSpec::File(_) | HostSpec::Symlink { .. }) = (&*id.kind, &declared.spec) {
            refuse_below(id, declared, &merged, mistakes);
        }
    }
    merged
}

/// Nothing can lie below a file, and nothing is written through a link.
fn refuse_below(id: &ObjectId, above: &Declared, merged: &Objects, mistakes: &mut Mistakes) {
    let inside = format!("{}/", id.name);
    let from = ObjectId::new(PATH, &inside);
    let sort = if matches!(above.spec, HostSpec::File(_)) { "file" } else { "link" };
    // Where everything lies below everything else, telling it all would be quadratic.
    for (below, declared) in merged.0.range(from..).take_while(|(other, _)| other.name.starts_with(&inside)) {
        if mistakes.full() {
            return;
        }
        let message =
            format!("`{}` lies below `{}`, which is declared as a {sort} at {}", below.name, id.name, above.place);
        mistakes.add(&declared.place, &message, Some("remove one of the two: a path is a file or a folder"));
    }
}

impl Objects {
    /// Returns what healthy means for each unit that has a document: it holds after a reload or restart as well.
    fn healths(&self) -> BTreeMap<String, UnitHealth> {
        let units = self.0.iter().filter_map(|(id, declared)| match &declared.spec {
            HostSpec::Unit(unit) => Some((id.name.to_string(), unit.health.clone())),
            _ => None,
        });
        units.collect()
    }

    /// Returns the complete outcome, the handlers that it calls included.
    pub(super) fn complete(self, tree: &Arc<dyn Tree>) -> Complete {
        let mut objects = BTreeMap::new();
        let mut origins: BTreeMap<Digest, Origin> = BTreeMap::new();
        let healths = self.healths();
        for (id, declared) in self.0 {
            for command in declared.handlers {
                // Called by many, it is one object; the first of them in the order of identities is where it is written.
                objects.entry(identity::handler(&command)).or_insert_with(|| handler(command, &declared.place));
            }
            for (verb, unit) in declared.signals {
                let health = || healths.get(unit.as_str()).cloned().unwrap_or_default();
                let spec = |unit| HostSpec::Signal(SignalSpec { verb, health: health(), unit });
                objects
                    .entry(signal(verb, &unit))
                    .or_insert_with(|| spec(unit.clone()).to_spec(declared.place.clone()));
            }
            if let (HostSpec::File(file), Some(origin)) = (&declared.spec, declared.content) {
                origins.insert(file.content, origin);
            }
            objects.insert(id, declared.spec.to_spec(declared.place));
        }
        Complete { objects, contents: Arc::new(TreeContents { tree: tree.clone(), origins }) }
    }
}

fn handler(command: Vec<String>, place: &Place) -> Spec {
    HostSpec::Handler(CommandSpec { command, timeout: HANDLER_TIMEOUT }).to_spec(place.clone())
}

/// Returns an object as a message names it.
fn named(id: &ObjectId) -> String {
    if id.kind == PATH { format!("`{}`", id.name) } else { format!("the {} `{}`", id.kind, id.name) }
}
