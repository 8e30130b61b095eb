use std::path::Path;

use async_trait::async_trait;

use super::*;
use crate::audit::{Body, BreakGlassBody, Filter, GlassEvent, Kind};
use crate::model::{
    Actor, Boot, BreakGlass, BreakGlassId, Cause, Desired, Digest, Fingerprint, Health, Observed, Plan, Previews, Risk,
    SyncId, Verdict,
};
use crate::store::{Preimage, Prepared, Rejection};
use crate::target::{Asked, Bell, Interest, Outcomes};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Time {
        Time(1_000_000)
    }

    fn boot(&self) -> Boot {
        Boot { id: "one".into(), elapsed: 0 }
    }
}

/// A target that deletes, or cannot.
struct Deletes(bool);

#[async_trait]
impl Target for Deletes {
    async fn preview(&self, _: &Call, _: &Desired, _: &Inventory) -> Result<Previews, TargetError> {
        Err(TargetError::Cancelled)
    }

    async fn apply(&self, _: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError> {
        if !self.0 {
            return Err(TargetError::Conflict { object: gone(), holder: "a stranger".into() });
        }
        for act in &batch.acts {
            outcomes.send(StepOutcome { number: act.number, result: Ok(Done::default()) }).unwrap();
        }
        Ok(())
    }

    async fn health(&self, _: &Call, _: &[Asked<'_>]) -> Result<Vec<Health>, TargetError> {
        Ok(vec![])
    }

    async fn watch(&self, _: &Call, _: Interest, _: Bell) -> Result<(), TargetError> {
        Ok(())
    }

    async fn recover(&self, _: &Call, _: &[ObjectId]) -> Result<(), TargetError> {
        Ok(())
    }
}

fn gone() -> ObjectId {
    ObjectId::new("path", "/etc/gone")
}

async fn ledger(folder: &Path) -> Ledger {
    Ledger {
        store: Store::open(folder).await.unwrap(),
        clock: Arc::new(Stopped),
        redactor: Arc::default(),
        glasses: BreakGlasses::default(),
    }
}

/// An execution that deletes one object.
fn open() -> Open {
    open_of("app", gone(), "1")
}

fn open_of(application: &str, id: ObjectId, sync: &str) -> Open {
    let step = Step {
        id,
        action: Action::Delete,
        cause: Cause::Intentional,
        before: Digest::of(b"before"),
        after: Digest::ABSENT,
        fingerprint: None,
        risk: Risk::High,
        wave: 0,
    };
    let plan = Plan::new(application.parse().unwrap(), "host".parse().unwrap(), Digest::of(b""), vec![step]);
    let verdict =
        Verdict { decision: crate::model::Decision::Go, findings: vec![], forced_by: vec![], changes_at: None };
    let prepared = Prepared {
        plan,
        specs: BTreeMap::new(),
        desired: Digest::of(b"desired"),
        verdict,
        purpose: Purpose::Keep,
        handed: BTreeMap::new(),
        unnamed: vec![],
        artifact: None,
        precondition: None,
        version: String::new(),
    };
    Open { sync: SyncId(sync.into()), actor: Actor::daemon("test"), started: Time(0), prepared }
}

fn owned() -> Owned {
    let left = Left { spec: Digest::of(b"spec"), state: Digest::of(b"before"), fingerprint: Fingerprint("1".into()) };
    Owned { origin: Origin::Created, left }
}

/// Carries the delete out, and returns what the store has in its inventory then.
async fn deleted(works: bool) -> Inventory {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, open) = (ledger(folder.path()).await, open());
    let mut inventory = Inventory { objects: BTreeMap::from([(gone(), owned())]) };
    let preparation = Preparation { inventory: inventory.objects.clone(), ..Preparation::default() };
    begin(&ledger, &open, &preparation).await.unwrap();
    let call = Call {
        deadline: Instant::now() + std::time::Duration::from_secs(30),
        cancel: CancellationToken::new(),
        fence: 1,
        sync: open.sync.clone(),
        actor: open.actor.clone(),
    };
    let carried = carry_out(&ledger, &Deletes(works), &open, &call, &mut inventory).await.unwrap();
    assert_eq!(matches!(carried.end, End::Done), works);
    let mut tx = ledger.store.write().await.unwrap();
    let changed = settle_outcomes(&mut tx, &open, &carried.outcomes, &inventory).await.unwrap();
    tx.commit().await.unwrap();
    remember(&mut inventory, changed);
    let stored = ledger.store.inventory(&open.prepared.plan.target, &open.prepared.plan.application).await.unwrap();
    assert_eq!(stored, inventory, "memory follows what was written");
    stored
}

#[tokio::test]
async fn the_inventory_loses_an_object_only_when_it_is_known_to_be_gone() {
    assert!(deleted(true).await.objects.is_empty());
    assert_eq!(deleted(false).await.objects, BTreeMap::from([(gone(), owned())]));
}

#[tokio::test]
async fn what_a_plan_is_about_to_delete_is_kept_counted_and_told_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, open) = (ledger(folder.path()).await, open());
    let plan = &open.prepared.plan;
    let preimage = Preimage {
        id: gone(),
        action: Action::Delete,
        spec: None,
        place: None,
        hidden: false,
        lost: None,
        withheld: false,
        gone: false,
        edited: None,
    };
    let preimages = Preimages {
        plan: plan.id,
        sync: open.sync.clone(),
        application: plan.application.clone(),
        time: open.started,
        revision: None,
        url: String::new(),
        layers: vec![],
        objects: vec![preimage],
    };
    let what = Observed {
        object: gone(),
        what: "changed".into(),
        left: None,
        now: None,
        by: Some("owner ada".into()),
        at: None,
    };
    let preparation = Preparation {
        preimages: Some(preimages.clone()),
        deletes: 7,
        observed: vec![what.clone()],
        ..Preparation::default()
    };
    begin(&ledger, &open, &preparation).await.unwrap();

    assert_eq!(ledger.store.preimages(&plan.id.to_string()).await.unwrap(), [preimages]);
    let spent = ledger.store.spent(Time(0)).await.unwrap();
    assert_eq!(spent, [Spent { time: Time(1_000_000), application: plan.application.clone(), deletes: 7 }]);
    let records = audit::list(&ledger.store, &Filter::default()).await.unwrap();
    let kinds: Vec<_> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Observed, Kind::Planned, Kind::Intent]);
    let Some(Body::Observed(body)) = &records[0].body else { panic!("{records:?}") };
    assert_eq!((body.changes.as_slice(), records[0].sync.as_ref()), (&[what][..], Some(&open.sync)));
}

/// Two plans may be judged at the same time, neither knowing of the other.
#[tokio::test]
async fn plans_that_together_would_delete_more_than_may_be_do_not_both_begin() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let deletes = vec![DeleteBound { since: Time(0), most: 10, more: 7 }];
    let bounds = Bounds { deletes, ..Bounds::default() };
    let preparation = Preparation { deletes: 7, bounds, ..Preparation::default() };
    begin(&ledger, &open(), &preparation).await.unwrap();
    let second = begin(&ledger, &open_of("other", ObjectId::new("path", "/etc/other"), "2"), &preparation).await;
    assert!(matches!(second, Err(BeginError::Bounds)), "{second:?}");
    assert_eq!(ledger.store.open_syncs().await.unwrap().len(), 1);
    assert_eq!(ledger.store.spent(Time(0)).await.unwrap().len(), 1, "nothing of it was written");
}

/// Two may be asked at the same time.
#[tokio::test]
async fn what_somebody_said_no_to_after_it_was_judged_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, open) = (ledger(folder.path()).await, open());
    let plan = &open.prepared.plan;
    let actor = Actor::daemon("test");
    let (application, time) = (plan.application.clone(), Time(0));
    let mut tx = ledger.store.write().await.unwrap();
    tx.reject(&Rejection { plan: plan.id, application, actor, time, reason: None }).await.unwrap();
    tx.commit().await.unwrap();
    let begun = begin(&ledger, &open, &Preparation::default()).await;
    assert!(matches!(begun, Err(BeginError::Rejected)), "{begun:?}");
}

/// It may be closed between the judgement and the beginning.
#[tokio::test]
async fn what_break_glass_let_through_does_not_begin_once_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let mut forced = open();
    let id = BreakGlassId("0123456789abcdef".into());
    forced.prepared.verdict.forced_by.push(id.clone());
    let says = async |event| {
        let opening = BreakGlass {
            id: id.clone(),
            applications: vec![forced.prepared.plan.application.clone()],
            policies: vec!["freeze".parse().unwrap()],
            live_edit: vec![],
            reason: "it burns".into(),
            ticket: None,
            request: None,
            by: Actor::daemon("test"),
            opened: ledger.clock.now(),
            boot: ledger.clock.boot(),
            lasts: 3600,
            needs: 0,
        };
        let opening = (event == GlassEvent::Opened).then_some(opening);
        let entries = [entry(&forced, Body::BreakGlass(BreakGlassBody { opening, ..BreakGlassBody::new(&id, event) }))];
        let mut tx = ledger.store.write().await.unwrap();
        let numbers = audit::append(&mut tx, ledger.clock.now(), &ledger.redactor, &entries).await.unwrap();
        ledger.glasses.follow(&mut tx, ledger.clock.now(), &numbers, &entries);
        tx.commit().await.unwrap();
    };
    let begins = async || begin(&ledger, &forced, &Preparation::default()).await;
    assert!(matches!(begins().await, Err(BeginError::Glass)), "nobody opened it");
    assert!(ledger.store.open_syncs().await.unwrap().is_empty(), "nothing of it was written");
    says(GlassEvent::Opened).await;
    begins().await.unwrap();
    says(GlassEvent::Closed).await;
    assert!(matches!(begins().await, Err(BeginError::Glass)));
}
