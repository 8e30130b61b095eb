//! The daemon in numbers, for those who see everything: each series names what is declared.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::routing::get;

use super::access::Caller;
use super::answer::Refusal;
use super::serve::Service;
use crate::model::Deed;

/// OpenMetrics 1.0, which Prometheus has asked for since 2.5.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn router() -> Router<Service> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(
    State(service): State<Service>,
    caller: Caller,
) -> Result<([(HeaderName, &'static str); 1], String), Refusal> {
    caller.everywhere(Deed::SeeEverything)?;
    Ok(([(header::CONTENT_TYPE, FORMAT)], service.daemon.metrics().await?))
}
