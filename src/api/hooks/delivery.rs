use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::Instant;

use super::payload::{self, Event};
use super::seen::Seen;
use super::signature;
use crate::agent::{Hook, Hooks};
use crate::api::answer::{Refusal, is_json, plain, read};
use crate::api::limits::{Complaints, Rates};
use crate::api::routes::Named;
use crate::api::stream::Peer;
use crate::model::{Name, Problem, event};

/// A push of some thousand commits; Git hosts cut what is longer.
const LARGEST: usize = 1024 * 1024;
/// So many at once from one sender to one repository: a push of many branches is a delivery for each of them.
const BURST: u32 = 300;
/// And one more after each of these.
const EACH: Duration = Duration::from_millis(200);
/// What opens nothing: whoever signs with it is still nobody.
const NOBODY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// What listens to deliveries.
pub(super) struct Ear {
    hooks: Arc<Hooks>,
    /// What the delivery of an unknown repository is judged by, so that it costs what a known one costs.
    nobody: Arc<Hook>,
    rates: Rates,
    seen: Seen,
    complaints: Complaints,
}

/// What became of a delivery that was believed.
#[derive(Serialize)]
struct Heard {
    result: &'static str,
}

impl Ear {
    pub(super) fn new(hooks: Arc<Hooks>) -> Self {
        let (rates, seen, complaints) = (Rates::new(BURST, EACH), Seen::new(), Complaints::default());
        Self { hooks, nobody: Arc::new(Hook::new(NOBODY, vec![])), rates, seen, complaints }
    }

    async fn listen(&self, from: IpAddr, name: &str, request: Request) -> Result<(StatusCode, Json<Heard>), Refusal> {
        if !self.rates.take(from, name, Instant::now()) {
            let title = "there were too many deliveries; the repository is polled all the same";
            return Err(Problem::new(429, "hooks.too-many", title).into());
        }
        plain_json(&request)?;
        let (parts, body) = request.into_parts();
        let body = read(body, LARGEST).await?;
        let (repository, hook) = self.genuine(name, &parts.headers, &body)?;
        self.take(&repository, &hook, &parts.headers, &body)
    }

    /// Returns whose delivery it is. Nothing of it was parsed until here, and whatever is wrong is answered alike.
    fn genuine(&self, name: &str, headers: &HeaderMap, body: &Bytes) -> Result<(Name, Arc<Hook>), Refusal> {
        let known = self.hooks.hook(name);
        let hook = known.as_ref().map_or(&self.nobody, |(_, hook)| hook);
        let signed = signature::holds(headers, body, hook, self.hooks.now());
        known.filter(|_| signed).ok_or_else(|| {
            let title = "this is not signed with the secret of a webhook that is heard here";
            Problem::new(403, "hooks.signature", title).into()
        })
    }

    fn take(
        &self,
        repository: &Name,
        hook: &Hook,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<(StatusCode, Json<Heard>), Refusal> {
        let (status, result) = match Event::of(headers) {
            Event::Ping => (StatusCode::OK, "pong"),
            Event::Other => (StatusCode::OK, "ignored"),
            Event::News => {
                let odd = || Problem::new(400, "hooks.payload", "expected JSON with the full name of a repository");
                let names = payload::names(body).ok_or_else(odd)?;
                if !names.iter().all(|name| hook.is_named(name)) {
                    let title = "this is about another repository than those that the webhook is declared for";
                    return Err(Problem::new(422, "hooks.repository", title).into());
                }
                if payload::id(headers).is_some_and(|id| !self.seen.is_new(repository.as_str(), id)) {
                    (StatusCode::OK, "seen")
                } else {
                    self.hooks.look(repository);
                    (StatusCode::ACCEPTED, "look")
                }
            }
        };
        Ok((status, Json(Heard { result })))
    }

    /// Tells the log, now and then. A name that nobody declared is a stranger's text, and stays out.
    fn complain(&self, from: IpAddr, name: &str, code: &str) {
        let Some(count) = self.complaints.another(Instant::now()) else { return };
        let known = self.hooks.hook(name);
        let repository = known.as_ref().map(|(name, _)| name.as_str());
        let event = event::WEBHOOK_REFUSED.name;
        tracing::warn!(event, code, from = %from, repository, "refused deliveries of webhooks: {count}; this is the last");
    }
}

pub(super) async fn deliver(
    State(ear): State<Arc<Ear>>,
    ConnectInfo(peer): ConnectInfo<Peer<IpAddr>>,
    name: Named,
    request: Request,
) -> Response {
    // What is no text is no name either.
    let name = name.map(|name| name.0).unwrap_or_default();
    let heard = ear.listen(peer.who, &name, request).await;
    ear.hooks.answer(heard.as_ref().map_or_else(Refusal::code, |(_, Json(heard))| heard.result));
    heard.inspect_err(|refusal| ear.complain(peer.who, &name, refusal.code())).into_response()
}

/// Refuses what no Git host sends that is set up right, before a byte of the body is read.
fn plain_json(request: &Request) -> Result<(), Refusal> {
    plain(request.headers())?;
    if !is_json(request.headers()) {
        let problem = Problem::new(415, "api.media-type", "expected a body of application/json");
        return Err(problem.hint("choose application/json as the content type of the webhook").into());
    }
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LARGEST as u64) {
        let title = format!("expected a body of at most {LARGEST} bytes");
        return Err(Problem::new(413, "api.body-too-large", title).into());
    }
    Ok(())
}
