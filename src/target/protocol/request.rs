//! One request on the adapter's side: gathered, within bounds, and then carried out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::content::{self, Gathering};
use super::convert::{key, previewed, shown};
use super::line::Writer;
use super::message::{Called, Chunk, Failure, FromAdapter, Owned as OwnedMessage, StepToDo, Written};
use super::server::Limits;
use super::{MOST_ITEMS, MOST_RUNG, ProtocolError};
use crate::model::{
    Complete, Contents, ContentsError, Desired, Digest, Inventory, Live, ObjectId, Owned, PlanId, Previews, Spec, Step,
};
use crate::target::{Act, Asked, Batch, Call, StepOutcome, Target, TargetError};

/// What a value in memory costs beside its text.
const NODE: usize = 96;

pub(super) enum What {
    Preview { live: bool },
    Apply { plan: PlanId, artifact: Option<Digest>, precondition: Option<Digest> },
    Health,
    Watch,
    Recover,
}

/// Memory that all requests share.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicUsize>);

/// A part of the budget, given back when dropped.
struct Charge {
    budget: Budget,
    taken: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }
}

impl Charge {
    fn take(&mut self, bytes: usize) -> Result<(), ProtocolError> {
        let left = self.budget.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes));
        left.map_err(|_| ProtocolError::TooMuch("all requests together hold too much"))?;
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.taken, Ordering::AcqRel);
    }
}

/// The items of a request, as they came.
#[derive(Default)]
struct Items {
    objects: BTreeMap<ObjectId, (Option<Spec>, Option<Owned>)>,
    steps: Vec<(usize, Step, Option<Spec>)>,
    count: u64,
}

/// A request, from its first line to its last.
pub(super) struct Request {
    id: u64,
    what: What,
    call: Call,
    items: Items,
    charge: Option<Charge>,
    wanted: Wanted,
    /// The interest of a watch that runs.
    interest: Option<watch::Sender<Arc<Vec<ObjectId>>>>,
    begun: bool,
}

impl Request {
    pub(super) fn new(id: u64, what: What, called: &Called, budget: &Budget) -> Self {
        Self {
            id,
            what,
            call: called.call(CancellationToken::new()),
            items: Items::default(),
            charge: Some(Charge { budget: budget.clone(), taken: 0 }),
            wanted: Wanted::default(),
            interest: None,
            begun: false,
        }
    }

    /// Asks it to end, and returns whether it had begun.
    pub(super) fn cancel(&self) -> bool {
        self.call.cancel.cancel();
        self.begun
    }

    pub(super) fn object(
        &mut self,
        object: ObjectId,
        spec: Option<Written>,
        owned: Option<OwnedMessage>,
    ) -> Result<(), ProtocolError> {
        let cost = 8 * NODE + object.name.len() + spec.as_ref().map_or(0, |spec| weight(&spec.body));
        self.item(cost)?;
        if matches!(self.what, What::Apply { .. }) || (self.begun && self.interest.is_none()) {
            return Err(ProtocolError::Unexpected("an object came where none is due".into()));
        }
        self.items.objects.insert(object, (spec.map(Spec::from), owned.map(Owned::from)));
        Ok(())
    }

    pub(super) fn step(&mut self, step: StepToDo) -> Result<(), ProtocolError> {
        let cost = 16 * NODE + step.object.name.len() + step.spec.as_ref().map_or(0, |spec| weight(&spec.body));
        self.item(cost)?;
        if !matches!(self.what, What::Apply { .. }) || self.begun {
            return Err(ProtocolError::Unexpected("a step came where none is due".into()));
        }
        if step.key != key(&self.call.sync, step.number) {
            return Err(ProtocolError::Unexpected("the key of a step is not its SyncId and number".into()));
        }
        self.items.steps.push(step.act());
        Ok(())
    }

    fn item(&mut self, cost: usize) -> Result<(), ProtocolError> {
        self.items.count += 1;
        if self.items.count > MOST_ITEMS {
            return Err(ProtocolError::TooMuch("a request has too many items"));
        }
        self.charge.as_mut().map_or(Ok(()), |charge| charge.take(cost))
    }

    pub(super) fn chunk(&self, chunk: &Chunk) -> Result<(), ProtocolError> {
        self.wanted.chunk(chunk)
    }

    pub(super) fn lacking(&self, digest: Digest, reason: &str) {
        self.wanted.lacking(digest, reason);
    }

    /// All items came: carries the request out, or, of a watch that runs, replaces its interest.
    pub(super) fn begin(
        &mut self,
        items: u64,
        target: &Arc<dyn Target>,
        writer: &Writer,
        limits: &Limits,
        finished: &mpsc::UnboundedSender<u64>,
    ) -> Result<(), ProtocolError> {
        let gathered = std::mem::take(&mut self.items);
        if gathered.count != items {
            let said = format!("{items} items were sent by their count, and {} came", gathered.count);
            return Err(ProtocolError::Unexpected(said));
        }
        if matches!(self.what, What::Watch) {
            if let Some(charge) = &mut self.charge {
                // The new interest takes the place of the old one.
                let now = gathered.objects.keys().map(|id| 8 * NODE + id.name.len()).sum();
                *charge = Charge { budget: charge.budget.clone(), taken: 0 };
                charge.take(now)?;
            }
            let interest = Arc::new(gathered.objects.into_keys().collect());
            if let Some(running) = &self.interest {
                running.send_replace(interest);
                return Ok(());
            }
            let (sender, receiver) = watch::channel(interest);
            self.interest = Some(sender);
            self.run(target, writer, limits, finished, Items::default(), Some(receiver));
        } else if self.begun {
            return Err(ProtocolError::Unexpected(format!("the request {} has begun already", self.id)));
        } else {
            self.run(target, writer, limits, finished, gathered, None);
        }
        Ok(())
    }

    fn run(
        &mut self,
        target: &Arc<dyn Target>,
        writer: &Writer,
        limits: &Limits,
        finished: &mpsc::UnboundedSender<u64>,
        items: Items,
        interest: Option<watch::Receiver<Arc<Vec<ObjectId>>>>,
    ) {
        self.begun = true;
        let work = Work {
            id: self.id,
            call: self.call.clone(),
            target: target.clone(),
            writer: writer.clone(),
            wanted: self.wanted.clone(),
            // A watch gives back what its last interest took when it ends with its request.
            budget: limits.budget.clone(),
            _charge: if interest.is_some() { None } else { self.charge.take() },
        };
        let (id, finished, previews) = (self.id, finished.clone(), limits.previews.clone());
        let what = match &self.what {
            What::Preview { live } => What::Preview { live: *live },
            What::Apply { plan, artifact, precondition } => {
                What::Apply { plan: *plan, artifact: *artifact, precondition: *precondition }
            }
            What::Health => What::Health,
            What::Watch => What::Watch,
            What::Recover => What::Recover,
        };
        limits.tasks.spawn(async move {
            let answered = match what {
                What::Preview { live } => {
                    // Never closed, so always granted.
                    let _turn = previews.acquire_owned().await.ok();
                    work.preview(items, live).await
                }
                What::Apply { plan, artifact, precondition } => work.apply(items, plan, artifact, precondition).await,
                What::Health => work.health(items).await,
                What::Watch => work.watch(interest).await,
                What::Recover => work.recover(items).await,
            };
            work.answer(answered).await;
            let _ = finished.send(id);
        });
    }
}

impl Drop for Request {
    /// The connection ended: what only answers ends with it; an act is brought to its end, and its outcome asked for again.
    fn drop(&mut self) {
        if !matches!(self.what, What::Apply { .. }) {
            self.call.cancel.cancel();
        }
        self.wanted.lacking_whatever();
    }
}

/// A request that runs.
struct Work {
    id: u64,
    call: Call,
    target: Arc<dyn Target>,
    writer: Writer,
    wanted: Wanted,
    budget: Budget,
    /// Held until the answer is given.
    _charge: Option<Charge>,
}

/// How an answer ends: its items, artifact and precondition, or why there is none.
type Answered = Result<(u64, Option<Digest>, Option<Digest>), TargetError>;

impl Work {
    async fn answer(&self, answered: Answered) {
        let id = self.id;
        let last = match answered {
            Ok((items, artifact, precondition)) => FromAdapter::End { id, items, artifact, precondition },
            Err(error) => FromAdapter::Error { id: Some(id), error: (&error).into() },
        };
        // Nobody listens only where the connection is gone.
        let _ = self.writer.send(&last).await;
    }

    async fn preview(&self, items: Items, live: bool) -> Answered {
        let (mut objects, mut owned) = (BTreeMap::new(), Inventory::default());
        for (id, (spec, ours)) in items.objects {
            if let Some(ours) = ours {
                owned.objects.insert(id.clone(), ours);
            }
            if let Some(spec) = spec {
                objects.insert(id, spec);
            }
        }
        let desired = Desired::Objects(Complete { objects, contents: Arc::new(Fetched::default()) });
        let Previews { items, artifact, precondition, runs } =
            self.target.preview(&self.call, &desired, &owned).await?;
        let count = (items.len() + runs.len()) as u64;
        let Desired::Objects(complete) = &desired else { return Err(gone()) };
        for preview in items {
            let spec = complete.objects.get(&preview.id);
            if let Live::Known(state) = &preview.live
                && let Some(content) = shown(state, live)
            {
                let named = (self.id, Digest::of(content));
                content::send(&self.writer, FromAdapter::Chunk, named, content, false).await.map_err(|_| gone())?;
            }
            self.say(&FromAdapter::Preview(Box::new(previewed(self.id, &preview, spec, live)))).await?;
        }
        for (object, spec) in &runs {
            let (id, object, spec) = (self.id, object.clone(), Written::from(spec));
            self.say(&FromAdapter::Run { id, object, spec }).await?;
        }
        Ok((count, artifact, precondition))
    }

    async fn apply(
        &self,
        items: Items,
        plan: PlanId,
        artifact: Option<Digest>,
        precondition: Option<Digest>,
    ) -> Answered {
        let contents: Arc<dyn Contents> = Arc::new(self.fetch(&items.steps, artifact).await?);
        let steps = items.steps.iter();
        let acts = steps.map(|(number, step, spec)| Act { number: *number, step, spec: spec.as_ref() }).collect();
        let batch = Batch { plan, acts, contents: &contents, artifact, precondition };
        let (outcomes, mut told) = mpsc::unbounded_channel();
        let acting = async {
            let applied = self.target.apply(&self.call, &batch, &outcomes).await;
            drop(outcomes);
            applied
        };
        let telling = async {
            let mut count = 0;
            while let Some(StepOutcome { number, result }) = told.recv().await {
                let (done, error) = match &result {
                    Ok(done) => (Some(done.into()), None),
                    Err(error) => (None, Some(Failure::from(&**error))),
                };
                // The act goes on though its client is gone.
                let _ = self.writer.send(&FromAdapter::Outcome { id: self.id, number, done, error }).await;
                count += 1;
            }
            count
        };
        let (applied, count) = tokio::join!(acting, telling);
        applied.map(|()| (count, None, None))
    }

    /// Gets every content that the steps name, before the first act.
    async fn fetch(
        &self,
        steps: &[(usize, Step, Option<Spec>)],
        artifact: Option<Digest>,
    ) -> Result<Fetched, TargetError> {
        let named =
            steps.iter().filter_map(|(_, _, spec)| spec.as_ref()).flat_map(|spec| spec.contents().iter().copied());
        let mut fetched = Fetched::default();
        for digest in named.chain(artifact) {
            if fetched.contents.contains_key(&digest) {
                continue;
            }
            let coming = self.wanted.want(digest, &self.budget);
            self.say(&FromAdapter::Need { id: self.id, digest }).await?;
            let content = tokio::select! {
                content = coming => content.map_err(|_| gone())?,
                () = self.call.cancel.cancelled() => return Err(TargetError::Cancelled), // nothing was done yet
                () = tokio::time::sleep_until(self.call.deadline) => {
                    let doing = "the contents did not come before the deadline".into();
                    return Err(TargetError::Unavailable { doing, source: None });
                }
            };
            let content = content.map_err(|doing| TargetError::Unavailable { doing, source: None })?;
            fetched.contents.insert(digest, content);
        }
        Ok(fetched)
    }

    async fn health(&self, items: Items) -> Answered {
        let asked: Vec<_> = items.objects.iter().map(|(id, (spec, _))| Asked { id, spec: spec.as_ref() }).collect();
        let health = self.target.health(&self.call, &asked).await?;
        let count = health.len() as u64;
        for one in health {
            let (object, state, message) = (one.id, one.state, one.message);
            self.say(&FromAdapter::Health { id: self.id, object, state, message }).await?;
        }
        Ok((count, None, None))
    }

    async fn watch(&self, interest: Option<watch::Receiver<Arc<Vec<ObjectId>>>>) -> Answered {
        let Some(interest) = interest else { return Err(gone()) };
        let (bell, mut rings) = mpsc::channel::<Vec<ObjectId>>(16);
        let ringing = async {
            while let Some(rung) = rings.recv().await {
                for part in rung.chunks(MOST_RUNG) {
                    let ring = FromAdapter::Ring { id: self.id, objects: part.to_vec() };
                    if self.writer.send(&ring).await.is_err() {
                        return;
                    }
                }
            }
        };
        let (watched, ()) = tokio::join!(self.target.watch(&self.call, interest, bell), ringing);
        watched.map(|()| (0, None, None))
    }

    async fn recover(&self, items: Items) -> Answered {
        let owned: Vec<_> = items.objects.into_keys().collect();
        self.target.recover(&self.call, &owned).await.map(|()| (0, None, None))
    }

    async fn say(&self, message: &FromAdapter) -> Result<(), TargetError> {
        self.writer
            .send(message)
            .await
            .map_err(|error| TargetError::Unavailable { doing: "could not answer".into(), source: Some(error.into()) })
    }
}

fn gone() -> TargetError {
    TargetError::Unavailable { doing: "the client is gone".into(), source: None }
}

/// Contents that came over the stream.
#[derive(Default)]
struct Fetched {
    contents: HashMap<Digest, (Arc<[u8]>, Charge)>,
}

impl Contents for Fetched {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
        let found = self.contents.get(digest).map(|(bytes, _)| bytes.clone());
        found.ok_or_else(|| ContentsError { digest: *digest, source: anyhow::anyhow!("no step names it") })
    }
}

/// The one content that a request waits for.
#[derive(Clone, Default)]
struct Wanted(Arc<Mutex<Option<(Gathering, Charge, Answering)>>>);

/// A content with the memory that it takes, or why there is none.
type Coming = Result<(Arc<[u8]>, Charge), String>;
type Answering = oneshot::Sender<Coming>;

impl Wanted {
    fn want(&self, digest: Digest, budget: &Budget) -> oneshot::Receiver<Coming> {
        let (sender, receiver) = oneshot::channel();
        let charge = Charge { budget: budget.clone(), taken: 0 };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Gathering::of(digest), charge, sender));
        receiver
    }

    fn chunk(&self, chunk: &Chunk) -> Result<(), ProtocolError> {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((gathering, charge, _)) = wanted.as_mut() else {
            return Err(ProtocolError::Unexpected("a content came that nobody asked for".into()));
        };
        charge.take(chunk.data.len())?;
        if let Some(whole) = gathering.take(chunk)?
            && let Some((_, charge, sender)) = wanted.take()
        {
            // Whoever asked may have been cancelled meanwhile.
            let _ = sender.send(Ok((whole, charge)));
        }
        Ok(())
    }

    fn lacking(&self, digest: Digest, reason: &str) {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.as_ref().is_some_and(|(gathering, ..)| gathering.digest() == digest)
            && let Some((.., sender)) = wanted.take()
        {
            let reason: String = reason.chars().take(1000).collect();
            let _ = sender.send(Err(format!("content {} is not to be had: {reason}", digest.short())));
        }
    }

    fn lacking_whatever(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Returns about how many bytes a document takes in memory.
fn weight(value: &Value) -> usize {
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| NODE + name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
