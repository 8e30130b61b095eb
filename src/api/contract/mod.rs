//! What the API promises, in OpenAPI 3.1: made from the routes and from the types that their handlers take and return, so that there is
//! nothing to keep in step.
//!
//! Each extractor says itself what it takes and how it refuses (`takes.rs`), each route what else may come of it (`says`), and what
//! holds for all of them is added in one place (`common.rs`).

mod common;
mod problems;
mod takes;

use std::iter;
use std::sync::OnceLock;

use aide::axum::ApiRouter;
use aide::generate::in_context;
use aide::openapi::{Header, HeaderStyle, OpenApi, ParameterSchemaOrContent, ReferenceOr, SchemaObject};
use aide::transform::TransformOperation;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use schemars::json_schema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::access::Caller;
use super::routes;
use super::serve::Service;
use crate::model::Problem;
use problems::refuses;

pub(super) use problems::{APPLICATION, BREAK_GLASS, Family, PLAN, RECORD, REFUSED};

/// Returns what `GET /v1/openapi.json` answers.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    // The library collects what routes are made of for the thread that makes them.
    in_context(|context| {
        context.schema = settings.into_generator();
        context.schema.subschema_for::<Problem>();
    });
    let mut api = OpenApi::default();
    let routes: ApiRouter<Service> = routes::router();
    let _ = routes.finish_api(&mut api);
    for (path, item) in api.paths.iter_mut().flat_map(|paths| &mut paths.paths) {
        if let ReferenceOr::Item(item) = item {
            common::complete(path, item);
        }
    }
    let mut document = serde_json::to_value(&api).unwrap_or_default();
    document["info"] = json!({
        "title": "trueup",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "What the command line asks of a running daemon. Under `/v1`, fields may be added to answers, and words to what is one of several words.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    document["security"] = json!([{ "token": [] }]);
    document["components"]["securitySchemes"] = json!({ "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Over TCP. At the unix socket the kernel says who asks, and no token is looked at.",
    }});
    document
}

/// An OpenAPI document, as JSON.
pub(super) struct Document(Bytes);

/// Answers whoever is somebody with the document, which is made once.
pub(super) async fn openapi(_: Caller) -> Document {
    static MADE: OnceLock<Bytes> = OnceLock::new();
    Document(MADE.get_or_init(|| document().to_string().into()).clone())
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// Says what a route is for, and which problems may come of it besides those of what it takes.
pub(super) fn says<'a>(
    id: &'static str,
    summary: &'static str,
    problems: &'a [&'a [Family]],
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| {
        operation.id(id).summary(summary).with(|mut operation| {
            for problems in problems {
                refuses(operation.inner_mut(), problems);
            }
            operation
        })
    }
}

/// The same of a route that answers with server-sent events, as long as somebody reads them.
pub(super) fn tells<'a>(
    id: &'static str,
    summary: &'static str,
    problems: &'a [&'a [Family]],
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| {
        says(id, summary, problems)(operation).with(|mut operation| {
            common::stream(operation.inner_mut());
            operation
        })
    }
}

/// Describes a header of an answer.
pub(super) fn header(says: &str) -> ReferenceOr<Header> {
    let schema = SchemaObject { json_schema: json_schema!({ "type": "string" }), external_docs: None, example: None };
    ReferenceOr::Item(Header {
        description: Some(says.into()),
        style: HeaderStyle::Simple,
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema),
        example: None,
        examples: iter::empty().collect(),
        extensions: iter::empty().collect(),
    })
}

/// Reads what is written in these files as JSON into the library's types.
fn typed<T: DeserializeOwned + Default>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_default()
}
