//! Just enough of a sync to bring previews to a target and back.
#![allow(dead_code)] // Each test binary that includes it uses its own part.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trueup::model::{
    Action, Actor, After, Cause, Complete, Contents, ContentsError, Desired, Digest, Inventory, Left, Live, ObjectId,
    Origin, Owned, Plan, Preview, Previews, Risk, Spec, Step, SyncId,
};
use trueup::target::{Act, Batch, Call, Done, Target, TargetError};

/// One adapter with a place of its own to act on.
pub(crate) trait Adapter {
    fn name(&self) -> &'static str;
    fn target(&self) -> &dyn Target;
    /// Objects of every sort, none of which exists yet.
    fn desired(&self) -> Desired;
    /// The same objects, all of them different.
    fn changed(&self) -> Desired;
    /// The object that `meddle` changes, behind the target's back.
    fn meddled(&self) -> ObjectId;
    fn meddle(&self);
    /// Makes objects of `desired` impossible to examine, and names them with the reason.
    fn spoil(&self) -> Vec<(ObjectId, &'static str)>;
    /// Everything that is live, to the byte.
    fn snapshot(&self) -> BTreeMap<String, String>;
    /// What `snapshot` says when nothing of `desired` is live.
    fn bare(&self) -> BTreeMap<String, String>;
}

/// Contents in memory.
#[derive(Clone, Default)]
pub(crate) struct Bytes(pub(crate) HashMap<Digest, Arc<[u8]>>);

impl Contents for Bytes {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
        let found = self.0.get(digest).cloned();
        found.ok_or_else(|| ContentsError { digest: *digest, source: anyhow::anyhow!("never stored") })
    }
}

pub(crate) fn objects(objects: BTreeMap<ObjectId, Spec>, contents: Bytes) -> Desired {
    Desired::Objects(Complete { objects, contents: Arc::new(contents) })
}

pub(crate) fn nothing() -> Desired {
    objects(BTreeMap::new(), Bytes::default())
}

pub(crate) fn owned() -> Inventory {
    Inventory::default()
}

pub(crate) fn call() -> Call {
    Call {
        deadline: Instant::now() + Duration::from_mins(1),
        cancel: CancellationToken::new(),
        fence: 1,
        sync: SyncId("0123456789abcdef0123456789abcdef".into()),
        actor: Actor::daemon("test"),
    }
}

pub(crate) async fn preview(adapter: &dyn Adapter, desired: &Desired, owned: &Inventory) -> Previews {
    adapter.target().preview(&call(), desired, owned).await.unwrap()
}

fn complete(desired: &Desired) -> &Complete {
    match desired {
        Desired::Objects(complete) => complete,
        Desired::Opaque { .. } => panic!("this bed is for targets whose objects are named"),
    }
}

/// Returns the step that a preview asks for, with its spec; `None` where there is nothing to do or to know.
pub(crate) fn step_specs(item: &Preview, desired: &Desired) -> Option<(Step, Option<Spec>)> {
    let (before, sort, fingerprint) = match &item.live {
        Live::Known(state) => (state.digest, Some(&state.sort), Some(state.fingerprint.clone())),
        Live::Absent => (Digest::ABSENT, None, None),
        Live::Unknown(_) => return None,
    };
    let (action, after) = match &item.after {
        After::Is(state) => match sort {
            None => (Action::Create, state.digest),
            Some(sort) if *sort == state.sort => (Action::Update, state.digest),
            Some(_) => (Action::Replace, state.digest),
        },
        After::Absent if before != Digest::ABSENT => (Action::Delete, Digest::ABSENT),
        After::Same | After::Absent | After::Released => return None,
        After::Run(digest) => (Action::Run, *digest),
    };
    let id = item.id.clone();
    let spec = complete(desired).objects.get(&id).cloned();
    Some((Step { id, action, cause: Cause::Intentional, before, after, fingerprint, risk: Risk::Low, wave: 0 }, spec))
}

/// Orders what previews ask for; what is run is kept only where something that calls it changes.
pub(crate) fn plan(previews: &Previews, desired: &Desired) -> (Plan, Vec<Option<Spec>>) {
    let written = |item: &&Preview| !matches!(item.after, After::Run(_)) && step_specs(item, desired).is_some();
    let called: Vec<_> = previews.items.iter().filter(written).flat_map(|item| item.calls.clone()).collect();
    let mut items: Vec<_> = previews.items.iter().collect();
    items.retain(|item| !matches!(item.after, After::Run(_)) || called.contains(&item.id));
    items.sort_by_key(|item| (item.rank, item.id.clone()));
    let (steps, specs) = items.into_iter().filter_map(|item| step_specs(item, desired)).unzip();
    let (application, target) = ("app".parse().unwrap(), "target".parse().unwrap());
    (Plan::new(application, target, Digest::of(b"inputs"), steps), specs)
}

pub(crate) fn number(plan: &Plan) -> std::ops::Range<usize> {
    0..plan.steps.len()
}

/// Returns what previews ask for, in words.
pub(crate) fn acts(previews: &Previews) -> Vec<String> {
    let (plan, _) = plan(previews, &nothing());
    plan.steps.iter().map(|step| format!("{} {}", step.action, step.id)).collect()
}

/// Carries out one step, and holds the outcome against the answer.
pub(crate) async fn apply_with(
    target: &dyn Target,
    call: &Call,
    (plan, specs): (&Plan, &[Option<Spec>]),
    desired: &Desired,
    number: usize,
) -> Result<Done, TargetError> {
    let acts = vec![Act { number, step: &plan.steps[number], spec: specs[number].as_ref() }];
    let contents = &complete(desired).contents;
    let batch = Batch { plan: plan.id, acts, contents, artifact: None, precondition: None };
    let (outcomes, mut told) = mpsc::unbounded_channel();
    let answer = target.apply(call, &batch, &outcomes).await;
    let told = told.try_recv().ok();
    match answer {
        Ok(()) => Ok(told.expect("a step that was done is told of").result.unwrap()),
        Err(error) => {
            if let Some(told) = told {
                assert_eq!(told.result.unwrap_err().to_string(), error.to_string());
            }
            Err(error)
        }
    }
}

pub(crate) async fn apply(
    adapter: &dyn Adapter,
    plan: &Plan,
    specs: &[Option<Spec>],
    desired: &Desired,
    number: usize,
) -> Result<Done, TargetError> {
    apply_with(adapter.target(), &call_of(plan), (plan, specs), desired, number).await
}

/// Returns the call of the one execution that a plan has here: content recurs, and each execution has a SyncId of its own.
pub(crate) fn call_of(plan: &Plan) -> Call {
    Call { sync: SyncId(plan.id.to_string()[..32].into()), ..call() }
}

/// Carries out everything, and returns the inventory that it leaves.
pub(crate) async fn sync(adapter: &dyn Adapter, desired: &Desired, owned: &Inventory) -> Inventory {
    sync_target(adapter.target(), desired, owned).await
}

pub(crate) async fn sync_target(target: &dyn Target, desired: &Desired, owned: &Inventory) -> Inventory {
    let previews = target.preview(&call(), desired, owned).await.unwrap();
    let (plan, specs) = plan(&previews, desired);
    let mut owned = owned.clone();
    let call = Call { sync: trueup::store::new_sync_id().unwrap(), ..call() };
    for number in number(&plan) {
        let done = apply_with(target, &call, (&plan, &specs), desired, number).await;
        let done = done.unwrap_or_else(|error| panic!("{}: {error:?}", plan.steps[number].id));
        let step = &plan.steps[number];
        match (done.left, &specs[number]) {
            (Some((state, fingerprint)), Some(spec)) => {
                let left = Left { spec: spec.digest(), state, fingerprint };
                owned.objects.insert(step.id.clone(), Owned { origin: Origin::Created, left });
            }
            _ => drop(owned.objects.remove(&step.id)),
        }
    }
    owned
}
