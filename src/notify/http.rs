//! What the three that speak HTTP have in common: one request, one short answer, no redirects.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};

use super::fault::{Fault, FaultKind};
use crate::config::{Endpoint, InvalidEndpoint};
use crate::source::{self, harmless};

/// Of an answer no more is read; it is for people.
const ANSWER: usize = 4096;

/// Nobody who is to be trusted asks for more patience.
const LONGEST_WAIT: Duration = Duration::from_hours(6);

/// Returns where a URL leads, and a client that trusts the authorities in `ca`, or else the machine's.
///
/// # Errors
/// Where it is no URL that may be used. Its text, which may be a secret, is not repeated.
pub(super) fn open(url: &str, ca: Option<&Path>) -> Result<(Client, Url), Fault> {
    let odd = |error: InvalidEndpoint| Fault::new(FaultKind::Credentials, format!("the URL cannot be used: {error}"));
    let url = Endpoint::parse(url).map_err(odd)?.url().clone();
    // Nobody resolves it, and so nobody else would look at where it leads.
    source::check_literal(url.host_str().unwrap_or_default())
        .map_err(|error| Fault { kind: FaultKind::Credentials, ..error.into() })?;
    let mut builder = source::outbound(ca)?.user_agent(concat!("trueup/", env!("CARGO_PKG_VERSION")));
    if url.scheme() == "http" && ca.is_none() {
        // Nothing goes over TLS: reading the machine's certificates would take longer than the request.
        builder = builder.tls_certs_only([]);
    }
    let client = builder.build().map_err(|error| Fault::from(source::told(error)))?;
    Ok((client, url))
}

/// Sends a request, and returns what was answered where it was taken.
pub(super) async fn send(request: RequestBuilder) -> Result<String, Fault> {
    let mut answer = request.send().await.map_err(|error| Fault::from(source::told(error)))?;
    let status = answer.status();
    if status.is_redirection() {
        return Err(Fault::new(FaultKind::Denied, format!("it answered {status}; redirects are not followed")));
    }
    let wait = asked_wait(answer.headers());
    let said = said(&mut answer).await;
    if status.is_success() {
        return Ok(told(status, &said));
    }
    let kind = kind(status);
    // Matrix says so in the body.
    let wait = wait.or_else(|| milliseconds(&said)).map(|wait| wait.min(LONGEST_WAIT));
    Err(Fault { kind, message: format!("it answered {}", told(status, &said)), wait })
}

fn kind(status: StatusCode) -> FaultKind {
    match status.as_u16() {
        429 | 503 => FaultKind::Busy,
        408 | 425 => FaultKind::Unreachable,
        401 | 402 | 403 | 404 | 405 | 407 | 410 | 421 | 451 => FaultKind::Denied,
        400..=499 => FaultKind::Refused,
        _ => FaultKind::Unreachable,
    }
}

fn told(status: StatusCode, said: &str) -> String {
    let line = harmless(said.lines().next().unwrap_or_default().as_bytes());
    if line.is_empty() { status.to_string() } else { format!("{status}: {line}") }
}

/// Reads the beginning of what was answered; what cannot be read is nothing, for the status has said already what matters.
async fn said(answer: &mut Response) -> String {
    let mut said = vec![];
    while let Ok(Some(chunk)) = answer.chunk().await {
        said.extend_from_slice(&chunk);
        if said.len() >= ANSWER {
            break;
        }
    }
    said.truncate(ANSWER);
    String::from_utf8_lossy(&said).into_owned()
}

/// `Retry-After` (RFC 9110, section 10.2.3) in seconds. The other form, a date, would need the clocks of both to agree.
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

fn milliseconds(said: &str) -> Option<Duration> {
    let body: serde_json::Value = serde_json::from_str(said).ok()?;
    Some(Duration::from_millis(body.get("retry_after_ms")?.as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means_is_told_by_its_status() {
        for (status, meant) in [
            (400, FaultKind::Refused),
            (401, FaultKind::Denied),
            (404, FaultKind::Denied),
            (408, FaultKind::Unreachable),
            (413, FaultKind::Refused),
            (422, FaultKind::Refused),
            (425, FaultKind::Unreachable),
            (429, FaultKind::Busy),
            (500, FaultKind::Unreachable),
            (503, FaultKind::Busy),
        ] {
            assert_eq!(kind(StatusCode::from_u16(status).unwrap()), meant, "{status}");
        }
    }

    #[test]
    fn an_address_that_hands_out_credentials_is_not_connected_to() {
        for host in ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]", "0xa9fea9fe", "0.0.0.0"] {
            let refused = open(&format!("https://{host}/hook"), None).map(|_| ()).unwrap_err();
            assert_eq!(refused.kind, FaultKind::Credentials, "{host}");
            assert!(refused.message.contains("not connected to"), "{}", refused.message);
        }
        for host in ["127.0.0.1", "[::1]", "192.0.2.1", "example.org"] {
            assert!(open(&format!("https://{host}/hook"), None).is_ok(), "{host}");
        }
    }

    #[test]
    fn patience_is_asked_for_in_seconds_or_milliseconds() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "120".parse().unwrap());
        assert_eq!(asked_wait(&headers), Some(Duration::from_mins(2)));
        headers.insert(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT".parse().unwrap());
        assert_eq!(asked_wait(&headers), None);
        let limited = r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2000}"#;
        assert_eq!(milliseconds(limited), Some(Duration::from_secs(2)));
        assert_eq!(milliseconds("<html>"), None);
    }
}
