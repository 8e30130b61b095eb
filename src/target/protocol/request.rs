//! One request on the adapter's side: gathered, within bounds, and then carried out.

mod budget;
mod wanted;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(super) use self::budget::Budget;
use self::budget::{Charge, NODE, weight};
use self::wanted::Wanted;
use self::work::Work;
use super::convert::key;
use super::line::Writer;
use super::message::{Called, Chunk, Owned as OwnedMessage, StepToDo, Written};
use super::server::Limits;
use super::{MOST_ITEMS, ProtocolError};
use crate::model::{Digest, ObjectId, Owned, PlanId, Spec, Step};
use crate::target::{Call, Target};

pub(super) enum What {
    Preview { live: bool },
    Apply { plan: PlanId, artifact: Option<Digest>, precondition: Option<Digest> },
    Health,
    Watch,
    Recover,
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
            charge: Some(budget.charge()),
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
                *charge = charge.budget.charge();
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
