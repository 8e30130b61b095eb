//! A request that runs: the target is asked, and its answer sent as it comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::Items;
use super::budget::{Budget, Charge};
use super::wanted::{Fetched, Wanted};
use crate::model::{Complete, Contents, Desired, Digest, Inventory, Live, ObjectId, PlanId, Previews, Spec, Step};
use crate::target::protocol::convert::{previewed, shown};
use crate::target::protocol::line::Writer;
use crate::target::protocol::message::{Failure, FromAdapter, Written};
use crate::target::protocol::{MOST_RUNG, content};
use crate::target::{Act, Asked, Batch, Call, StepOutcome, Target, TargetError};
/// A request that runs.
pub(super) struct Work {
    pub(super) id: u64,
    pub(super) call: Call,
    pub(super) target: Arc<dyn Target>,
    pub(super) writer: Writer,
    pub(super) wanted: Wanted,
    pub(super) budget: Budget,
    /// Held until the answer is given.
    pub(super) _charge: Option<Charge>,
}

/// How an answer ends: its items, artifact and precondition, or why there is none.
pub(super) type Answered = Result<(u64, Option<Digest>, Option<Digest>), TargetError>;

impl Work {
    pub(super) async fn answer(&self, answered: Answered) {
        let id = self.id;
        let last = match answered {
            Ok((items, artifact, precondition)) => FromAdapter::End { id, items, artifact, precondition },
            Err(error) => FromAdapter::Error { id: Some(id), error: (&error).into() },
        };
        // Nobody listens only where the connection is gone.
        let _ = self.writer.send(&last).await;
    }

    pub(super) async fn preview(&self, items: Items, live: bool) -> Answered {
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

    pub(super) async fn apply(
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

    pub(super) async fn health(&self, items: Items) -> Answered {
        let asked: Vec<_> = items.objects.iter().map(|(id, (spec, _))| Asked { id, spec: spec.as_ref() }).collect();
        let health = self.target.health(&self.call, &asked).await?;
        let count = health.len() as u64;
        for one in health {
            let (object, state, message) = (one.id, one.state, one.message);
            self.say(&FromAdapter::Health { id: self.id, object, state, message }).await?;
        }
        Ok((count, None, None))
    }

    pub(super) async fn watch(&self, interest: Option<watch::Receiver<Arc<Vec<ObjectId>>>>) -> Answered {
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

    pub(super) async fn recover(&self, items: Items) -> Answered {
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
