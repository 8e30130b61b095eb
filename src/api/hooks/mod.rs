//! Webhooks of Git hosts: `POST /hooks/{repository}` makes the poller of that repository look now, and nothing else.
//!
//! # Guarantees
//! Nothing of a delivery is parsed before it was found to be signed with the repository's own secret, and nothing of it is used
//! but the name of its repository, to see that it is meant. A repository that is not declared, one without a webhook and a wrong
//! signature cost and answer the same. Memory and work for whoever may connect are bounded. A delivery leaves no record: what a
//! sync finds does.

mod delivery;
mod payload;
mod seen;
mod signature;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use tokio_util::sync::CancellationToken;

use super::answer::Refusal;
use super::listener::Listening;
use super::serve::answer;
use crate::agent::Hooks;
use crate::model::Problem;

/// Hears deliveries until `shutdown` is cancelled and those at hand are answered.
pub async fn hear(listening: Listening, hooks: Arc<Hooks>, shutdown: CancellationToken) {
    let ear = Arc::new(delivery::Ear::new(hooks));
    let nothing = async || Refusal::from(Problem::new(404, "api.not-found", "there is nothing at this address"));
    let method = async || Refusal::from(Problem::new(405, "api.method", "this address takes POST alone"));
    let router = Router::new().route("/hooks/{repository}", post(delivery::deliver));
    let router = router.fallback(nothing).method_not_allowed_fallback(method);
    answer(listening, router.with_state(ear), shutdown).await;
}
