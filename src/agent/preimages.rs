//! What a person asks of a plan that was carried out.

use std::time::Duration;

use super::desk::SHORTEST_PLAN;
use super::problems::store_problem;
use super::unknown::{no_past_plan, no_preimage};
use crate::audit::{self, Act, Body, Filter, Kind, Record};
use crate::model::view::{PreimageView, PreimagesView};
use crate::model::{Actor, Problem, Time};
use crate::store::{Preimages, Store};

/// Who reads on for so long is told of once.
const ONE_ACT: Duration = Duration::from_hours(1);

/// Returns what a plan overwrote or deleted; an empty list where it was carried out and did neither.
pub(super) async fn view(store: &Store, plan: &str) -> Result<PreimagesView, Problem> {
    if let Some(kept) = find(store, plan).await? {
        let objects = kept.objects.into_iter().map(|one| PreimageView {
            id: one.id,
            action: one.action,
            spec: one.spec,
            place: one.place,
            hidden: one.hidden,
            lost: one.lost,
            withheld: one.withheld,
            gone: one.gone,
        });
        return Ok(PreimagesView {
            plan: kept.plan.to_string(),
            application: Some(kept.application),
            time: Some(kept.time),
            revision: kept.revision,
            url: kept.url,
            layers: kept.layers,
            objects: objects.collect(),
        });
    }
    let intent = audit::intent(store, plan).await.map_err(|error| store_problem(&error))?;
    let application = intent.ok_or_else(|| no_past_plan(plan))?.application;
    Ok(PreimagesView {
        plan: plan.to_owned(),
        application,
        time: None,
        revision: None,
        url: String::new(),
        layers: vec![],
        objects: vec![],
    })
}

/// Returns the content of one pre-image, and what it is one of.
pub(super) async fn content(store: &Store, plan: &str, number: usize) -> Result<(Preimages, Vec<u8>), Problem> {
    let kept = find(store, plan).await?.ok_or_else(no_preimage)?;
    let one = kept.objects.get(number).filter(|one| one.lost.is_none()).ok_or_else(no_preimage)?;
    let digest = one.spec.as_ref().and_then(|spec| spec.contents().first()).ok_or_else(no_preimage)?;
    let bytes = store.content(digest).await.map_err(|error| store_problem(&error))?;
    let bytes = bytes.ok_or_else(no_preimage)?.to_vec();
    Ok((kept, bytes))
}

/// Whether the trail tells already that this person reads what a plan overwrote: `restore` asks for one content after the
/// other, and that is one act.
pub(super) async fn is_told(store: &Store, of: &Preimages, actor: &Actor, now: Time) -> Result<bool, Problem> {
    let filter = Filter {
        application: Some(of.application.clone()),
        kinds: vec![Kind::Act],
        newest_first: true,
        limit: 50,
        ..Filter::default()
    };
    let acts = audit::each(store, &filter).await.map_err(|error| store_problem(&error))?;
    let tells = |record: &Record| {
        matches!(&record.body, Some(Body::Act(body)) if body.act == Act::Read)
            && record.plan == Some(of.plan)
            && record.actor.principal() == actor.principal()
            && now.since(record.time) < ONE_ACT
    };
    Ok(acts.iter().any(|(_, record)| record.as_ref().is_ok_and(tells)))
}

/// A plan that was carried out several times found the same each time: its id covers what was there.
async fn find(store: &Store, plan: &str) -> Result<Option<Preimages>, Problem> {
    let hexadecimal = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    if plan.len() < SHORTEST_PLAN || !plan.bytes().all(hexadecimal) {
        let problem =
            Problem::new(400, "plan.too-short", "a plan is named by its id, or by 8 or more of its first digits");
        return Err(problem.hint("`trueup history APP` names the plans of an application"));
    }
    let mut found = store.preimages(plan).await.map_err(|error| store_problem(&error))?;
    if found.iter().any(|other| other.plan != found[0].plan) {
        return Err(Problem::new(409, "plan.ambiguous", format!("more than one plan begins with {plan}")));
    }
    Ok(if found.is_empty() { None } else { Some(found.remove(0)) })
}
