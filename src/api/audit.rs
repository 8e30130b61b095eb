//! What may be asked of the trail.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::RecordQuery;
use super::access::{Caller, Overseer};
use super::answer::{Answer, Body8M, Body64, Refusal};
use super::contract::{Family, RECORD, says};
use super::page::{Page, bounded};
use super::routes::{Asked, Named, act, asked, path};
use super::serve::Service;
use crate::audit::{Given, Item, Proof, Report, Segment};
use crate::config::Span;
use crate::model::{Actor, Deed, Name, PlanId, Problem, Revision, Time};

/// What alone takes a large body.
pub(super) const VERIFY: &str = "/v1/audit/verify";

pub(super) fn router() -> ApiRouter<Service> {
    const ASKED: &[Family] = &[(400, &["api.reason"])];
    const KEPT: &[Family] = &[(409, &["trail.no-archive"])];
    const GROWN: &[Family] = &[(400, &["checkpoint.invalid"]), (409, &["trail.*"])];
    const ERASED: &[Family] = &[(409, &["break-glass.open", "record.erased", "record.upkeep"])];
    const SIGNED: &[Family] = &[(409, &["trail.*"])];
    let one_record = says("getRecord", "One record.", &[RECORD]);
    let proven = says("proveRecord", "Proves that a record is among those that a checkpoint covers.", &[RECORD]);
    let verified = says("verifyTrail", "Reads the whole trail and says what is wrong with it.", &[]);
    let exported = says("exportTrail", "Records as they are hashed, with all that verifies them elsewhere.", &[]);
    let grown = says("proveGrowth", "Proves that the trail has only grown since a checkpoint.", &[GROWN]);
    let erased = says("eraseRecord", "Erases the payload of a record for ever.", &[RECORD, ASKED, ERASED]);
    ApiRouter::new()
        .api_route(
            "/v1/audit/records",
            get_with(records, says("listRecords", "Records of the trail, newest first.", &[])),
        )
        .api_route("/v1/audit/records/{sequence}", get_with(record, one_record))
        .api_route("/v1/audit/records/{sequence}/proof", get_with(proof, proven))
        .api_route("/v1/audit/records/{sequence}/erase", post_with(erase, erased))
        .api_route(VERIFY, post_with(verify, verified))
        .api_route("/v1/audit/export", get_with(export, exported))
        .api_route("/v1/audit/growth", post_with(growth, grown))
        .api_route(
            "/v1/audit/rotate-key",
            post_with(rotate_key, says("rotateKey", "Signs by another key from now on.", &[SIGNED])),
        )
        .api_route(
            "/v1/audit/archive",
            post_with(archive, says("archive", "Moves old records into the archive.", &[KEPT])),
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    /// Only records with a larger number.
    #[serde(default)]
    #[schemars(range(max = u64::MAX))]
    after: u64,
    /// Say first how it begins, where it is a part.
    #[serde(default)]
    begins: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Growth {
    /// A checkpoint, as a note.
    old: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    reason: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Archiving {
    older: Option<Span>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Erasure {
    /// All that is left of what was said there.
    #[schemars(regex(pattern = r"\S"))]
    reason: String,
}

/// A record of the trail as it was written, by whichever version.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
struct Record(#[schemars(with = "Shape")] Value);

/// One record of the trail. Each kind has a body of its own, which `docs/operations.md` tells of and later versions add to.
#[derive(JsonSchema)]
#[schemars(rename = "Record")]
#[expect(dead_code, reason = "it is never made, it only describes")]
struct Shape {
    /// Its place in the trail, from 1. The order is this, never the time.
    seq: u64,
    time: Time,
    kind: String,
    application: Option<Name>,
    revision: Option<Revision>,
    plan: Option<PlanId>,
    /// Which execution it is of.
    sync: Option<String>,
    actor: Actor,
    /// `null` once it was erased.
    body: Option<Map<String, Value>>,
}

async fn records(
    State(service): State<Service>,
    caller: Caller,
    query: Asked<RecordQuery>,
) -> Result<Page<Record>, Refusal> {
    let mut query = asked(query)?;
    query.of = caller.seen();
    let (limit, upwards) = (bounded(query.limit)?, query.after.is_some());
    let filter = query.application.as_ref().map(|name| format!("&application={name}")).unwrap_or_default();
    let records = service.daemon.records(query).await?;
    // A page that is not full is the last one.
    let full = records.len() == limit as usize;
    let last = records.last().and_then(|record| record["seq"].as_u64()).filter(|_| full);
    let on = if upwards { "after" } else { "before" };
    let next = last.map(|last| format!("{on}={last}&limit={limit}{filter}"));
    Ok(Page::new(records.into_iter().map(Record).collect(), next))
}

async fn record(caller: Caller, sequence: Named) -> Answer<Record> {
    Ok(Json(Record(caller.record(number(sequence)?).await?)))
}

async fn proof(State(service): State<Service>, caller: Caller, sequence: Named) -> Answer<Proof> {
    let sequence = number(sequence)?;
    caller.record(sequence).await?;
    Ok(Json(service.daemon.prove(sequence).await?))
}

/// Changes nothing, though it is a POST: what it is asked with does not fit into an address.
async fn verify(State(service): State<Service>, _: Overseer, Body8M(given): Body8M<Given>) -> Answer<Report> {
    Ok(Json(service.daemon.verify(given).await?))
}

async fn growth(State(service): State<Service>, caller: Caller, Body64(growth): Body64<Growth>) -> Answer<Proof> {
    caller.everywhere(Deed::SeeEverything)?;
    Ok(Json(service.daemon.prove_growth(&growth.old).await?))
}

async fn export(
    State(service): State<Service>,
    caller: Caller,
    query: Asked<ExportQuery>,
) -> Result<Page<Item>, Refusal> {
    caller.everywhere(Deed::SeeEverything)?;
    let query = asked(query)?;
    let items = service.daemon.export(query.after, query.begins).await?;
    // What ends with the head is the end.
    let next = items.iter().rev().find_map(Item::record).map(|last| format!("after={}", last.seq));
    Ok(Page::new(items, next))
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
