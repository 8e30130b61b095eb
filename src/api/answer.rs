//! Problems as responses, and bodies as values.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::access::Caller;
use super::conditional::unbound;
use crate::model::Problem;

/// No request of ours comes near this.
pub(super) const LARGEST_BODY: usize = 64 * 1024;
/// Except for the one that brings checkpoints: each has some 300 bytes.
pub(super) const LARGEST_GIVEN: usize = 8 * 1024 * 1024;
/// A body of such a size takes no time on a socket of the machine, and not this long from elsewhere; a caller who stalls is
/// let go.
const BODY: Duration = Duration::from_secs(10);

/// What `Cache-Control` says of an answer that is told once.
pub(super) const NOT_KEPT: &str = "no-store";

/// A problem on its way out, as `application/problem+json` (RFC 9457).
pub(super) struct Refusal(Box<Problem>);

impl Refusal {
    pub(super) fn code(&self) -> &str {
        &self.0.code
    }
}

pub(super) type Answer<T> = Result<Json<T>, Refusal>;

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.0)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: a 401 says what would do.
            let way = HeaderValue::from_static("Bearer realm=\"trueup\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, way);
        }
        response
    }
}

/// What is told this once: nobody on the way keeps it, and neither does `once`.
pub(super) struct Secret<T>(pub T);

impl<T: Serialize> IntoResponse for Secret<T> {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, NOT_KEPT)], Json(self.0)).into_response()
    }
}

/// The JSON body of a request. At the socket no body at all reads as `{}`; from elsewhere a page of anybody's could make a browser send
/// that.
pub(super) struct Body64<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body64<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        body(request, LARGEST_BODY).await.map(Self)
    }
}

/// A larger one.
pub(super) struct Body8M<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body8M<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        body(request, LARGEST_GIVEN).await.map(Self)
    }
}

async fn body<T: DeserializeOwned>(request: Request, largest: usize) -> Result<T, Refusal> {
    unbound(request.headers())?;
    let json = is_json(request.headers());
    let elsewhere = request.extensions().get::<Caller>().is_some_and(Caller::is_elsewhere);
    let bytes = read(request.into_body(), largest).await?;
    if bytes.is_empty() && !elsewhere {
        return parse(b"{}");
    }
    if !json {
        return Err(Problem::new(415, "api.media-type", "expected a body of application/json").into());
    }
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // A list of the fields' values in their order would be read as well.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::new(400, "api.body", "could not read the body: expected a JSON object").into());
    }
    let value = serde_json::from_slice(bytes);
    // The parser names line, column and field of ours, never what the body holds elsewhere.
    value.map_err(|error| Problem::new(400, "api.body", format!("could not read the body: {error}")).into())
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Refuses a body that is compressed: nobody can tell what it comes to before it has come to it.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(Problem::new(415, "api.encoding", "expected a body that is not compressed").into())
        }
        _ => Ok(()),
    }
}

/// Returns a body as it came.
pub(super) async fn read(body: Body, largest: usize) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(BODY, to_bytes(body, largest)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let title = format!("could not read the body: it breaks off or has more than {largest} bytes");
            Err(Problem::new(413, "api.body-too-large", title).into())
        }
        Err(_) => Err(Problem::new(408, "api.timeout", "the body did not come in time").into()),
    }
}
