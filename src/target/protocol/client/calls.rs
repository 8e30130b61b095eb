//! What is said of each call over one connection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use super::unexpected;
use crate::model::{Complete, Contents, Digest, Health, Inventory, ObjectId, Previews, Spec};
use crate::target::protocol::ProtocolError;
use crate::target::protocol::content::{self, Gathering};
use crate::target::protocol::convert::{is_secret, step_to_do};
use crate::target::protocol::link::{Asked as Request, Broken, Link};
use crate::target::protocol::message::{Called, Chunk, FromAdapter, Owned, Previewed, ToAdapter, Written};
use crate::target::{Asked, Batch, Bell, Call, Interest, Outcomes, StepOutcome, TargetError};

pub(super) async fn recover(link: &Link, call: &Call, owned: &[ObjectId]) -> Result<(), Broken> {
    let mut asked = link.ask(call, |id| ToAdapter::Recover { id, call: Called::from(call) }).await?;
    follow(&mut asked, owned).await?;
    match asked.next().await? {
        FromAdapter::End { .. } => Ok(()),
        _ => Err(unexpected("a recover has no items")),
    }
}

fn bare(id: u64, object: &ObjectId, spec: Option<&Spec>) -> ToAdapter {
    ToAdapter::Object { id, object: object.clone(), spec: spec.map(Written::from), owned: None }
}

pub(super) async fn preview(
    link: &Link,
    call: &Call,
    desired: &Complete,
    owned: &Inventory,
) -> Result<Previews, Broken> {
    let mut asked = link.ask(call, |id| ToAdapter::Preview { id, call: Called::from(call), live: true }).await?;
    let id = asked.id;
    let objects: BTreeSet<&ObjectId> = desired.objects.keys().chain(owned.objects.keys()).collect();
    for object in &objects {
        let spec = desired.objects.get(object).map(Written::from);
        let owned = owned.objects.get(object).map(Owned::from);
        asked.say(&ToAdapter::Object { id, object: (*object).clone(), spec, owned }).await?;
    }
    asked.end(objects.len() as u64).await?;
    let (mut previews, mut came, mut contents) = (Previews::default(), 0, Contained::default());
    loop {
        match asked.next().await? {
            FromAdapter::Chunk(chunk) => contents.take(&chunk)?,
            FromAdapter::Preview(preview) => {
                came += 1;
                let content = contents.of(&preview)?;
                let spec = desired.objects.get(&preview.object);
                previews.items.push(preview.preview(spec, content));
            }
            FromAdapter::Run { object, spec, .. } => {
                came += 1;
                previews.runs.insert(object, spec.into());
            }
            FromAdapter::End { items, artifact, precondition, .. } => {
                if items != came {
                    return Err(unexpected("the count of a preview is not what came"));
                }
                (previews.artifact, previews.precondition) = (artifact, precondition);
                return whole(previews, desired, &objects);
            }
            _ => return Err(unexpected("a preview has other items")),
        }
    }
}

/// An object that was left out would look like one that is as it should be; one that nobody named is nobody's.
fn whole(previews: Previews, desired: &Complete, asked: &BTreeSet<&ObjectId>) -> Result<Previews, Broken> {
    let told: BTreeSet<&ObjectId> = previews.items.iter().map(|item| &item.id).collect();
    if told.len() != previews.items.len() {
        return Err(unexpected("it previews an object twice"));
    }
    if let Some(id) = desired.objects.keys().find(|id| !told.contains(id)) {
        return Err(unexpected(&format!("it says nothing of {id}")));
    }
    if let Some(id) = told.iter().find(|id| !asked.contains(*id) && !previews.runs.contains_key(**id)) {
        return Err(unexpected(&format!("it previews {id}, which nobody named")));
    }
    Ok(previews)
}

/// Contents on their way to the preview that names them.
#[derive(Default)]
struct Contained {
    coming: Option<Gathering>,
    whole: HashMap<Digest, Arc<[u8]>>,
}

impl Contained {
    fn take(&mut self, chunk: &Chunk) -> Result<(), Broken> {
        let wrong = |error: ProtocolError| unexpected(&error.to_string());
        let gathering = self.coming.get_or_insert_with(|| Gathering::of(chunk.digest));
        if let Some(bytes) = gathering.take(chunk).map_err(wrong)? {
            self.coming = None;
            self.whole.insert(chunk.digest, bytes);
        }
        Ok(())
    }

    fn of(&mut self, preview: &Previewed) -> Result<Option<Arc<[u8]>>, Broken> {
        let Some(digest) = preview.content() else { return Ok(None) };
        let content = self.whole.remove(&digest);
        content.map(Some).ok_or_else(|| unexpected("a content did not come before its preview"))
    }
}

pub(super) async fn apply(
    link: &Link,
    call: &Call,
    batch: &Batch<'_>,
    outcomes: &Outcomes,
    told: &std::sync::Mutex<BTreeSet<usize>>,
) -> Result<(), Broken> {
    let (plan, artifact, precondition) = (batch.plan, batch.artifact, batch.precondition);
    let first = |id| ToAdapter::Apply { id, call: Called::from(call), plan, artifact, precondition };
    let mut asked = link.ask(call, first).await?;
    for act in &batch.acts {
        asked.say(&ToAdapter::Step(Box::new(step_to_do(asked.id, &call.sync, act)))).await?;
    }
    asked.end(batch.acts.len() as u64).await?;
    let mut came = 0;
    loop {
        match asked.next().await {
            Ok(FromAdapter::Need { digest, .. }) => give(&asked, batch, digest).await?,
            Ok(FromAdapter::Outcome { number, done, error, .. }) => {
                came += 1;
                let result = match (done, error) {
                    (Some(done), None) => Ok(done.into()),
                    (None, Some(error)) => Err(Arc::new(error.into())),
                    _ => return Err(unexpected("an outcome is either done or an error")),
                };
                let new = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(number);
                if new {
                    // Nobody listens only where the caller is gone.
                    let _ = outcomes.send(StepOutcome { number, result });
                }
            }
            Ok(FromAdapter::End { items, .. }) if items == came && came == batch.acts.len() as u64 => return Ok(()),
            Ok(_) => return Err(doubt("the adapter does not say how every step ended")),
            // It had everything and said nothing: it may have acted.
            Err(Broken::Target(TargetError::Unavailable { doing, source: None })) if late(call) => {
                return Err(doubt(&doing));
            }
            Err(broken) => return Err(broken),
        }
    }
}

fn late(call: &Call) -> bool {
    Instant::now() >= call.deadline
}

fn doubt(doing: &str) -> Broken {
    TargetError::InDoubt { doing: doing.into(), source: None }.into()
}

/// Sends a content that the adapter asks for, if a step of the batch names it: an adapter gets no other.
async fn give(asked: &Request<'_>, batch: &Batch<'_>, digest: Digest) -> Result<(), Broken> {
    let id = asked.id;
    let mut specs = batch.acts.iter().filter_map(|act| act.spec);
    let named = specs.find(|spec| spec.contents().contains(&digest));
    if named.is_none() && batch.artifact != Some(digest) {
        let reason = "no step of this request names it".into();
        return asked.say(&ToAdapter::Lacking { id, digest, reason }).await;
    }
    let contents: Arc<dyn Contents> = batch.contents.clone();
    let read = tokio::task::spawn_blocking(move || contents.read(&digest)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            let reason = crate::model::chain(&error);
            return asked.say(&ToAdapter::Lacking { id, digest, reason }).await;
        }
        Err(error) => return asked.say(&ToAdapter::Lacking { id, digest, reason: error.to_string() }).await,
    };
    for chunk in content::chunks(id, digest, &bytes, named.is_some_and(is_secret)) {
        asked.say(&ToAdapter::Chunk(chunk)).await?;
    }
    Ok(())
}

pub(super) async fn health(link: &Link, call: &Call, objects: &[Asked<'_>]) -> Result<Vec<Health>, Broken> {
    let mut asked = link.ask(call, |id| ToAdapter::Health { id, call: Called::from(call) }).await?;
    for object in objects {
        asked.say(&bare(asked.id, object.id, object.spec)).await?;
    }
    asked.end(objects.len() as u64).await?;
    let mut health = BTreeMap::new();
    loop {
        match asked.next().await? {
            FromAdapter::Health { object, state, message, .. } => {
                health.insert(object.clone(), Health { id: object, state, message });
            }
            FromAdapter::End { items, .. } if items == health.len() as u64 => break,
            _ => return Err(unexpected("a health has other items, or not as many as it says")),
        }
    }
    let found = objects.iter().map(|object| health.remove(object.id)).collect::<Option<Vec<_>>>();
    found.ok_or_else(|| unexpected("it does not say how every object is"))
}

pub(super) async fn watch(link: &Link, call: &Call, mut interest: Interest, bell: Bell) -> Result<(), Broken> {
    let mut asked = link.ask(call, |id| ToAdapter::Watch { id, call: Called::from(call) }).await?;
    let mut now = interest.borrow_and_update().clone();
    follow(&mut asked, &now).await?;
    loop {
        // Both arms are cancel-safe: a line or a change is taken only by the arm that completes.
        let event = tokio::select! {
            event = asked.next() => event?,
            changed = interest.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                now = interest.borrow_and_update().clone();
                follow(&mut asked, &now).await?;
                continue;
            }
        };
        let rung = match event {
            FromAdapter::Ring { .. } if asked.lost_rings() => now.to_vec(),
            FromAdapter::Ring { objects, .. } => objects,
            FromAdapter::End { .. } => return Ok(()),
            _ => return Err(unexpected("a watch only rings")),
        };
        if bell.send(rung).await.is_err() {
            return Ok(());
        }
    }
}

async fn follow(asked: &mut Request<'_>, objects: &[ObjectId]) -> Result<(), Broken> {
    for object in objects {
        asked.say(&bare(asked.id, object, None)).await?;
    }
    asked.end(objects.len() as u64).await
}
