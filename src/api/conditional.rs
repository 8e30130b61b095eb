//! Entity tags and the conditions on them (RFC 9110, sections 8.8.3 and 13): who asks again what they asked before is told that
//! nothing changed.
//!
//! A tag is a digest of the answer as it is sent, so it is a strong one, and it is the same after a restart. It saves the way, not
//! the work: the answer is made all the same.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;
use crate::model::{Digest, Problem};

/// So many digits of a digest are told apart by chance alone in no lifetime.
const DIGITS: usize = 32;

/// Tags what can be compared, and judges what a request is bound to.
pub(super) async fn conditional(request: Request, next: Next) -> Response {
    if !request.method().is_safe() {
        return next.run(request).await;
    }
    let [bound, known] = [header::IF_MATCH, header::IF_NONE_MATCH].map(|name| listed(request.headers(), &name));
    let response = next.run(request).await;
    // What has no end is compared with nothing.
    let Some(size) = response.body().size_hint().exact().filter(|_| response.status() == StatusCode::OK) else {
        return response;
    };
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::try_from(size).unwrap_or(usize::MAX)).await else {
        return Refusal::from(Problem::new(500, "api.internal", "the answer broke off")).into_response();
    };
    let tag = format!("\"{}\"", &Digest::of(&bytes).to_string()[..DIGITS]);
    if bound.is_some_and(|tags| !tags.iter().any(|one| one == "*" || *one == tag)) {
        return Refusal::from(failed("it is not what you know it as any more")).into_response();
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.headers.insert(header::ETAG, tag);
    }
    // Whoever keeps it asks whether it still holds, and shows it to nobody else.
    head.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    let weakly = |one: &String| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag;
    if known.is_some_and(|tags| tags.iter().any(weakly)) {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(header::CONTENT_TYPE);
        head.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(head, Body::empty());
    }
    Response::from_parts(head, bytes.into())
}

/// Refuses an act that is bound to a tag: what it changes has none here, and to go on as if it had been compared would be worse than
/// to say no.
pub(super) fn unbound(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::IF_MATCH) { Err(failed("no act is bound to an entity tag here")) } else { Ok(()) }
}

fn failed(title: &str) -> Problem {
    let problem = Problem::new(412, "api.precondition", title);
    problem.hint("look at it again; an approval is bound to a plan by the plan's id")
}

/// Returns the tags that a header lists, as they are written; `None` where there is no such header.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    // No tag of ours has a comma in it, so that cutting a stranger's in two makes it no other's.
    let tags = lines.iter().flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned());
    (!lines.is_empty()).then(|| tags.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_listed_over_lines_and_commas() {
        let mut headers = HeaderMap::new();
        assert_eq!(listed(&headers, &header::IF_MATCH), None);
        headers.append(header::IF_MATCH, HeaderValue::from_static("\"a\" , W/\"b\""));
        headers.append(header::IF_MATCH, HeaderValue::from_static("*"));
        assert_eq!(listed(&headers, &header::IF_MATCH).unwrap(), ["\"a\"", "W/\"b\"", "*"]);
    }
}
