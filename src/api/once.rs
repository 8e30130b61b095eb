//! Acts that are asked for twice are done once: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
//!
//! # Guarantees
//! The same key of the same caller with the same request is one act: who asks again gets the same answer, or is told that it is
//! still under way, or that it is done and its answer was not kept. An act goes on, and is remembered, when its caller goes away.
//!
//! *Ends where:* keys are in memory. A restart forgets them, and so does an hour, or a hundred newer ones of the same caller.

mod kept;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Caller, Overseer};
use super::answer::{LARGEST_BODY, LARGEST_GIVEN, NOT_KEPT, Refusal, read};
use super::audit::VERIFY;
use super::serve::Service;
use crate::model::{Digest, Problem};
use kept::{Answer, Begun, Ticket};

pub(super) use kept::Kept;

pub(super) const KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 128;

/// Lets an act through once for each key.
pub(super) async fn once(State(service): State<Service>, request: Request, next: Next) -> Response {
    let key = match key(request.headers()) {
        Ok(Some(key)) if request.method() == Method::POST => key,
        Ok(_) => return next.run(request).await,
        Err(refusal) => return refusal.into_response(),
    };
    let (mut parts, body) = request.into_parts();
    let Ok(caller) = Caller::from_request_parts(&mut parts, &service).await else {
        // Refused by whatever is asked, in its own words.
        return next.run(Request::from_parts(parts, body)).await;
    };
    let largest = match largest(&mut parts, &service).await {
        Ok(largest) => largest,
        Err(refusal) => return refusal.into_response(),
    };
    let body = match read(body, largest).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let kind = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_vec());
    let asked = Digest::of_json("trueup/request/v1", &(parts.uri.to_string(), kind, Digest::of(&body)));
    match service.kept.begin(&caller.actor.principal(), &key, asked) {
        Begun::New(ticket) => carry_out(Request::from_parts(parts, body.into()), next, ticket).await,
        Begun::Done(answer) => answer.into_response(),
        Begun::NotKept(status) => not_kept(status),
        Begun::UnderWay => under_way(),
        Begun::TooMany => too_many(),
        Begun::Another => reused(),
    }
}

/// Returns how large a body may be, where they may send so much.
async fn largest(parts: &mut Parts, service: &Service) -> Result<usize, Refusal> {
    if parts.uri.path() != VERIFY {
        return Ok(LARGEST_BODY);
    }
    Overseer::from_request_parts(parts, service).await.map(|Overseer| LARGEST_GIVEN)
}

/// Runs an act to its end in a task of its own: a caller who goes away finds the answer when they come back.
async fn carry_out(request: Request, next: Next, ticket: Ticket) -> Response {
    let task = tokio::spawn(async move { finish(next.run(request).await, ticket).await });
    task.await.unwrap_or_else(|error| {
        tracing::error!(error = %error, "an act ended unexpectedly");
        Refusal::from(Problem::new(500, "api.internal", "the daemon failed in the middle of it")).into_response()
    })
}

/// Remembers an answer, and passes it on.
async fn finish(response: Response, ticket: Ticket) -> Response {
    let status = response.status();
    // Nothing was done, and another time it may be: that is no answer to keep.
    let passing = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if passing.contains(&status) {
        return response;
    }
    let secret = response.headers().get(header::CACHE_CONTROL).is_some_and(|value| value == NOT_KEPT);
    let small = response.body().size_hint().exact().is_some_and(|size| size <= Answer::LARGEST as u64);
    if secret || !small {
        ticket.not_kept(status);
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, Answer::LARGEST).await else {
        ticket.not_kept(status);
        return Refusal::from(Problem::new(500, "api.internal", "the answer broke off")).into_response();
    };
    ticket.done(Answer { status, headers: head.headers.clone(), body: body.clone() });
    Response::from_parts(head, Body::from(body))
}

/// Returns the key of a request: a string in quotes as the draft has it, or the same without them.
fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut lines = headers.get_all(KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let text = line.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let plain = bare.bytes().all(|c| c.is_ascii_graphic() && c != b'"' && c != b'\\');
    if lines.next().is_some() || bare.is_empty() || bare.len() > LONGEST_KEY || !plain {
        let title = format!("an Idempotency-Key is one word of 1 to {LONGEST_KEY} printable characters, in quotes");
        return Err(Problem::new(400, "idempotency.key", title).hint("a random UUID serves").into());
    }
    Ok(Some(bare.into()))
}

fn under_way() -> Response {
    let problem = Problem::new(409, "idempotency.under-way", "what was asked for under this key is still under way");
    let mut response = Refusal::from(problem.hint("ask again with the same key")).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, 1.into());
    response
}

fn too_many() -> Response {
    let problem = Problem::new(429, "api.too-many", "too much of what you have asked for is still under way");
    let mut response = Refusal::from(problem.hint("wait for some of it, then ask again")).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, 1.into());
    response
}

fn not_kept(status: StatusCode) -> Response {
    let title =
        format!("what was asked for under this key is done and was answered with {status}; the answer was not kept");
    let hint = "it was too long, or is shown once; look at what there is now";
    Refusal::from(Problem::new(409, "idempotency.not-kept", title).hint(hint)).into_response()
}

fn reused() -> Response {
    let problem = Problem::new(422, "idempotency.reused", "something else was asked for under this key");
    Refusal::from(problem.hint("each act takes a key of its own")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(KEY, line.parse().unwrap());
        }
        key(&headers).map_err(|_| ())
    }

    #[test]
    fn a_key_is_one_word_with_or_without_quotes() {
        assert_eq!(read(&[]), Ok(None));
        for good in ["a-1", "\"a-1\"", " \"a-1\" "] {
            assert_eq!(read(&[good]), Ok(Some("a-1".into())), "{good}");
        }
        for bad in ["", "\"\"", "a b", "\"a", "a\\", "a\"b", &"x".repeat(129)] {
            assert_eq!(read(&[bad]), Err(()), "{bad}");
        }
        assert_eq!(read(&["a", "a"]), Err(()));
    }
}
