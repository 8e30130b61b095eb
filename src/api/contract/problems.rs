//! Which problems may come of what, by their status and their codes.

use aide::openapi::{Operation, ReferenceOr, Response, Responses, StatusCode};
use serde_json::{Value, json};

use super::typed;

/// Problems of one status. `store.*` is every code that begins so, and `*` any.
pub(in crate::api) type Family = (u16, &'static [&'static str]);

/// Where they are gathered until all are known.
const GATHERED: &str = "x-problems";

pub(super) const ALL: &[Family] =
    &[(500, &["api.internal", "internal"]), (503, &["application.busy", "daemon.stopping", "store.*"])];
/// What `conditional` answers.
pub(super) const READS: &[Family] = &[(412, &["api.precondition"])];
/// What `once` and `conditional` answer.
pub(super) const ACTS: &[Family] = &[
    (400, &["idempotency.key"]),
    (408, &["api.timeout"]),
    (409, &["idempotency.not-kept", "idempotency.under-way"]),
    (412, &["api.precondition"]),
    (413, &["api.body-too-large"]),
    (422, &["idempotency.reused"]),
];
/// Of what `access` and `remote` say before anything is looked at.
pub(super) const CALLER: &[Family] = &[
    (400, &["api.token-in-url"]),
    (401, &["api.unauthenticated", "token.expired"]),
    (403, &["api.forbidden", "api.origin"]),
    (415, &["api.encoding"]),
    (429, &["api.too-many"]),
];
/// Of what takes a body.
pub(super) const BODY: &[Family] =
    &[(400, &["api.body"]), (408, &["api.timeout"]), (413, &["api.body-too-large"]), (415, &["api.media-type"])];

pub(in crate::api) const APPLICATION: &[Family] = &[(404, &["application.unknown"])];
pub(in crate::api) const BREAK_GLASS: &[Family] = &[(404, &["break-glass.unknown"])];
pub(in crate::api) const RECORD: &[Family] = &[(404, &["record.unknown"]), (409, &["record.archived"])];
/// Of a plan that is named by the beginning of its id.
pub(in crate::api) const PLAN: &[Family] =
    &[(400, &["plan.too-short"]), (404, &["plan.unknown"]), (409, &["plan.ambiguous"])];
/// Of a look at Git and the target: the code of whatever refused it.
pub(in crate::api) const REFUSED: &[Family] = &[(422, &["*"]), (503, &["*"])];

/// Adds what an operation may answer instead of what was asked for.
pub(super) fn refuses(operation: &mut Operation, problems: &[Family]) {
    let gathered = operation.extensions.entry(GATHERED.into()).or_insert_with(|| json!({}));
    for (status, codes) in problems {
        let known = &mut gathered[status.to_string()];
        let mut all: Vec<_> = known.as_array().cloned().unwrap_or_default();
        all.extend(codes.iter().map(|code| Value::from(*code)));
        *known = all.into();
    }
}

/// Describes all that was gathered.
pub(super) fn settle(operation: &mut Operation) {
    let gathered = operation.extensions.shift_remove(GATHERED).unwrap_or_default();
    let responses = operation.responses.get_or_insert_with(Responses::default);
    for (status, codes) in gathered.as_object().into_iter().flatten() {
        let mut codes: Vec<_> = codes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        codes.sort_unstable();
        codes.dedup();
        let status = StatusCode::Code(status.parse().unwrap_or_default());
        responses.responses.insert(status, ReferenceOr::Item(problem(&codes)));
    }
    responses.responses.sort_keys();
}

fn problem(codes: &[&str]) -> Response {
    let code = if codes.contains(&"*") {
        json!({ "type": "string" })
    } else if codes.iter().any(|code| code.ends_with('*')) {
        let any: Vec<_> = codes.iter().map(|code| code.replace('.', "\\.").replace('*', "[a-z-]+")).collect();
        json!({ "pattern": format!("^({})$", any.join("|")) })
    } else {
        json!({ "enum": codes })
    };
    let word = |code: &&str| if *code == "*" { "`CODE` of whatever refused it".into() } else { format!("`{code}`") };
    let said: Vec<_> = codes.iter().map(word).collect();
    let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Problem" }, { "properties": { "code": code } }] });
    typed(json!({
        "description": format!("A problem: {}.", said.join(", ")),
        "content": { "application/problem+json": { "schema": schema } },
    }))
}
