use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use tokio_util::sync::CancellationToken;

use super::access::{self, Access};
use super::conditional::conditional;
use super::events::Readers;
use super::health;
use super::listener::Listening;
use super::once::{Kept, once};
use super::remote::{self, Gate};
use super::stream::{Door, Entrance, Peer};
use super::{Daemon, Socket, login, routes};
use crate::agent::Face;

/// After the word to stop, callers who still read their answer get this long.
const FAREWELL: Duration = Duration::from_secs(10);

/// What every handler sees.
#[derive(Clone)]
pub(super) struct Service {
    pub daemon: Arc<dyn Daemon>,
    pub access: Arc<Access>,
    pub kept: Arc<Kept>,
    pub readers: Readers,
}

/// Answers at `socket` until `shutdown` is cancelled and the requests at hand are answered; removes the socket then.
pub async fn serve(mut socket: Socket, daemon: Arc<dyn Daemon>, shutdown: CancellationToken) {
    let Some(listener) = socket.take() else { return };
    let service = Service::new(daemon, socket.access.clone());
    let who = from_fn_with_state(service.clone(), access::local);
    answer(listener, app(service, |routes| routes.layer(who)), shutdown).await;
}

/// The daemon, as those see it who come from elsewhere.
pub struct Elsewhere {
    pub daemon: Arc<dyn Daemon>,
    /// The group whose members may do everything at the socket: robots of theirs may as much as they do.
    pub group: Option<String>,
    pub face: Arc<Face>,
}

/// Answers over TCP until `shutdown` is cancelled and the requests at hand are answered.
pub async fn serve_elsewhere(listening: Listening, elsewhere: Elsewhere, shutdown: CancellationToken) {
    let Elsewhere { daemon, group, face } = elsewhere;
    let service = Service::new(daemon, Access { group });
    let who = from_fn_with_state(Arc::new(Gate::new(service.clone(), face.clone())), remote::guard);
    let login = login::router(service.clone(), face);
    answer(listening, app(service, |routes| routes.layer(who)).merge(login), shutdown).await;
}

impl Service {
    fn new(daemon: Arc<dyn Daemon>, access: Access) -> Self {
        Self { daemon, access: Arc::new(access), kept: Arc::default(), readers: Readers::default() }
    }
}

/// Returns all routes, and what lies around every one of them. `who` finds out who asks, for all but what tells whether the daemon
/// lives.
fn app(service: Service, who: impl FnOnce(Router<Service>) -> Router<Service>) -> Router {
    let routes = routes::with_fallbacks(routes::router().into());
    let routes = routes.layer(from_fn_with_state(service.clone(), once)).layer(from_fn(conditional));
    who(routes).merge(health::router()).with_state(service)
}

/// Answers whoever comes in until `shutdown` is cancelled and the requests at hand are answered.
pub(super) async fn answer<E: Entrance>(entrance: E, app: Router, shutdown: CancellationToken) {
    let app = app.layer(from_fn(one_request::<E::Who>));
    let stop = shutdown.clone();
    let server = axum::serve(Door::new(entrance), app.into_make_service_with_connect_info::<Peer<E::Who>>())
        .with_graceful_shutdown(async move { stop.cancelled().await });
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    // Both arms only wait: whichever is dropped leaves nothing half-done, since acts run in tasks of their own.
    tokio::select! {
        _ = server => {}
        () = patience => tracing::warn!("callers did not take their answers in time"),
    }
}

/// One connection carries one request: connecting costs nothing on a unix socket and little elsewhere, and every connection
/// then has one deadline for its headers and no idle state.
async fn one_request<W: Clone + Send + Sync + 'static>(
    ConnectInfo(peer): ConnectInfo<Peer<W>>,
    request: Request,
    next: Next,
) -> Response {
    peer.heard.store(true, Ordering::Release);
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
