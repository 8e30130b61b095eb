//! Logging in with a browser, for the command line elsewhere (RFC 8252): the daemon is the relying party of an OpenID Connect provider, and
//! hands the command a token of its own.
//!
//! ```text
//!  trueup login ── opens ──▶ browser ──▶ /v1/login ──▶ provider ──▶ /v1/login/callback ──▶ 127.0.0.1:PORT (the command)
//!       └──────── code and verifier ──▶ /v1/login/token ──▶ a token, for as long as a login lasts
//! ```
//!
//! # Guarantees
//! Nothing is kept for whoever only knocks but one of a few hundred places for ten minutes. A login is bound to the browser that began it
//! by a cookie, to the provider's answer by state, nonce and PKCE, and to the command that asked for it by PKCE of its own; each part is
//! used once. Browsers are sent to the provider, or to a loopback address with a port, and nowhere else. Who is no declared person of
//! this machine gets no token.

mod pending;
mod provider;
mod redirect;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::answer::{Body64, Refusal, Secret};
use super::limits::Rates;
use super::serve::Service;
use super::stream::Peer;
use crate::agent::{Face, LoginMeans, TokenAsked, TokenMade};
use crate::config::Matching;
use crate::model::{Actor, Problem, Role, chain};
use crate::store::{Bearer, random};
use pending::{Begun, Granted, Places};
use provider::Denied;

/// So many at once from one address, and one more after each of these.
const BURST: u32 = 60;
const EACH: Duration = Duration::from_secs(2);
/// A person may have to find their second factor.
const BEGUN: Duration = Duration::from_mins(10);
/// The command waits for nothing else.
const GRANTED: Duration = Duration::from_mins(1);
/// No account of anybody has a longer name.
const LONGEST_ACCOUNT: usize = 512;

/// All that logging in needs.
pub(super) struct Logins {
    service: Service,
    face: Arc<Face>,
    rates: Rates,
    begun: Places<Begun>,
    granted: Places<Granted>,
}

pub(super) fn router(service: Service, face: Arc<Face>) -> Router {
    let rates = Rates::new(BURST, EACH);
    let (begun, granted) = (Places::new(BEGUN), Places::new(GRANTED));
    let logins = Arc::new(Logins { service, face, rates, begun, granted });
    Router::new()
        .route("/v1/login", get(begin))
        .route("/v1/login/callback", get(callback))
        .route("/v1/login/token", post(token))
        .with_state(logins)
}

/// What the command line comes with, by way of a browser.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    redirect: String,
    challenge: String,
    state: String,
}

/// What the provider sends people back with; whatever else it adds is nothing to us.
#[derive(Deserialize)]
struct Back {
    code: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    code: String,
    verifier: String,
}

type From = ConnectInfo<Peer<IpAddr>>;

async fn begin(
    State(logins): State<Arc<Logins>>,
    ConnectInfo(peer): From,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let means = logins.admit(peer.who)?;
    let odd = |title: &str| Refusal::from(Problem::new(400, "login.asked", title).hint("begin with `trueup login`"));
    let Query(wanted) = wanted.map_err(|_| odd("this is no request of `trueup login`"))?;
    let to =
        redirect::loopback(&wanted.redirect).ok_or_else(|| odd("people are sent back to a loopback address alone"))?;
    if !redirect::digest(&wanted.challenge) || !redirect::word(&wanted.state) {
        return Err(odd("this is no request of `trueup login`"));
    }
    let [state, nonce, verifier] = [secret()?, secret()?, secret()?];
    let address = provider::address(&means, &state, &nonce, &verifier).await.map_err(|why| told(&why))?;
    let begun = Begun { to, challenge: wanted.challenge, state: wanted.state, nonce, verifier };
    if !logins.begun.put(&state, begun, Instant::now()) {
        return Err(Problem::new(429, "login.too-many", "too many people are logging in")
            .hint("try again later")
            .into());
    }
    Ok(sent(address.as_str(), &bound(&means, &state, BEGUN)))
}

const COOKIE: &str = "trueup-login";

async fn callback(
    State(logins): State<Arc<Logins>>,
    ConnectInfo(peer): From,
    headers: HeaderMap,
    back: Result<Query<Back>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let means = logins.admit(peer.who)?;
    let unknown = || {
        let problem = Problem::new(400, "login.state", "this login was not begun here, or too long ago, or is done");
        Refusal::from(problem.hint("begin again with `trueup login`"))
    };
    let Query(Back { code, state }) = back.map_err(|_| unknown())?;
    // The browser that comes back is the one that was sent: nobody else's login is finished for it.
    let state = state.filter(|state| cookie(&headers) == Some(state.as_str())).ok_or_else(unknown)?;
    let begun = logins.begun.take(&state, Instant::now()).ok_or_else(unknown)?;
    let over = bound(&means, "", Duration::ZERO);
    let account = match code {
        Some(code) => provider::account(&means, code, &begun).await,
        None => Err(Denied::Declined),
    };
    let answer = match account {
        Ok(account) if account.len() <= LONGEST_ACCOUNT => logins.grant(account, &begun),
        Ok(_) => Err(("login.account", String::new())),
        Err(why) => {
            let _ = told(&why);
            Err((why.code(), String::new()))
        }
    };
    let mut to = begun.to;
    {
        let mut query = to.query_pairs_mut();
        match &answer {
            Ok(code) => query.append_pair("code", code),
            Err((code, account)) => query.append_pair("error", code).append_pair("account", account),
        };
        query.append_pair("state", &begun.state);
    }
    Ok(sent(to.as_str(), &over))
}

async fn token(
    State(logins): State<Arc<Logins>>,
    ConnectInfo(peer): From,
    Body64(body): Body64<Exchange>,
) -> Result<Secret<TokenMade>, Refusal> {
    let means = logins.admit(peer.who)?;
    let denied =
        || Refusal::from(Problem::new(403, "login.code", "this is no code of a login, or it was used already"));
    let granted = logins.granted.take(&body.code, Instant::now()).ok_or_else(denied)?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(body.verifier.as_bytes()));
    // Both are digests: how far they fit tells nothing.
    if challenge != granted.challenge {
        return Err(denied());
    }
    let daemon = &logins.service.daemon;
    let person = daemon.who_logs_in(&granted.account).ok_or_else(denied)?;
    let by = Actor::login(&granted.account, &person);
    let bearer = Bearer::Login { person, account: granted.account };
    // Never more than what their Roles give them, whenever it is used.
    let asked = TokenAsked {
        roles: vec![Role::Admin],
        matches: Matching::default(),
        seconds: u32::try_from(means.lasts.as_secs()).ok(),
        ..TokenAsked::default()
    };
    Ok(Secret(daemon.create_token(bearer, asked, None, by).await?))
}

/// Tells the log what is wrong with a login, and the person only what they can do about it.
fn told(why: &Denied) -> Refusal {
    tracing::warn!(code = why.code(), error = chain(why), "a login failed");
    Problem::new(502, why.code(), why.words()).into()
}

impl Logins {
    fn admit(&self, from: IpAddr) -> Result<Arc<LoginMeans>, Refusal> {
        if !self.rates.take(from, "", Instant::now()) {
            return Err(Problem::new(429, "api.too-many", "there were too many logins from this address").into());
        }
        let nowhere = || Problem::new(404, "api.not-found", "there is nothing at this address").into();
        self.face.login().ok_or_else(nowhere)
    }

    /// Hands out a code for a declared person; or says who it is that is none.
    fn grant(&self, account: String, begun: &Begun) -> Result<String, (&'static str, String)> {
        if self.service.daemon.who_logs_in(&account).is_none() {
            tracing::warn!(account, "somebody logged in who is no declared person");
            return Err(("login.unknown", account));
        }
        let code = secret().map_err(|_| ("api.internal", String::new()))?;
        let granted = Granted { challenge: begun.challenge.clone(), account };
        if self.granted.put(&code, granted, Instant::now()) { Ok(code) } else { Err(("login.too-many", String::new())) }
    }
}

/// Returns the cookie that binds a browser to the login that it began.
fn bound(means: &LoginMeans, state: &str, lasts: Duration) -> String {
    let secure = if means.callback.starts_with("https:") { "; Secure" } else { "" };
    format!("{COOKIE}={state}; Path=/v1/login; HttpOnly; SameSite=Lax; Max-Age={}{secure}", lasts.as_secs())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|one| one.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// 256 bits that nobody can guess.
fn secret() -> Result<String, Refusal> {
    let bytes = random::<32>().map_err(|_| Problem::new(500, "api.internal", "the system gives no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Sends a browser on.
fn sent(to: &str, cookie: &str) -> Response {
    let head: [(HeaderName, &str); 4] = [
        (header::LOCATION, to),
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::FOUND, head).into_response()
}
