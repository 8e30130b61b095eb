//! What may be asked of the trail.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use super::RecordQuery;
use super::access::Caller;
use super::answer::{Answer, Body8M, Body64, Refusal};
use super::routes::{Asked, Named, act, asked, path};
use super::serve::Service;
use crate::audit::{Given, Item, Proof, Report, Segment};
use crate::config::Span;
use crate::model::{Deed, Problem};

pub(super) fn router() -> Router<Service> {
    Router::new()
        .route("/v1/audit/records", get(records))
        .route("/v1/audit/records/{sequence}", get(record))
        .route("/v1/audit/records/{sequence}/proof", get(proof))
        .route("/v1/audit/verify", post(verify))
        .route("/v1/audit/export", get(export))
        .route("/v1/audit/growth", post(growth))
        .route("/v1/audit/rotate-key", post(rotate_key))
        .route("/v1/audit/archive", post(archive))
        .route("/v1/audit/records/{sequence}/erase", post(erase))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    begins: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Growth {
    /// A checkpoint, as a note.
    old: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Archiving {
    older: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Erasure {
    reason: String,
}

async fn records(State(service): State<Service>, caller: Caller, query: Asked<RecordQuery>) -> Answer<Vec<Value>> {
    let mut query = asked(query)?;
    query.of = caller.seen();
    query.limit = query.limit.clamp(1, RecordQuery::MOST);
    Ok(Json(service.daemon.records(query).await?))
}

async fn record(caller: Caller, sequence: Named) -> Answer<Value> {
    Ok(Json(caller.record(number(sequence)?).await?))
}

async fn proof(State(service): State<Service>, caller: Caller, sequence: Named) -> Answer<Proof> {
    let sequence = number(sequence)?;
    caller.record(sequence).await?;
    Ok(Json(service.daemon.prove(sequence).await?))
}

/// Changes nothing, though it is a POST: what it is asked with does not fit into an address.
async fn verify(State(service): State<Service>, caller: Caller, Body8M(given): Body8M<Given>) -> Answer<Report> {
    caller.everywhere(Deed::SeeEverything)?;
    Ok(Json(service.daemon.verify(given).await?))
}

async fn growth(State(service): State<Service>, caller: Caller, Body64(growth): Body64<Growth>) -> Answer<Proof> {
    caller.everywhere(Deed::SeeEverything)?;
    Ok(Json(service.daemon.prove_growth(&growth.old).await?))
}

async fn export(State(service): State<Service>, caller: Caller, query: Asked<ExportQuery>) -> Answer<Vec<Item>> {
    caller.everywhere(Deed::SeeEverything)?;
    let query = asked(query)?;
    Ok(Json(service.daemon.export(query.after, query.begins).await?))
}

async fn rotate_key(State(service): State<Service>, caller: Caller, Body64(body): Body64<Rotation>) -> Answer<String> {
    caller.everywhere(Deed::KeepTrail)?;
    act(service, async move |daemon| daemon.rotate_key(body.reason, caller.actor).await).await
}

async fn archive(
    State(service): State<Service>,
    caller: Caller,
    Body64(body): Body64<Archiving>,
) -> Answer<Vec<Segment>> {
    caller.everywhere(Deed::KeepTrail)?;
    act(service, async move |daemon| daemon.archive(body.older, caller.actor).await).await
}

async fn erase(
    State(service): State<Service>,
    caller: Caller,
    sequence: Named,
    Body64(body): Body64<Erasure>,
) -> Answer<()> {
    let sequence = number(sequence)?;
    caller.everywhere(Deed::KeepTrail)?;
    act(service, async move |daemon| daemon.erase(sequence, &body.reason, caller.actor).await).await
}

fn number(sequence: Named) -> Result<u64, Refusal> {
    let wrong = |_| Problem::new(400, "api.path", "a record is named by its number").into();
    path(sequence)?.parse().map_err(wrong)
}
