//! What our own extractors take and answers give, and how they refuse.

use aide::generate::GenContext;
use aide::openapi::{Operation, ReferenceOr, Response, StatusCode};
use aide::{OperationInput, OperationOutput};
use axum::Json;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::problems::{BODY, CALLER, refuses};
use super::{Document, typed};
use crate::api::access::{Caller, Overseer};
use crate::api::answer::{Body8M, Body64, Refusal, Secret};

type Described = Vec<(Option<StatusCode>, Response)>;

impl OperationInput for Caller {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        refuses(operation, CALLER);
    }
}

impl OperationInput for Overseer {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        refuses(operation, CALLER);
    }
}

impl<T: JsonSchema> OperationInput for Body64<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        body::<T>(context, operation);
    }
}

impl<T: JsonSchema> OperationInput for Body8M<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        body::<T>(context, operation);
    }
}

fn body<T: JsonSchema>(context: &mut GenContext, operation: &mut Operation) {
    let schema = context.schema.subschema_for::<T>();
    let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    operation.request_body = serde_json::from_value(body).ok().map(ReferenceOr::Item);
    refuses(operation, BODY);
}

impl OperationOutput for Refusal {
    type Inner = Self;
}

impl<T: JsonSchema> OperationOutput for Secret<T> {
    type Inner = T;

    fn operation_response(context: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        Json::<T>::operation_response(context, operation)
    }

    fn inferred_responses(context: &mut GenContext, operation: &mut Operation) -> Described {
        Json::<T>::inferred_responses(context, operation)
    }
}

impl OperationOutput for Document {
    type Inner = Value;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Described {
        let schema = json!({ "type": "object", "required": ["openapi", "info", "paths"] });
        let response = json!({
            "description": "This document.",
            "content": { "application/json": { "schema": schema } },
        });
        vec![(Some(StatusCode::Code(200)), typed(response))]
    }
}
