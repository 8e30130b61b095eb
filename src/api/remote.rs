//! Whoever comes from elsewhere: nobody is answered without a token that counts.
//!
//! # Guarantees
//! A token is taken from one `Authorization: Bearer` header and from nowhere else; what proxies say of the sender, and the name by which
//! they came, mean nothing. Whoever brings wrong ones is refused before theirs is looked at, by a table that nobody can make forget
//! (`limits`). A page of another origin may not act, whatever it comes with.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::access::Caller;
use super::answer::{Refusal, is_json, plain};
use super::limits::{Complaints, Rates};
use super::serve::Service;
use super::stream::Peer;
use crate::agent::{Face, NoToken, PREFIX};
use crate::model::{Problem, event};
use crate::store::Token;

/// So many wrong tokens at once from one sender.
const BURST: u32 = 60;
/// And one more after each of these.
const EACH: Duration = Duration::from_secs(1);
/// Tokens have 88 characters.
const LONGEST: usize = 8 * 1024;

/// What stands before the API for those who come from elsewhere.
pub(super) struct Gate {
    service: Service,
    face: Arc<Face>,
    wrong: Rates,
    complaints: Complaints,
}

pub(super) async fn guard(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer<IpAddr>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match gate.admit(peer.who, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => {
            gate.complain(peer.who, refusal.code());
            refusal.into_response()
        }
    }
}

impl Gate {
    pub(super) fn new(service: Service, face: Arc<Face>) -> Self {
        Self { service, face, wrong: Rates::new(BURST, EACH), complaints: Complaints::default() }
    }

    async fn admit(&self, from: IpAddr, request: &Parts) -> Result<Caller, Refusal> {
        sound(request)?;
        // Taken before it is looked at, so that many at once are not more than one after the other.
        if !self.wrong.take(from, "", Instant::now()) {
            let problem = Problem::new(429, "api.too-many", "there were too many wrong tokens from this address");
            return Err(problem.hint("wait a minute, then come with a right one").into());
        }
        let token = self.token(&request.headers)?;
        // Before anything is waited for, so that right ones are not in each other's way.
        self.wrong.give(from, "");
        let caller = Caller::of_token(&self.service, token).await?;
        if !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            self.own_page(&request.headers)?;
            // Whoever sends none at all is refused by what takes a body, which every act does.
            if request.headers.contains_key(header::CONTENT_TYPE) && !is_json(&request.headers) {
                return Err(Problem::new(415, "api.media-type", "expected a body of application/json").into());
            }
        }
        Ok(caller)
    }

    fn token(&self, headers: &HeaderMap) -> Result<Token, Refusal> {
        let text = bearer(headers).ok_or_else(nobody)?;
        self.service.daemon.token(text).map_err(|why| match why {
            NoToken::Unknown => nobody().into(),
            // Whoever knows the secret of one may know that.
            NoToken::Expired(at) => {
                let problem = Problem::new(401, "token.expired", format!("the token has expired at {at}"));
                problem.hint("make another one: `trueup token create`").into()
            }
        })
    }

    /// Refuses what a page of somebody else's makes a browser send.
    fn own_page(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let own = self.face.origin();
        let origin =
            headers.get_all(header::ORIGIN).iter().all(|origin| own.as_deref().is_some_and(|own| origin == own));
        let site = headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none");
        if origin && site {
            return Ok(());
        }
        let problem = Problem::new(403, "api.origin", "a page of another origin may not act here");
        Err(problem.hint("`api.url` of the Daemon document says which origin is its own").into())
    }

    /// Tells the log, now and then: of what is wrong, and of nothing that a stranger says.
    fn complain(&self, from: IpAddr, code: &str) {
        if let Some(count) = self.complaints.another(Instant::now()) {
            let event = event::API_REFUSED.name;
            tracing::warn!(event, code, from = %from, "refused requests from elsewhere: {count}; this is the last");
        }
    }
}

/// Refuses what nobody sends who means well, whoever they are.
fn sound(request: &Parts) -> Result<(), Refusal> {
    let uri = &request.uri;
    let query = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split('=').next());
    let named = query.into_iter().any(|name| matches!(name, "token" | "access_token" | "authorization"));
    if named || uri.path().contains(PREFIX) || uri.query().is_some_and(|query| query.contains(PREFIX)) {
        let problem = Problem::new(400, "api.token-in-url", "a token does not belong into an address");
        return Err(problem
            .hint("send it as `Authorization: Bearer …`, and revoke this one: addresses are written down on their way")
            .into());
    }
    plain(&request.headers)
}

/// Returns the one token that came.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && token.len() <= LONGEST).then_some(token)
}

/// The same for each reason, so that none is told.
fn nobody() -> Problem {
    let problem = Problem::new(401, "api.unauthenticated", "it takes a token, and this is none that counts");
    problem.hint("send one as `Authorization: Bearer …`; `trueup token create` makes it")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use super::*;

    #[test]
    fn a_token_comes_in_one_header_of_one_form() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["Bearer trueup_a_b"]).as_deref(), Some("trueup_a_b"));
        assert_eq!(of(&["bearer x"]).as_deref(), Some("x"));
        let long = format!("Bearer {}", "x".repeat(LONGEST + 1));
        for none in [&[][..], &["Basic YTpi"], &["Bearer"], &["Bearer a", "Bearer a"], &["trueup_a_b"], &[&long]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_token_in_an_address_is_refused_however_it_is_called() {
        let code = |uri: &str| {
            let (parts, ()) = axum::http::Request::builder().uri(uri).body(()).unwrap().into_parts();
            sound(&parts).err().map(|refusal| refusal.code().to_owned())
        };
        for uri in ["/v1/status?token=x", "/v1/status?a=b&access_token=", "/v1/trueup_1_2", "/v1/status?x=trueup_1_2"] {
            assert_eq!(code(uri).as_deref(), Some("api.token-in-url"), "{uri}");
        }
        assert_eq!(code("/v1/audit/records?application=token&limit=5"), None);
    }
}
