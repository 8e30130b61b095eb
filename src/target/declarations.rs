//! What is in force of what is declared in Git. Nothing here acts: a document is in force once the sync that brought it is
//! closed, in one change of the store with the record that says so, and it is read back from there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Asked, Batch, Bell, Call, Done, Interest, Outcomes, StepOutcome, Target, TargetError};
use crate::model::{
    After, Complete, Desired, Digest, Fingerprint, Health, HealthState, Inventory, Live, Name, ObjectId, Owned,
    Preview, Previews, Spec, State, declared,
};
use crate::store::{Store, StoreError};

/// Order in which documents are shown: who people are and what judges first.
const RANKS: [&str; 4] = [declared::PERSON, declared::POLICY, declared::APPLICATION, declared::BREAK_GLASS];

/// The documents in force, as the one target that no document declares.
pub struct Documents {
    store: Store,
    /// What was read last, by its digest: a plan of many steps reads it once.
    known: Mutex<Option<(Digest, Arc<Known>)>>,
}

type Known = BTreeMap<ObjectId, Spec>;

impl Documents {
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store, known: Mutex::new(None) }
    }

    /// Returns what was last applied.
    async fn documents(&self) -> Result<Arc<Known>, TargetError> {
        let state = self.store.application(&Name::declarations()).await.map_err(unreadable)?;
        let Some(applied) = state.applied else { return Ok(Arc::default()) };
        if let Some((digest, known)) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner)
            && *digest == applied.desired
        {
            return Ok(known.clone());
        }
        let kept = self.store.desired(&applied.desired).await.map_err(unreadable)?;
        let known = Arc::new(kept.map(|complete| complete.objects).unwrap_or_default());
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((applied.desired, known.clone()));
        Ok(known)
    }

    async fn found(&self, spec: &Spec) -> Result<Live, TargetError> {
        let content = match spec.contents().first() {
            Some(digest) => self.store.content(digest).await.map_err(unreadable)?,
            None => None,
        };
        Ok(Live::Known(Box::new(state(spec, content))))
    }

    async fn look(&self, complete: &Complete, owned: &Inventory) -> Result<Previews, TargetError> {
        let same = |id: &ObjectId| left(owned, id) == complete.objects.get(id).map(Spec::digest);
        let all: Vec<&ObjectId> = complete.objects.keys().chain(owned.objects.keys()).collect();
        // The steady case reads nothing.
        let now = if all.iter().all(|id| same(id)) { Arc::default() } else { self.documents().await? };
        let mut items = vec![];
        for (id, spec) in &complete.objects {
            let (live, after) = match (same(id), now.get(id)) {
                (true, _) => (Live::Known(Box::new(state(spec, None))), After::Same),
                (false, Some(before)) => (self.found(before).await?, After::Is(Box::new(state(spec, None)))),
                (false, None) => (Live::Absent, After::Is(Box::new(state(spec, None)))),
            };
            items.push(preview(id, live, after));
        }
        for id in owned.objects.keys().filter(|id| !complete.objects.contains_key(*id)) {
            let live = match now.get(id) {
                Some(before) => self.found(before).await?,
                None => Live::Absent,
            };
            items.push(preview(id, live, After::Absent));
        }
        Ok(Previews { items, ..Previews::default() })
    }
}

fn left(owned: &Inventory, id: &ObjectId) -> Option<Digest> {
    owned.objects.get(id).map(|Owned { left, .. }| left.spec)
}

fn state(spec: &Spec, content: Option<Arc<[u8]>>) -> State {
    State {
        digest: spec.digest(),
        fingerprint: fingerprint(spec.digest()),
        sort: "document".into(),
        spec: Some(spec.clone()),
        content,
        hidden: false,
    }
}

fn fingerprint(digest: Digest) -> Fingerprint {
    Fingerprint(digest.short().into())
}

fn preview(id: &ObjectId, live: Live, after: After) -> Preview {
    let rank = RANKS.iter().position(|kind| *kind == id.kind).unwrap_or(RANKS.len());
    let rank = u32::try_from(rank).unwrap_or(0);
    Preview { id: id.clone(), live, after, calls: vec![], rank, wave: 0, protected: None }
}

fn unreadable(error: StoreError) -> TargetError {
    TargetError::Unavailable { doing: "could not read what is in force".into(), source: Some(error.into()) }
}

#[async_trait]
impl Target for Documents {
    async fn preview(&self, _: &Call, desired: &Desired, owned: &Inventory) -> Result<Previews, TargetError> {
        match desired {
            Desired::Objects(complete) => self.look(complete, owned).await,
            Desired::Opaque { .. } => Err(TargetError::Invalid {
                code: "declarations.opaque".into(),
                reason: "what is declared is named by the render".into(),
            }),
        }
    }

    /// Changes nothing: what comes is in force once the sync is closed.
    async fn apply(&self, _: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError> {
        let now = self.documents().await?;
        for act in &batch.acts {
            let there = now.get(&act.step.id).map_or(Digest::ABSENT, Spec::digest);
            if there != act.step.before && there != act.step.after {
                return Err(TargetError::Stale { object: act.step.id.clone() });
            }
            let comes = act.spec.map(Spec::digest);
            let left = comes.map(|digest| (digest, fingerprint(digest)));
            let already = there == act.step.after;
            // Nobody listens only where the caller is gone.
            let _ = outcomes.send(StepOutcome { number: act.number, result: Ok(Done { left, already, output: None }) });
        }
        Ok(())
    }

    async fn health(&self, _: &Call, asked: &[Asked<'_>]) -> Result<Vec<Health>, TargetError> {
        let healthy =
            |asked: &Asked<'_>| Health { id: asked.id.clone(), state: HealthState::Healthy, message: String::new() };
        Ok(asked.iter().map(healthy).collect())
    }

    /// Nobody else changes what is in force.
    async fn watch(&self, call: &Call, _: Interest, _: Bell) -> Result<(), TargetError> {
        call.cancel.cancelled().await;
        Ok(())
    }

    async fn recover(&self, _: &Call, _: &[ObjectId]) -> Result<(), TargetError> {
        Ok(())
    }
}
