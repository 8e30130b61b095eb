//! Nothing changes, and so nothing is written: round after round.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trueup::audit::{BreakGlasses, Redactor};
use trueup::config::Config;
use trueup::model::{Clock, Name, Outcome};
use trueup::policy::InForce;
use trueup::render::MemoryCache;
use trueup::source::{GitSource, Shared};
use trueup::store::Store;
use trueup::sync::{Course, Holds, Memory, Neighbours, Origin, Progress, Ring, Subject, sync};

use super::clock::Machine;
use super::telling::{all_is_well, applied, file_with_handler, lines, status, until, world, world_of};
use super::world::parts::say;
use super::world::{App, Snapshot, World, eventually};

const ROUNDS: usize = 1000;

fn site(world: &mut World) -> std::path::PathBuf {
    world.declared.commands = vec!["/bin/sh".into()];
    let log = world.path("handled");
    world.repo.write("web/site.yaml", file_with_handler("/etc/site.conf", "site\n", &log));
    for number in 0..20 {
        world.repo.write(&format!("web/root/etc/app/{number}"), format!("{number}\n"));
    }
    world
        .repo
        .write("web/root/etc/tool", "#!/bin/sh\n")
        .mode("web/root/etc/tool", 0o755)
        .link("web/root/etc/link", "tool");
    log
}

/// Returns what the daemon would sync, made from the very configuration and data folder that the daemon had.
async fn subject(world: &World) -> Subject {
    let loaded = Config::load(&world.path("config.yaml")).expect("no mistakes").config;
    let name: Name = "web".parse().unwrap();
    let application = loaded.applications[&name].spec.clone();
    let (repository, target_name) = (application.source.repository.clone(), application.target.clone());
    let declared = &loaded.repositories[&repository];
    let store = Store::open(&world.path("data")).await.unwrap();
    let folder = store.folder().join("mirrors").join(repository.as_str());
    let clock: Arc<dyn Clock> = Arc::new(Machine);
    let source = GitSource::new(declared, &loaded.daemon.transports, folder).unwrap();
    let source = Arc::new(Shared::new(Arc::new(source), clock.clone()));
    let memory = Memory::load(&store, &target_name, &name).await.unwrap();
    let redactor = Arc::new(Redactor::new(Vec::<Vec<u8>>::new()));
    let origin = Origin {
        application: Arc::new(application.clone()),
        repository: Arc::new(declared.clone()),
        source,
        cache: Arc::new(MemoryCache::new(1000)),
        key: store.key().clone(),
        redactor: redactor.clone(),
        holds: Holds::default(),
        within: None,
    };
    Subject {
        target: trueup::target::adapter(&loaded.targets[&target_name], store.key()).unwrap(),
        name,
        target_name,
        labels: [].into(),
        policy: application.sync,
        rules: InForce::default(),
        origin,
        neighbours: Arc::new(Neighbours::default()),
        store,
        clock: clock.clone(),
        redactor,
        glasses: BreakGlasses::default(),
        cancel: CancellationToken::new(),
        memory,
        progress: Progress::default(),
        course: Course::new(clock, |_| {}),
    }
}

/// The daemon's own flow, a thousand times and each time with a poll of the server, without the daemon's timers: they
/// would make the thousand rounds last a quarter of an hour.
#[test]
fn a_thousand_rounds_each_with_its_poll_write_nothing_and_run_no_handler() {
    let mut world = world();
    let log = site(&mut world);
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    all_is_well(&world, &["web"]);
    world.stop();
    assert_eq!(lines(&log), 1);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut subject = subject(&world).await;
        let ring = || Ring { since: Some(Instant::now()), ..Ring::daemon("interval") };
        // The first round fills memory after the start.
        assert_eq!(sync(&mut subject, &ring()).await.outcome, Outcome::Unchanged);
        let (data, host) = (Snapshot::of(&world.path("data")), world.snapshot());
        let asked = world.server.requests().len();
        for round in 0..ROUNDS {
            let report = sync(&mut subject, &ring()).await;
            assert_eq!(report.outcome, Outcome::Unchanged, "round {round}: {report:?}");
        }
        let asked: Vec<_> = world.server.requests().split_off(asked);
        let polls = asked.iter().filter(|request| request.body.windows(7).any(|part| part == b"ls-refs")).count();
        say(&format!("{ROUNDS} rounds: {} requests, {polls} of them for the ref", asked.len()));
        assert_eq!(polls, ROUNDS, "each round has its poll");
        data.assert_same(&Snapshot::of(&world.path("data")), "the data folder, in bytes and times");
        host.assert_same(&world.snapshot(), "the host, in bytes and times");
        assert_eq!(
            subject.memory.quiet.map(|quiet| quiet.count),
            Some(ROUNDS as u64 + 1),
            "each round is accounted for"
        );
    });
    drop(runtime);
    assert_eq!(lines(&log), 1);
    world.start();
    all_is_well(&world, &["web"]);
    assert_eq!(lines(&log), 1);
}

/// The same with the real daemon and its timers: fewer rounds, many applications.
#[test]
fn a_daemon_with_nothing_to_do_writes_nothing() {
    let apps: Vec<_> =
        (0..20).map(|n| App::new(&format!("app-{n}"), &[&format!("app-{n}")]).sync("interval: 1s")).collect();
    let mut world = world_of(&apps);
    for app in &apps {
        world.repo.write(&format!("{0}/root/etc/{0}", app.name), format!("{}\n", app.name));
    }
    let first = world.repo.land("first");
    world.start();
    for app in &apps {
        applied(&world, &app.name, &first);
    }
    until(&world, "app-0", "the rounds begin", |now| now["outcome"] == "unchanged");
    let rounds = |world: &World| -> u64 {
        let status = world.cli(&["status", "--json"]).json();
        status["applications"].as_array().unwrap().iter().map(|app| app["syncs"].as_u64().unwrap()).sum()
    };
    let polls = |world: &World| world.server.requests().len();
    let before = (Snapshot::of(&world.path("data")), world.snapshot(), rounds(&world), polls(&world));
    eventually("two hundred rounds", super::telling::SOON * 2, || rounds(&world) >= before.2 + 200);
    before.0.assert_same(&Snapshot::of(&world.path("data")), "the data folder, in bytes and times");
    before.1.assert_same(&world.snapshot(), "the host, in bytes and times");
    assert!(polls(&world) > before.3, "the repository was polled meanwhile");
    assert_eq!(status(&world, "app-7")["outcome"], "unchanged");
    all_is_well(&world, &["app-0", "app-19"]);
}
