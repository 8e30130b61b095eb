//! An approval lets through the plan that it names, once, and no other: over random changes between the yes and the act.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "clock/mod.rs"]
mod clock;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Runs, TestRunner};
use trueup::audit::{BreakGlasses, Redactor};
use trueup::config::{Declared, Person, Policy};
use trueup::execute::{self, BeginError, Ledger, Preparation};
use trueup::model::{
    Actor, After, Clock, Complete, Contents, ContentsError, Decision, Digest, Fingerprint, Inventory, Left, Live, Name,
    ObjectId, Origin, Owned, Place, Plan, Preview, Previews, Spec, State, Time, Verdict,
};
use trueup::plan::{self, Inputs};
use trueup::policy::{self, Facts, Rules};
use trueup::store::{Approval, Open, Prepared, Purpose, Store, new_sync_id};

const CASES: usize = 10_000;
const OBJECTS: usize = 4;

/// What Git says and what is live, for each object: a version of it, 0 where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct World {
    desired: [u8; OBJECTS],
    live: [u8; OBJECTS],
    /// What goes into the inputs beside: a handler's command, a version of the renderer.
    inputs: u8,
}

fn world() -> impl Strategy<Value = World> {
    let versions = || prop::array::uniform4(0..4_u8);
    (versions(), versions(), 0..2_u8).prop_map(|(desired, live, inputs)| World { desired, live, inputs })
}

/// Between the yes and the act nothing happens, or some of it does.
fn moved(from: World) -> impl Strategy<Value = World> {
    let change = (prop::bool::ANY, 0..OBJECTS, 0..4_u8);
    (prop::collection::vec(change, 0..3), prop::bool::weighted(0.1)).prop_map(move |(changes, other)| {
        let mut world = from.clone();
        for (in_git, at, version) in changes {
            let side = if in_git { &mut world.desired } else { &mut world.live };
            side[at] = version;
        }
        world.inputs ^= u8::from(other);
        world
    })
}

struct Nothing;

impl Contents for Nothing {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
        Err(ContentsError { digest: *digest, source: anyhow::anyhow!("nothing here") })
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn id(at: usize) -> ObjectId {
    ObjectId::new("path", &format!("/etc/{at}"))
}

fn spec(version: u8) -> Spec {
    let place = Place { file: "x.yaml".into(), line: 1, column: 1 };
    Spec::new(serde_json::json!({ "version": version }), vec![], place)
}

#[allow(clippy::unnecessary_box_returns)] // It goes into `Live` and `After` as it is.
fn state(version: u8) -> Box<State> {
    let fingerprint = Fingerprint(version.to_string().into());
    let digest = Digest::of(&[version]);
    Box::new(State { digest, fingerprint, sort: "file".into(), spec: None, content: None, hidden: false })
}

impl World {
    /// Plans as a sync would. Everything is ours, so that deletes are planned too.
    fn plan(&self) -> Plan {
        let there = |versions: &[u8; OBJECTS]| -> Vec<(usize, u8)> {
            versions.iter().copied().enumerate().filter(|(_, version)| *version > 0).collect()
        };
        let desired = there(&self.desired);
        let objects = desired.iter().map(|(at, version)| (id(*at), spec(*version))).collect();
        let owned = there(&self.live).into_iter().map(|(at, version)| {
            let left = Left {
                spec: spec(version).digest(),
                state: Digest::of(&[version]),
                fingerprint: Fingerprint("".into()),
            };
            (id(at), Owned { origin: Origin::Created, left })
        });
        let items = (0..OBJECTS).filter_map(|at| {
            let live = if self.live[at] == 0 { Live::Absent } else { Live::Known(state(self.live[at])) };
            let after = match (self.desired[at], self.live[at]) {
                (0, 0) => return None,
                (0, _) => After::Absent,
                (wanted, found) if wanted == found => After::Same,
                (wanted, _) => After::Is(state(wanted)),
            };
            let id = id(at);
            Some(Preview { id, live, after, calls: vec![], rank: 0, wave: 0, protected: None, touched: None })
        });
        let planned = plan::plan(&Inputs {
            application: &name("web"),
            target: &name("host"),
            // As the object ids of the trees that are rendered.
            inputs: Digest::of(&[&self.desired[..], &[self.inputs]].concat()),
            desired: &Complete { objects, contents: Arc::new(Nothing) },
            owned: &Inventory { objects: owned.collect() },
            previews: &Previews { items: items.collect(), ..Previews::default() },
            owed: &BTreeSet::new(),
            held: &BTreeMap::new(),
            handed: &BTreeMap::new(),
            prune: true,
            no_deletes: None,
            only_delete: None,
            ends: false,
            report_drift: false,
            left_alone: &BTreeSet::new(),
            beyond: &BTreeSet::new(),
            glasses: &[],
        });
        planned.plan
    }
}

/// Two people of a group have to say yes to whatever is intentional, and the built-in guards hold beside.
fn rules() -> Rules {
    let policy: Policy = serde_json::from_value(serde_json::json!({
        "match": { "causes": ["intentional", "corrective"] },
        "approve": { "people": 2, "from": ["leads"] },
    }))
    .unwrap();
    let person = |who: &str| {
        let person: Person = serde_json::from_value(serde_json::json!({ "unix": [who], "groups": ["leads"] })).unwrap();
        (name(who), person)
    };
    let policies = BTreeMap::from([(name("four-eyes"), Declared { labels: BTreeMap::new(), spec: policy })]);
    Rules::new(&policies, &BTreeMap::from([person("ada"), person("bob")]))
}

struct Bed {
    ledger: Ledger,
    rules: Rules,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    fn judge(&self, plan: &Plan) -> (Verdict, Vec<Approval>) {
        let now = self.ledger.clock.now();
        let approvals = self.runtime.block_on(self.ledger.store.approvals(&plan.id, now)).unwrap();
        let mut facts = Facts::of(name("web"), name("host"), name("platform"), now);
        (facts.rendered, facts.owned) = (OBJECTS, 100);
        facts.approvals.clone_from(&approvals);
        (policy::judge(plan, &self.rules, &facts), approvals)
    }

    fn approve(&self, plan: &Plan, people: &[&str]) {
        let now = self.ledger.clock.now();
        self.runtime.block_on(async {
            let mut tx = self.ledger.store.write().await.unwrap();
            for who in people {
                let actor = Actor { person: Some(name(who)), ..Actor::unix_user(1000, (*who).into()) };
                let (time, expires) = (now, Time(now.0 + 3_600_000_000));
                tx.approve(&Approval { plan: plan.id, actor, time, expires }).await.unwrap();
            }
            tx.commit().await.unwrap();
        });
    }

    /// Begins a plan as a sync does that was judged so, and ends it again.
    fn begin(&self, plan: &Plan, verdict: Verdict, approvals: Vec<Approval>) -> Result<(), BeginError> {
        let prepared = Prepared {
            plan: plan.clone(),
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
        let (sync, started) = (new_sync_id().unwrap(), self.ledger.clock.now());
        let open = Open { sync, actor: Actor::daemon("test"), started, prepared };
        let preparation = Preparation { approvals, ..Preparation::default() };
        self.runtime.block_on(async {
            execute::begin(&self.ledger, &open, &preparation).await?;
            let mut tx = self.ledger.store.write().await?;
            tx.close_sync(&open.sync).await?;
            tx.drop_plans(&name("web")).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    /// Takes back every yes, so that the next case begins with none.
    fn forget(&self, plan: &Plan) {
        self.runtime.block_on(async {
            let mut tx = self.ledger.store.write().await.unwrap();
            let _ = tx.take_approvals(&plan.id, Time(0)).await.unwrap();
            tx.commit().await.unwrap();
        });
    }
}

#[test]
fn an_approval_lets_no_other_plan_through_and_its_own_only_once() {
    // In memory, where that can be had: it is ten thousand times three durable changes.
    let memory = std::path::Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(base).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(Store::open(folder.path())).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(clock::Machine);
    let ledger = Ledger { store, clock, redactor: Arc::new(Redactor::default()), glasses: BreakGlasses::default() };
    let bed = Bed { ledger, rules: rules(), runtime };
    let mut runner = TestRunner::new(Runs::with_cases(u32::try_from(CASES).unwrap()));
    let (mut same, mut other) = (0, 0);
    while same + other < CASES {
        let before = world().new_tree(&mut runner).unwrap().current();
        let after = moved(before.clone()).new_tree(&mut runner).unwrap().current();
        let (approved, comes) = (before.plan(), after.plan());
        if approved.steps.is_empty() || comes.steps.is_empty() {
            continue;
        }
        assert_eq!(bed.judge(&approved).0.decision, Decision::Hold);
        bed.approve(&approved, &["ada", "bob"]);
        let (verdict, approvals) = bed.judge(&comes);
        if comes.id == approved.id {
            same += 1;
            let what = |world: &World| (world.desired, world.live, world.inputs);
            assert_eq!(what(&before), what(&after), "the same id is the same content");
            assert_eq!(verdict.decision, Decision::Go, "{verdict:?}");
            bed.begin(&comes, verdict.clone(), approvals.clone()).unwrap();
            // Never twice: not for who asks anew, and not for who was told so before.
            assert_eq!(bed.judge(&comes).0.decision, Decision::Hold);
            assert!(matches!(bed.begin(&comes, verdict, approvals), Err(BeginError::Approval)));
        } else {
            other += 1;
            assert_eq!((verdict.decision, approvals.as_slice()), (Decision::Hold, &[][..]), "{before:?} {after:?}");
            // One who kept the yes to the other plan in memory gets no further.
            let (verdict, approvals) = bed.judge(&approved);
            assert_eq!((verdict.decision, approvals.len()), (Decision::Go, 2));
            assert!(matches!(bed.begin(&comes, verdict, approvals), Err(BeginError::Approval)));
            bed.forget(&approved);
        }
    }
    assert!(same > 500 && other > 500, "both were tried: {same} and {other}");
}
