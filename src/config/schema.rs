use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::envelope::{
    ApplicationKind, BreakGlassKind, DaemonKind, Document, HostAccessKind, KINDS, NotificationKind, PersonKind,
    PolicyKind, RepositoryKind, RoleKind, TargetKind,
};
use super::{
    Application, BreakGlassRequest, Daemon, HostAccess, Notification, Person, Policy, Repository, RoleGiven, Target,
};

/// Returns one JSON Schema (2020-12) for every document that may be declared: `kind` says which.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let kinds = [
        choice::<Document<DaemonKind, Daemon>>("Daemon", &mut generator),
        choice::<Document<RepositoryKind, Repository>>("Repository", &mut generator),
        choice::<Document<TargetKind, Target>>("Target", &mut generator),
        choice::<Document<ApplicationKind, Application>>("Application", &mut generator),
        choice::<Document<NotificationKind, Notification>>("Notification", &mut generator),
        choice::<Document<HostAccessKind, HostAccess>>("HostAccess", &mut generator),
        choice::<Document<PolicyKind, Policy>>("Policy", &mut generator),
        choice::<Document<PersonKind, Person>>("Person", &mut generator),
        choice::<Document<RoleKind, RoleGiven>>("Role", &mut generator),
        choice::<Document<BreakGlassKind, BreakGlassRequest>>("BreakGlass", &mut generator),
    ];
    let mut definitions = generator.take_definitions(true);
    for kind in KINDS {
        // What the document is for stands on its type.
        let meaning = definitions.get(*kind).and_then(|kind| kind.get("description")).cloned();
        if let (Some(document), Some(meaning)) = (definitions.get_mut(&format!("{kind}Document")), meaning) {
            document["description"] = meaning;
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "trueup",
        "description": "What trueup keeps true, where from, where to, and how. One file may hold several documents.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": { "const": "trueup.dev/v1alpha1" },
            "kind": { "enum": KINDS },
        },
        "allOf": kinds,
        "$defs": definitions,
    })
}

/// An editor that sees the `kind` completes and checks that kind alone; `oneOf` would report every kind at once.
fn choice<T: JsonSchema>(kind: &str, generator: &mut SchemaGenerator) -> Value {
    let is = json!({ "required": ["kind"], "properties": { "kind": { "const": kind } } });
    json!({ "if": is, "then": generator.subschema_for::<T>() })
}
