//! What is done about each request.

mod table;

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Daemon;
use super::access::Caller;
use super::answer::{Answer, Body64, Refusal};
use super::page::{Page, Part};
use super::serve::Service;
use crate::model::view::{
    ApplicationStatus, BreakGlassAsked, BreakGlassView, Edits, NotifyReport, PlanView, PolicyListed, PolicyView,
    PreimagesView, Status, SyncReport,
};
use crate::model::{Deed, Problem};

pub(super) use table::{router, with_fallbacks};

pub(super) type Named = Result<Path<String>, PathRejection>;
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlanQuery {
    /// A branch, tag or commit to plan for instead of the followed one; such a plan is never executed.
    #[schemars(length(min = 1))]
    revision: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Suspension {
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rejection {
    #[serde(default)]
    reason: Option<String>,
}

/// The body of an act that needs no words.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

async fn status(State(service): State<Service>, caller: Caller) -> Json<Status> {
    Json(caller.status(service.daemon.status()))
}

async fn plan(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    query: Asked<PlanQuery>,
) -> Answer<PlanView> {
    let (name, query) = (caller.application(&path(name)?, Deed::See)?, asked(query)?);
    Ok(Json(service.daemon.plan(name.as_str(), query.revision.as_deref()).await?))
}

async fn sync(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = caller.application(&path(name)?, Deed::Sync)?;
    act(service, async move |daemon| daemon.sync(name.as_str(), caller.actor).await).await
}

async fn adopt(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = caller.application(&path(name)?, Deed::Adopt)?;
    act(service, async move |daemon| daemon.adopt(name.as_str(), caller.actor).await).await
}

async fn destroy(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = caller.application(&path(name)?, Deed::Destroy)?;
    act(service, async move |daemon| daemon.destroy(name.as_str(), caller.actor).await).await
}

async fn go_back(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let name = caller.application(&path(name)?, Deed::GoBack)?;
    act(service, async move |daemon| daemon.go_back(name.as_str(), caller.actor).await).await
}

async fn approve(
    State(service): State<Service>,
    caller: Caller,
    plan: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<SyncReport> {
    let plan = caller.held(&path(plan)?, Deed::Approve).await?;
    act(service, async move |daemon| daemon.approve(&plan, caller.actor).await).await
}

async fn reject(
    State(service): State<Service>,
    caller: Caller,
    plan: Named,
    Body64(body): Body64<Rejection>,
) -> Answer<SyncReport> {
    let plan = caller.held(&path(plan)?, Deed::Approve).await?;
    act(service, async move |daemon| daemon.reject(&plan, body.reason, caller.actor).await).await
}

async fn explain(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    part: Asked<Part>,
) -> Result<Page<PolicyView>, Refusal> {
    let (name, part) = (caller.application(&path(name)?, Deed::See)?, asked(part)?);
    Page::of(caller.explained(service.daemon.explain(name.as_str()).await?), &part, |policy| policy.name.to_string())
}

async fn policies(
    State(service): State<Service>,
    caller: Caller,
    part: Asked<Part>,
) -> Result<Page<PolicyListed>, Refusal> {
    Page::of(caller.policies(service.daemon.policies().await), &asked(part)?, |policy| policy.name.to_string())
}

async fn break_glass(
    State(service): State<Service>,
    caller: Caller,
    part: Asked<Part>,
) -> Result<Page<BreakGlassView>, Refusal> {
    // Oldest first, as many digits as a time ever has.
    Page::of(caller.glasses(service.daemon.break_glass()), &asked(part)?, |one| {
        format!("{:020}-{}", one.opening.opened.0, one.opening.id)
    })
}

async fn break_glass_requests(
    State(service): State<Service>,
    caller: Caller,
    part: Asked<Part>,
) -> Result<Page<BreakGlassAsked>, Refusal> {
    let name = |asked: &BreakGlassAsked| asked.request.as_ref().map(ToString::to_string).unwrap_or_default();
    Page::of(caller.requests(service.daemon.break_glass_requests().await), &asked(part)?, name)
}

async fn open_break_glass(
    State(service): State<Service>,
    caller: Caller,
    Body64(asked): Body64<BreakGlassAsked>,
) -> Answer<BreakGlassView> {
    let asked = caller.asked(asked).await?;
    act(service, async move |daemon| daemon.open_break_glass(asked, caller.actor).await).await
}

async fn agree(
    State(service): State<Service>,
    caller: Caller,
    id: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<BreakGlassView> {
    let id = path(id)?;
    caller.glass(&id, Deed::AgreeBreakGlass)?;
    act(service, async move |daemon| daemon.agree_break_glass(&id, caller.actor).await).await
}

async fn close(
    State(service): State<Service>,
    caller: Caller,
    id: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<BreakGlassView> {
    let id = path(id)?;
    caller.glass(&id, Deed::CloseBreakGlass)?;
    act(service, async move |daemon| daemon.close_break_glass(&id, caller.actor).await).await
}

/// Looks at the target and keeps what was found, so it is an act.
async fn edits(
    State(service): State<Service>,
    caller: Caller,
    id: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<Vec<Edits>> {
    let id = path(id)?;
    caller.glass(&id, Deed::SeeContents)?;
    act(service, async move |daemon| daemon.edits(&id, caller.actor).await).await
}

/// What was overwritten may be anybody's: who may only read a plan does not see it.
async fn preimages(caller: Caller, plan: Named) -> Answer<PreimagesView> {
    Ok(Json(caller.preimages(&path(plan)?).await?))
}

async fn preimage(
    State(service): State<Service>,
    caller: Caller,
    named: Result<Path<(String, usize)>, PathRejection>,
) -> Result<Vec<u8>, Refusal> {
    let Path((plan, number)) = named.map_err(|error| Problem::new(400, "api.path", error.body_text()))?;
    let plan = caller.preimages(&plan).await?.plan;
    Ok(service.daemon.preimage(&plan, number, caller.actor).await?)
}

async fn suspend(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    Body64(body): Body64<Suspension>,
) -> Answer<ApplicationStatus> {
    let name = caller.application(&path(name)?, Deed::Suspend)?;
    act(service, async move |daemon| daemon.suspend(name.as_str(), &body.reason, caller.actor).await).await
}

async fn resume(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<ApplicationStatus> {
    let name = caller.application(&path(name)?, Deed::Suspend)?;
    act(service, async move |daemon| daemon.resume(name.as_str(), caller.actor).await).await
}

async fn test_notification(
    State(service): State<Service>,
    caller: Caller,
    name: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<NotifyReport> {
    let name = path(name)?;
    caller.notifications()?;
    act(service, async move |daemon| daemon.test_notification(&name, caller.actor).await).await
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
