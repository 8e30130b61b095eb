//! Which request asks for what.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Router;

use super::{
    adopt, agree, approve, break_glass, break_glass_requests, close, destroy, edits, explain, go_back,
    open_break_glass, plan, policies, preimage, preimages, reject, resume, status, suspend, sync, test_notification,
};
use crate::api::answer::Refusal;
use crate::api::contract::{APPLICATION, BREAK_GLASS, Family, PLAN, REFUSED, openapi, says};
use crate::api::serve::Service;
use crate::api::{audit, events, metrics, tokens};
use crate::model::Problem;

pub(in crate::api) fn router() -> ApiRouter<Service> {
    reads().merge(acts()).merge(audit::router()).merge(events::router()).merge(tokens::router())
}

/// Returns the routes, with those that are no part of the contract and what is answered where there is none.
pub(in crate::api) fn with_fallbacks(routes: Router<Service>) -> Router<Service> {
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
