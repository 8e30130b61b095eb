//! The target as a front half gets it: everything that acts goes through the journal.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::acts::Acts;
use super::judge::{fenced, offer, open};
use super::ledger::Entry;
use super::own::spares;
use crate::model::host::PATH;
use crate::model::{Desired, Health, Inventory, Live, ObjectId, Preview, Previews};
use crate::target::host::{HostTarget, blocking};
use crate::target::protocol::message::Failure;
use crate::target::{Asked, Batch, Bell, Call, Done, Interest, Outcomes, Own, StepOutcome, Target, TargetError};

/// One host target behind the journal.
pub(super) struct Guarded {
    pub(super) inner: HostTarget,
    pub(super) acts: Arc<Acts>,
    own: Arc<Own>,
}

impl Guarded {
    pub(super) const fn new(inner: HostTarget, acts: Arc<Acts>, own: Arc<Own>) -> Self {
        Self { inner, acts, own }
    }

    /// Takes out of a preview what a front half may not see.
    fn withhold(&self, item: &mut Preview, reached: &mut HashMap<String, bool>) {
        let path = item.id.name.to_string();
        let Live::Known(state) = &mut item.live else { return };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        if item.id.kind != PATH {
            return;
        }
        let open_way = *reached.entry(folder).or_insert_with(|| self.inner.everyone_reaches(&path));
        if open(state) && open_way {
            return;
        }
        if !open_way {
            // Whose it is, and when it was changed, everyone may ask who reaches it.
            item.touched = None;
        }
        // Whatever the document says of it (`show`): this host decides what its front half may read.
        (state.hidden, state.content, state.spec) = (true, None, None);
    }
}

#[async_trait]
impl Target for Guarded {
    async fn preview(&self, call: &Call, desired: &Desired, owned: &Inventory) -> Result<Previews, TargetError> {
        if let Desired::Objects(complete) = desired {
            complete.objects.keys().try_for_each(|id| spares(&self.own, id))?;
        }
        let mut known = owned.clone();
        for owned in known.objects.values_mut() {
            owned.left.fingerprint = self.acts.unmarked(&owned.left.fingerprint);
        }
        let mut previews = self.inner.preview(call, desired, &known).await?;
        let Desired::Objects(complete) = desired else { return Ok(previews) };
        let spec = |id: &ObjectId| complete.objects.get(id).or_else(|| previews.runs.get(id));
        // What Git has no more may still be among what was left here before it was our own: it stays.
        let free = previews.items.iter().filter(|item| !self.own.has(&item.id));
        let offers: Vec<_> = free.filter_map(|item| offer(item, spec(&item.id))).collect();
        blocking(|| {
            let mut journal = self.acts.journal();
            if journal.sound().is_err() {
                // Looking goes on; nothing of it can be carried out.
                return Ok(());
            }
            let new: Vec<_> = offers.into_iter().filter(|offer| !journal.ledger.again(offer)).collect();
            let entries: Vec<_> = new.chunks(500).map(|offers| Entry::Offered { offers: offers.to_vec() }).collect();
            if entries.is_empty() { Ok(()) } else { journal.append(&entries) }
        })?;
        let mut reached = HashMap::new();
        blocking(|| previews.items.iter_mut().for_each(|item| self.withhold(item, &mut reached)));
        for item in &mut previews.items {
            if let Live::Known(state) = &mut item.live {
                state.fingerprint = self.acts.marked(&state.fingerprint);
            }
        }
        Ok(previews)
    }

    async fn apply(&self, call: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError> {
        for act in &batch.acts {
            let result = self.act(call, batch, act).await;
            let (told, failed) = match result {
                Ok(Done { left, already, output }) => {
                    let left = left.map(|(digest, fingerprint)| (digest, self.acts.marked(&fingerprint)));
                    (Ok(Done { left, already, output }), None)
                }
                Err(error) => (Err(Arc::new(TargetError::from(Failure::from(&error)))), Some(error)),
            };
            // Nobody listens only where the caller is gone: the journal has it.
            let _ = outcomes.send(StepOutcome { number: act.number, result: told });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn health(&self, call: &Call, asked: &[Asked<'_>]) -> Result<Vec<Health>, TargetError> {
        self.inner.health(call, asked).await
    }

    async fn watch(&self, call: &Call, interest: Interest, bell: Bell) -> Result<(), TargetError> {
        self.inner.watch(call, interest, bell).await
    }

    async fn recover(&self, call: &Call, owned: &[ObjectId]) -> Result<(), TargetError> {
        fenced(call, self.acts.journal().ledger.fence)?;
        self.inner.recover(call, owned).await
    }
}
