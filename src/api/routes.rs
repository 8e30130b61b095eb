//! Which request asks for what.

use std::future::Future;
use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::access::Acting;
use super::answer::{Answer, Body64, Refusal};
use super::serve::Service;
use super::{Daemon, audit};
use crate::model::Problem;
use crate::model::view::{
    ApplicationStatus, BreakGlassAsked, BreakGlassView, Edits, NotifyReport, PlanView, PolicyListed, PolicyView,
    PreimagesView, Status, SyncReport,
};

pub(super) fn router() -> Router<Service> {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/applications/{name}/plan", get(plan))
        .route("/v1/applications/{name}/sync", post(sync))
        .route("/v1/applications/{name}/adopt", post(adopt))
        .route("/v1/applications/{name}/destroy", post(destroy))
        .route("/v1/applications/{name}/rollback", post(go_back))
        .route("/v1/applications/{name}/suspend", post(suspend))
        .route("/v1/applications/{name}/resume", post(resume))
        .route("/v1/applications/{name}/policies", get(explain))
        .route("/v1/policies", get(policies))
        .route("/v1/break-glass", get(break_glass).post(open_break_glass))
        .route("/v1/break-glass/requests", get(break_glass_requests))
        .route("/v1/break-glass/{id}/agree", post(agree))
        .route("/v1/break-glass/{id}/close", post(close))
        .route("/v1/break-glass/{id}/edits", post(edits))
        .route("/v1/plans/{plan}/approve", post(approve))
        .route("/v1/plans/{plan}/reject", post(reject))
        .route("/v1/plans/{plan}/preimages", get(preimages))
        .route("/v1/plans/{plan}/preimages/{number}", get(preimage))
        .route("/v1/notifications/{name}/test", post(test_notification))
        .merge(audit::router())
        .fallback(async || Refusal::from(Problem::new(404, "api.not-found", "there is nothing at this address")))
        .method_not_allowed_fallback(async || {
            Refusal::from(Problem::new(405, "api.method", "this address does not answer to that method"))
        })
}

pub(super) type Named = Result<Path<String>, PathRejection>;
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanQuery {
    revision: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suspension {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejection {
    #[serde(default)]
    reason: Option<String>,
}

/// The body of an act that needs no words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn status(State(service): State<Service>) -> Json<Status> {
    Json(service.daemon.status())
}

async fn plan(State(service): State<Service>, name: Named, query: Asked<PlanQuery>) -> Answer<PlanView> {
    let (name, query) = (path(name)?, asked(query)?);
    Ok(Json(service.daemon.plan(&name, query.revision.as_deref()).await?))
}

async fn sync(
    State(service): State<Service>,
    Acting(actor): Acting,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = path(name)?;
    act(service, async move |daemon| daemon.sync(&name, actor).await).await
}

async fn adopt(
    State(service): State<Service>,
    Acting(actor): Acting,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = path(name)?;
    act(service, async move |daemon| daemon.adopt(&name, actor).await).await
}

async fn destroy(
    State(service): State<Service>,
    Acting(actor): Acting,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = path(name)?;
    act(service, async move |daemon| daemon.destroy(&name, actor).await).await
}

async fn go_back(
    State(service): State<Service>,
    Acting(actor): Acting,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = path(name)?;
    act(service, async move |daemon| daemon.go_back(&name, actor).await).await
}

async fn approve(
    State(service): State<Service>,
    Acting(actor): Acting,
    plan: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let plan = path(plan)?;
    act(service, async move |daemon| daemon.approve(&plan, actor).await).await
}

async fn reject(
    State(service): State<Service>,
    Acting(actor): Acting,
    plan: Named,
    Body64(body): Body64<Rejection>,
) -> Answer<SyncReport> {
    let plan = path(plan)?;
    act(service, async move |daemon| daemon.reject(&plan, body.reason, actor).await).await
}

async fn explain(State(service): State<Service>, name: Named) -> Answer<Vec<PolicyView>> {
    let name = path(name)?;
    Ok(Json(service.daemon.explain(&name).await?))
}

async fn policies(State(service): State<Service>) -> Json<Vec<PolicyListed>> {
    Json(service.daemon.policies().await)
}

async fn break_glass(State(service): State<Service>) -> Json<Vec<BreakGlassView>> {
    Json(service.daemon.break_glass())
}

async fn break_glass_requests(State(service): State<Service>) -> Json<Vec<BreakGlassAsked>> {
    Json(service.daemon.break_glass_requests().await)
}

async fn open_break_glass(
    State(service): State<Service>,
    Acting(actor): Acting,
    Body64(asked): Body64<BreakGlassAsked>,
) -> Answer<BreakGlassView> {
    act(service, async move |daemon| daemon.open_break_glass(asked, actor).await).await
}

async fn agree(
    State(service): State<Service>,
    Acting(actor): Acting,
    id: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<BreakGlassView> {
    let id = path(id)?;
    act(service, async move |daemon| daemon.agree_break_glass(&id, actor).await).await
}

async fn close(
    State(service): State<Service>,
    Acting(actor): Acting,
    id: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<BreakGlassView> {
    let id = path(id)?;
    act(service, async move |daemon| daemon.close_break_glass(&id, actor).await).await
}

/// Looks at the target and keeps what was found, so it is an act.
async fn edits(State(service): State<Service>, Acting(actor): Acting, id: Named) -> Answer<Vec<Edits>> {
    let id = path(id)?;
    act(service, async move |daemon| daemon.edits(&id, actor).await).await
}

/// What was overwritten may be anybody's: who may only read a plan does not see it.
async fn preimages(State(service): State<Service>, Acting(_): Acting, plan: Named) -> Answer<PreimagesView> {
    let plan = path(plan)?;
    Ok(Json(service.daemon.preimages(&plan).await?))
}

async fn preimage(
    State(service): State<Service>,
    Acting(actor): Acting,
    named: Result<Path<(String, usize)>, PathRejection>,
) -> Result<Vec<u8>, Refusal> {
    let Path((plan, number)) = named.map_err(|error| Problem::new(400, "api.path", error.body_text()))?;
    Ok(service.daemon.preimage(&plan, number, actor).await?)
}

async fn suspend(
    State(service): State<Service>,
    Acting(actor): Acting,
    name: Named,
    Body64(body): Body64<Suspension>,
) -> Answer<ApplicationStatus> {
    let name = path(name)?;
    act(service, async move |daemon| daemon.suspend(&name, &body.reason, actor).await).await
}

async fn resume(
    State(service): State<Service>,
    Acting(actor): Acting,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<ApplicationStatus> {
    let name = path(name)?;
    act(service, async move |daemon| daemon.resume(&name, actor).await).await
}

async fn test_notification(
    State(service): State<Service>,
    Acting(actor): Acting,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<NotifyReport> {
    let name = path(name)?;
    act(service, async move |daemon| daemon.test_notification(&name, actor).await).await
}

/// Runs an act to its end in a task of its own: a caller who goes away does not leave it half-done.
pub(super) async fn act<T, F, R>(service: Service, act: F) -> Answer<T>
where
    T: Send + 'static,
    F: FnOnce(Arc<dyn Daemon>) -> R + Send + 'static,
    R: Future<Output = Result<T, Problem>> + Send + 'static,
{
    match tokio::spawn(act(service.daemon)).await {
        Ok(result) => Ok(Json(result?)),
        Err(error) => {
            tracing::error!(error = %error, "an act ended unexpectedly");
            let problem = Problem::new(500, "api.internal", "the daemon failed in the middle of it");
            Err(problem.hint("look at its log, then at `trueup status`").into())
        }
    }
}

pub(super) fn path(name: Named) -> Result<String, Refusal> {
    name.map(|Path(name)| name).map_err(|error| Problem::new(400, "api.path", error.body_text()).into())
}

pub(super) fn asked<T>(query: Asked<T>) -> Result<T, Refusal> {
    query.map(|Query(query)| query).map_err(|error| Problem::new(400, "api.query", error.body_text()).into())
}
