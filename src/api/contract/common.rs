//! What holds for every read and for every act, whatever it is about.

use aide::openapi::{Operation, PathItem, ReferenceOr, Response, StatusCode};
use serde_json::{Value, json};

use super::problems::{ACTS, ALL, READS, refuses, settle};
use super::{header, typed};
use crate::model::Name;

/// Adds to the operations of a path what its address says, and what lies around every handler.
pub(super) fn complete(path: &str, item: &mut PathItem) {
    let named: Vec<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
    let reads = item.get.iter_mut().map(|operation| (operation, true));
    let acts = item.post.iter_mut().chain(&mut item.delete).map(|operation| (operation, false));
    for (operation, reading) in reads.chain(acts) {
        for name in &named {
            let (says, schema) = address(name);
            parameter(
                operation,
                json!({ "in": "path", "name": name, "required": true, "description": says, "schema": schema }),
            );
            refuses(operation, &[(400, &["api.path"])]);
        }
        if reading {
            read(operation);
        } else {
            act(operation);
        }
        refuses(operation, ALL);
        settle(operation);
        for response in operation.responses.iter_mut().flat_map(|all| all.responses.values_mut()) {
            if let ReferenceOr::Item(response) = response
                && response.description.is_empty()
            {
                response.description = "What was asked for.".into();
            }
        }
    }
}

/// Returns what a part of an address is, and how it is written.
fn address(name: &str) -> (&'static str, Value) {
    match name {
        "name" => ("As it is declared.", json!({ "type": "string", "pattern": Name::PATTERN })),
        "plan" => {
            ("Its id, or 8 or more of its first digits.", json!({ "type": "string", "pattern": "^[0-9a-f]{8,64}$" }))
        }
        "sequence" => ("The number of a record.", json!({ "type": "integer", "minimum": 1, "maximum": u64::MAX })),
        "number" => {
            ("Its place in the list, from 0.", json!({ "type": "integer", "minimum": 0, "maximum": usize::MAX }))
        }
        _ => ("As the list has it.", json!({ "type": "string", "minLength": 1 })),
    }
}

/// What is no answer of one piece.
const STREAM: &str = "text/event-stream";

/// Describes an answer in events. `docs/api.md` tells of them.
pub(super) fn stream(operation: &mut Operation) {
    let schema = json!({ "type": "string" });
    let events = json!({ "description": "Events, one after the other.", "content": { STREAM: { "schema": schema } } });
    let responses = operation.responses.get_or_insert_default();
    responses.responses.insert(StatusCode::Code(200), ReferenceOr::Item(typed(events)));
    let says = "The number of the last record that was told: what followed is told again.";
    let number = json!({ "type": "string" });
    parameter(operation, json!({ "in": "header", "name": "Last-Event-ID", "description": says, "schema": number }));
}

/// What `conditional` does: nothing to a stream.
fn read(operation: &mut Operation) {
    let good = operation.responses.as_ref().and_then(|all| all.responses.get(&StatusCode::Code(200)));
    if good.and_then(ReferenceOr::as_item).is_some_and(|good| good.content.contains_key(STREAM)) {
        return;
    }
    if operation.parameters.iter().any(is_query) {
        refuses(operation, &[(400, &["api.query"])]);
    }
    let known = "Tags that are known already: the answer is 304 where one of them holds still.";
    let bound = "Tags: the answer is 412 where none of them holds.";
    for (name, says) in [("If-None-Match", known), ("If-Match", bound)] {
        let schema = json!({ "type": "string" });
        parameter(operation, json!({ "in": "header", "name": name, "description": says, "schema": schema }));
    }
    refuses(operation, READS);
    let responses = operation.responses.get_or_insert_default();
    if let Some(ReferenceOr::Item(good)) = responses.responses.get_mut(&StatusCode::Code(200)) {
        good.headers.insert("ETag".into(), header("A strong one: the same for the same answer, after a restart too."));
    }
    let mut same = Response { description: "It is what is known already.".into(), ..Response::default() };
    same.headers.insert("ETag".into(), header("As before."));
    responses.responses.insert(StatusCode::Code(304), ReferenceOr::Item(same));
}

/// What `once` and `conditional` do.
fn act(operation: &mut Operation) {
    let says = "The same key with the same request of the same caller is one act, for an hour and until a restart.";
    let word = json!({ "type": "string", "pattern": "^[!#-\\[\\]-~]{1,128}$" });
    parameter(operation, json!({ "in": "header", "name": "Idempotency-Key", "description": says, "schema": word }));
    refuses(operation, ACTS);
}

fn is_query(parameter: &ReferenceOr<aide::openapi::Parameter>) -> bool {
    matches!(parameter, ReferenceOr::Item(aide::openapi::Parameter::Query { .. }))
}

fn parameter(operation: &mut Operation, written: Value) {
    // What cannot be read is left out, and the test that holds every address against its description says so.
    operation.parameters.extend(serde_json::from_value(written).ok().map(ReferenceOr::Item));
}
