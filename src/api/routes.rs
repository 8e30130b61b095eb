//! Which request asks for what.

use std::future::Future;
use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::answer::{Answer, Body64, Refusal};
use super::contract::{APPLICATION, BREAK_GLASS, Family, PLAN, REFUSED, openapi, says};
use super::page::{Page, Part};
use super::serve::Service;
use super::{Daemon, audit, events, metrics, tokens};
use crate::model::view::{
    ApplicationStatus, BreakGlassAsked, BreakGlassView, Edits, NotifyReport, PlanView, PolicyListed, PolicyView,
    PreimagesView, Status, SyncReport,
};
use crate::model::{Deed, Problem};

pub(super) fn router() -> ApiRouter<Service> {
    reads().merge(acts()).merge(audit::router()).merge(events::router()).merge(tokens::router())
}

/// Returns the routes, with those that are no part of the contract and what is answered where there is none.
pub(super) fn with_fallbacks(routes: Router<Service>) -> Router<Service> {
    routes
        .merge(metrics::router())
        .fallback(async || Refusal::from(Problem::new(404, "api.not-found", "there is nothing at this address")))
        .method_not_allowed_fallback(async || {
            Refusal::from(Problem::new(405, "api.method", "this address does not answer to that method"))
        })
}

fn reads() -> ApiRouter<Service> {
    let one_plan = says("getPlan", "What a sync would do now.", &[APPLICATION, REFUSED]);
    let explained =
        says("explainPolicies", "What each policy says of the plan that would run.", &[APPLICATION, REFUSED]);
    let overwritten = says("getPreimages", "What a plan overwrote or deleted.", &[PLAN]);
    let content = says("getPreimage", "The content of one of them.", &[PLAN, &[(404, &["preimage.unknown"])]]);
    ApiRouter::new()
        .api_route("/v1/openapi.json", get_with(openapi, says("getDescription", "This document.", &[])))
        .api_route("/v1/status", get_with(status, says("getStatus", "The whole daemon at a glance.", &[])))
        .api_route("/v1/applications/{name}/plan", get_with(plan, one_plan))
        .api_route("/v1/applications/{name}/policies", get_with(explain, explained))
        .api_route("/v1/policies", get_with(policies, says("listPolicies", "Every policy in force.", &[])))
        .api_route(
            "/v1/break-glass",
            get_with(break_glass, says("listBreakGlass", "Open, or ended within 30 days.", &[])),
        )
        .api_route(
            "/v1/break-glass/requests",
            get_with(break_glass_requests, says("listBreakGlassRequests", "What Git asks for.", &[])),
        )
        .api_route("/v1/plans/{plan}/preimages", get_with(preimages, overwritten))
        .api_route("/v1/plans/{plan}/preimages/{number}", get_with(preimage, content))
}

fn acts() -> ApiRouter<Service> {
    const GONE: &[Family] = &[(409, &["break-glass.ended"])];
    const AGREED: &[Family] =
        &[(403, &["break-glass.forbidden"]), (404, &["policy.unknown"]), (409, &["break-glass.same-person"])];
    const OPENED: &[Family] = &[
        (400, &["break-glass.asked"]),
        (403, &["break-glass.forbidden"]),
        (404, &["application.unknown", "break-glass.no-request", "policy.unknown"]),
    ];
    const ORPHAN: &[Family] = &[(409, &["application.declared", "destroy.running", "target.unknown"])];
    const STALE: &[Family] = &[
        (404, &["application.unknown"]),
        (409, &["plan.stale", "destroy.running", "application.declared", "target.unknown"]),
    ];
    const SINK: &[Family] = &[(404, &["notification.unknown"]), (502, &["notify.*"])];
    ApiRouter::new()
        .api_route("/v1/applications/{name}/sync", post_with(sync, says("sync", "Syncs now.", &[APPLICATION])))
        .api_route(
            "/v1/applications/{name}/adopt",
            post_with(
                adopt,
                says(
                    "adopt",
                    "Takes what was found at first contact.",
                    &[APPLICATION, &[(409, &["plan.stale", "guard.*"])]],
                ),
            ),
        )
        .api_route(
            "/v1/applications/{name}/destroy",
            post_with(
                destroy,
                says(
                    "destroy",
                    "Takes away what is left of one that is declared no more.",
                    &[APPLICATION, ORPHAN, REFUSED],
                ),
            ),
        )
        .api_route(
            "/v1/applications/{name}/rollback",
            post_with(
                go_back,
                says(
                    "rollback",
                    "Goes back to what was good before, once that plan is approved, while the Git host is out of reach.",
                    &[APPLICATION, REFUSED],
                ),
            ),
        )
        .api_route(
            "/v1/applications/{name}/suspend",
            post_with(suspend, says("suspend", "Leaves it alone until it is resumed.", &[APPLICATION])),
        )
        .api_route("/v1/applications/{name}/resume", post_with(resume, says("resume", "Ends that.", &[APPLICATION])))
        .api_route(
            "/v1/break-glass",
            post_with(open_break_glass, says("openBreakGlass", "Opens one, or what Git asks for.", &[OPENED])),
        )
        .api_route(
            "/v1/break-glass/{id}/agree",
            post_with(
                agree,
                says("agreeBreakGlass", "Says that somebody else's is right.", &[BREAK_GLASS, GONE, AGREED]),
            ),
        )
        .api_route(
            "/v1/break-glass/{id}/close",
            post_with(close, says("closeBreakGlass", "Ends it.", &[BREAK_GLASS, GONE])),
        )
        .api_route(
            "/v1/break-glass/{id}/edits",
            post_with(
                edits,
                says("readEdits", "What was edited by hand under it.", &[BREAK_GLASS, APPLICATION, REFUSED]),
            ),
        )
        .api_route(
            "/v1/plans/{plan}/approve",
            post_with(approve, says("approve", "Lets a held plan through, once.", &[PLAN, STALE, REFUSED])),
        )
        .api_route(
            "/v1/plans/{plan}/reject",
            post_with(reject, says("reject", "Says no to a held plan.", &[PLAN, STALE])),
        )
        .api_route(
            "/v1/notifications/{name}/test",
            post_with(test_notification, says("testNotification", "Sends a test message.", &[SINK])),
        )
}

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
