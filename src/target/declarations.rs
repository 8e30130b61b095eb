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
    Preview { id: id.clone(), live, after, calls: vec![], rank, wave: 0, protected: None, touched: None }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use serde_json::json;
    use tokio::sync::mpsc;
    use tokio::time::{Duration, Instant};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::model::{Action, Actor, Cause, Left, Origin, Place, Plan, Risk, Step, SyncId};
    use crate::store::{ApplicationState, Applied, encode_desired};
    use crate::target::Act;

    fn spec(text: &str) -> Spec {
        let place = Place { file: "x.yaml".into(), line: 1, column: 1 };
        Spec::new(json!({ "content": text }), vec![Digest::of(text.as_bytes())], place)
    }

    fn objects(documents: &[(&str, &str)]) -> BTreeMap<ObjectId, Spec> {
        documents.iter().map(|(name, text)| (ObjectId::new(declared::POLICY, name), spec(text))).collect()
    }

    fn owned(documents: &[(&str, &str)]) -> Inventory {
        let left =
            |spec: &Spec| Left { spec: spec.digest(), state: spec.digest(), fingerprint: fingerprint(spec.digest()) };
        let all = objects(documents);
        let own = |(id, spec): (&ObjectId, &Spec)| (id.clone(), Owned { origin: Origin::Created, left: left(spec) });
        Inventory { objects: all.iter().map(own).collect() }
    }

    /// Closes a sync: from here on this is in force.
    async fn close(store: &Store, documents: &[(&str, &str)]) {
        let mut tx = store.write().await.unwrap();
        for (_, text) in documents {
            tx.put_content(text.as_bytes()).await.unwrap();
        }
        let desired = tx.put_content(&encode_desired(&objects(documents))).await.unwrap();
        let revision = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let (reference, url) = ("refs/heads/main".into(), "https://h/x".into());
        let applied =
            Some(Applied { revision, inputs: Digest::of(b"i"), desired, reference, url, version: String::new() });
        tx.put_application(&Name::declarations(), &ApplicationState { applied, ..Default::default() }).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn call() -> Call {
        Call {
            deadline: Instant::now() + Duration::from_mins(1),
            cancel: CancellationToken::new(),
            fence: 1,
            sync: SyncId("s".into()),
            actor: Actor::daemon("test"),
        }
    }

    async fn looked(target: &Documents, store: &Store, now: &[(&str, &str)], owns: &[(&str, &str)]) -> Vec<String> {
        let desired = Desired::Objects(Complete { objects: objects(now), contents: store.contents() });
        let previews = target.preview(&call(), &desired, &owned(owns)).await.unwrap();
        let told = |one: &Preview| {
            let live = match &one.live {
                Live::Known(state) => {
                    state.content.as_deref().map_or("known".into(), |text| String::from_utf8_lossy(text).into_owned())
                }
                Live::Absent => "absent".into(),
                Live::Unknown(why) => why.clone(),
            };
            let after = match &one.after {
                After::Same => "same",
                After::Is(_) => "changes",
                After::Absent => "goes",
                _ => "other",
            };
            format!("{}: {live}, {after}", one.id.name)
        };
        previews.items.iter().map(told).collect()
    }

    async fn applied(target: &Documents, store: &Store, before: Digest, comes: &str) -> Result<bool, TargetError> {
        let (id, comes) = (ObjectId::new(declared::POLICY, "a"), spec(comes));
        let step = Step {
            id,
            action: Action::Update,
            cause: Cause::Intentional,
            before,
            after: comes.digest(),
            fingerprint: None,
            risk: Risk::Low,
            wave: 0,
        };
        let plan = Plan::new(Name::declarations(), Name::declarations(), Digest::of(b"i"), vec![step]);
        let contents = store.contents();
        let acts = vec![Act { number: 0, step: &plan.steps[0], spec: Some(&comes) }];
        let batch = Batch { plan: plan.id, acts, contents: &contents, artifact: None, precondition: None };
        let (sender, mut receiver) = mpsc::unbounded_channel();
        target.apply(&call(), &batch, &sender).await?;
        let done = receiver.recv().await.unwrap().result.unwrap();
        assert_eq!(done.left.unwrap().0, comes.digest());
        Ok(done.already)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_in_force_is_what_the_last_closed_sync_says_and_applying_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).await.unwrap();
        let target = Documents::new(store.clone());
        assert_eq!(looked(&target, &store, &[("a", "one")], &[]).await, ["a: absent, changes"]);
        assert!(!applied(&target, &store, Digest::ABSENT, "one").await.unwrap());
        assert_eq!(looked(&target, &store, &[("a", "one")], &[]).await, ["a: absent, changes"], "it is not closed");

        let one = [("a", "one"), ("b", "b")];
        close(&store, &one).await;
        assert_eq!(looked(&target, &store, &one, &one).await, ["a: known, same", "b: known, same"]);
        assert_eq!(looked(&target, &store, &[("a", "two")], &one).await, ["a: one, changes", "b: b, goes"]);
        assert!(!applied(&target, &store, spec("one").digest(), "two").await.unwrap());
        assert!(applied(&target, &store, Digest::ABSENT, "one").await.unwrap(), "it is so already");
        let stale = applied(&target, &store, spec("three").digest(), "two").await.unwrap_err();
        assert_eq!(stale.code(), "target.stale");
        close(&store, &[("a", "two")]).await;
        assert_eq!(looked(&target, &store, &[("a", "two")], &[("a", "two")]).await, ["a: known, same"]);
        assert_eq!(
            looked(&target, &store, &[("a", "one")], &[("a", "two")]).await,
            ["a: two, changes"],
            "and not what it knew"
        );
    }
}
