//! Whether it lives, and whether it does its work, for those who start, restart and balance it. Nobody is asked who they are, and
//! nothing else is told.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::serve::Service;

type Word = (StatusCode, &'static str);

pub(super) fn router() -> Router<Service> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

/// 503 where its tasks make no progress: what the watchdog of systemd ends it for.
async fn alive(State(service): State<Service>) -> Word {
    if service.daemon.is_alive() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "stuck\n") }
}

async fn ready(State(service): State<Service>) -> Word {
    if service.daemon.is_ready() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "unready\n") }
}
