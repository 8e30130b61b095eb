//! What a round costs that finds 2,000 files as they should be. `cargo bench --bench steady`.
#![allow(clippy::print_stdout, clippy::expect_used)]

#[path = "../clock/mod.rs"]
mod clock;
mod table;
#[path = "../world/mod.rs"]
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clock::Machine;
use table::{ms, quantile, row};
use tokio_util::sync::CancellationToken;
use trueup::audit::{BreakGlasses, Redactor};
use trueup::config::{Application, HostTarget as DeclaredHost, Repository, Transport};
use trueup::model::{Actor, Clock, Desired, Inventory, Name, Outcome};
use trueup::policy::InForce;
use trueup::render::MemoryCache;
use trueup::source::{GitSource, Shared};
use trueup::store::Store;
use trueup::sync::{self, Holds, Memory, Neighbours, Origin, Ring, Subject};
use trueup::target::{Call, Target, host::HostTarget};
use world::{HttpServer, Repo};

const FILES: usize = 2_000;
const FOLDERS: usize = 40;
const ROUNDS: usize = 200;
const GOAL: Duration = Duration::from_millis(20);

fn main() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder can be made");
    let repo = Repo::new(&scratch.path().join("git"), "platform");
    for number in 0..FILES {
        repo.write(&file(number), format!("# file {number}\nport = {number}\n"));
    }
    repo.land("two thousand files");
    let server = HttpServer::start(&scratch.path().join("git"));
    // Two workers, as `trueup run` has.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be made").block_on(bench(scratch.path(), &server.url(repo.name())));
}

async fn bench(folder: &Path, url: &str) {
    let bed = Bed::new(folder, url).await;
    let mut subject = bed.subject;

    let ring = Ring { since: Some(tokio::time::Instant::now()), ..Ring::daemon("bench") };
    let first = sync::sync(&mut subject, &ring).await;
    assert_eq!((first.outcome, first.steps.len()), (Outcome::Applied, FILES), "{:?}", first.message);
    // What was just written is read once more before its fingerprint is trusted.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        round(&mut subject).await;
    }

    let reads = bed.target.content_reads();
    let mut rounds = vec![];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        round(&mut subject).await;
        rounds.push(began.elapsed());
    }
    let mut previews = vec![];
    let desired = subject.memory.candidate.as_ref().expect("a sync left its candidate").desired.clone();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        preview(&bed.target, &desired, &subject.memory.inventory).await;
        previews.push(began.elapsed());
    }
    let reads = bed.target.content_reads() - reads;

    let name = |what: &str| format!("{FILES} files, no change: {what}");
    let (median, worst) = (quantile(&rounds, 0.5), quantile(&rounds, 0.99));
    row(&name("one round, p50"), &ms(median), "at most 20 ms", Some(median <= GOAL));
    row(&name("one round, p99"), &ms(worst), "at most 20 ms", Some(worst <= GOAL));
    row(&name("the preview alone, p50"), &ms(quantile(&previews, 0.5)), "", None);
    row(&name("content reads in all rounds"), &reads.to_string(), "0", Some(reads == 0));
}

fn file(number: usize) -> String {
    format!("root/etc/app/{}/{number}.conf", number % FOLDERS)
}

async fn round(subject: &mut Subject) {
    let report = sync::sync(subject, &Ring::daemon("interval")).await;
    assert_eq!(report.outcome, Outcome::Unchanged, "{:?}", report.message);
}

async fn preview(target: &HostTarget, desired: &Desired, inventory: &Inventory) {
    let call = Call {
        deadline: tokio::time::Instant::now() + Duration::from_mins(1),
        cancel: CancellationToken::new(),
        fence: 1,
        sync: trueup::store::new_sync_id().expect("there is randomness"),
        actor: Actor::daemon("bench"),
    };
    let previews = target.preview(&call, desired, inventory).await.expect("the host can be looked at");
    assert_eq!(previews.items.len(), FILES);
}

struct Bed {
    subject: Subject,
    target: Arc<HostTarget>,
}

impl Bed {
    /// Sets up one application the way the agent does.
    async fn new(folder: &Path, url: &str) -> Self {
        std::fs::create_dir_all(folder.join("root/etc")).expect("a folder can be made");
        let repository = serde_json::json!({ "url": url });
        let repository: Repository = serde_json::from_value(repository).expect("a Repository document");
        let application = serde_json::json!({ "source": { "repository": "platform", "path": "." }, "target": "host" });
        let application: Application = serde_json::from_value(application).expect("an Application document");
        let host = serde_json::json!({ "allow": ["/etc"], "root": folder.join("root") });
        let host: DeclaredHost = serde_json::from_value(host).expect("a Target document");

        let store = Store::open(&folder.join("data")).await.expect("a store can be made");
        let clock: Arc<dyn Clock> = Arc::new(Machine);
        let source = GitSource::new(&repository, &[Transport::Http], folder.join("mirror")).expect("a source");
        let target = Arc::new(HostTarget::new(&host, store.key().clone()).expect("a target"));
        let subject = Subject {
            name: name("app"),
            target_name: name("host"),
            labels: [].into(),
            policy: application.sync.clone(),
            rules: InForce::default(),
            origin: Origin {
                application: Arc::new(application),
                repository: Arc::new(repository),
                source: Arc::new(Shared::new(Arc::new(source), clock.clone())),
                cache: Arc::new(MemoryCache::new(20_000)),
                key: store.key().clone(),
                redactor: Arc::default(),
                holds: Holds::default(),
                within: None,
            },
            target: target.clone(),
            neighbours: Arc::new(Neighbours::default()),
            store,
            course: sync::Course::new(clock.clone(), |_| {}),
            clock,
            redactor: Arc::new(Redactor::default()),
            glasses: BreakGlasses::default(),
            cancel: CancellationToken::new(),
            progress: trueup::sync::Progress::default(),
            memory: Memory::default(),
        };
        Self { subject, target }
    }
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}
