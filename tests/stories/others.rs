//! What others do on the host is written down, and what they do again and again is left to them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::geteuid;
use serde_json::Value;

use super::telling::{SOON, all_is_well, applied, ended, held, records, status, unchanged_at, until, word, world_of};
use super::world::{App, Snapshot, World, eventually};

pub(super) fn settled(world: &mut World) -> String {
    world.repo.write("web/root/etc/motd", "from git\n").write("web/root/etc/other", "other\n");
    let first = world.repo.land("first");
    world.start();
    applied(world, "web", &first);
    first
}

/// Returns what was observed of a path, oldest first: each change with the number of its record.
pub(super) fn observed(world: &World, path: &str) -> Vec<(u64, Value)> {
    let mut found = vec![];
    for record in records(world, "web").iter().rev().filter(|record| record["kind"] == "observed") {
        let changes = record["body"]["changes"].as_array().cloned().unwrap_or_default();
        let of_path = changes.into_iter().filter(|change| change["object"]["name"] == path);
        found.extend(of_path.map(|change| (record["seq"].as_u64().unwrap(), change)));
    }
    found
}

pub(super) fn rounds(world: &World, count: u64) {
    let syncs = |now: &Value| now["syncs"].as_u64().unwrap_or_default();
    let enough = syncs(&status(world, "web")) + count;
    until(world, "web", "more rounds", |now| syncs(now) >= enough);
}

/// Returns the data folder once what was told is published too: a checkpoint follows within a second.
pub(super) fn data_at_rest(world: &World) -> Snapshot {
    let mut last = Snapshot::of(&world.path("data"));
    eventually("nothing more is written", SOON, || {
        std::thread::sleep(Duration::from_millis(1500));
        let before = std::mem::replace(&mut last, Snapshot::of(&world.path("data")));
        before == last
    });
    last
}

/// Somebody who will have a file hold something else, until dropped.
struct Fighter {
    stop: Arc<AtomicBool>,
    blows: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Fighter {
    fn new(path: PathBuf, wanted: &'static str, content: impl Fn(u64) -> String + Send + 'static) -> Self {
        let (stop, blows) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (stop.clone(), blows.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                if fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
                    let number = counted.fetch_add(1, Ordering::AcqRel);
                    fs::write(&path, content(number)).unwrap();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { stop, blows, thread: Some(thread) }
    }

    fn blows(&self) -> u64 {
        self.blows.load(Ordering::Acquire)
    }
}

impl Drop for Fighter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn what_others_did_is_recorded_with_who_and_when_before_it_is_put_right() {
    let mut world = world_of(&[App::new("web", &["web"])]);
    settled(&mut world);
    let before = std::time::SystemTime::now();
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "from git\n");
    fs::remove_file(world.live("/etc/other")).unwrap();
    world.until_live("/etc/other", "other\n");
    rounds(&world, 0);

    let edits = observed(&world, "/etc/motd");
    let [(seq, edit)] = edits.as_slice() else { panic!("{edits:#?}") };
    let me = geteuid().as_raw();
    let name = if me == 0 { "root".to_owned() } else { word(edit, "by").trim_start_matches("owner ").to_owned() };
    assert_eq!((word(edit, "what"), word(edit, "by")), ("changed", format!("owner {name}").as_str()));
    let at = Duration::from_micros(edit["at"].as_u64().unwrap());
    let edited = at.checked_sub(before.duration_since(std::time::UNIX_EPOCH).unwrap()).map(|late| late < SOON);
    // The kernel stamps files by a clock that lags some milliseconds behind.
    assert!(edited.unwrap_or(true) && at > Duration::from_secs(1_700_000_000), "{edit}");
    assert!(edit["left"].is_string() && edit["now"].is_string() && edit["left"] != edit["now"], "{edit}");

    let records = records(&world, "web");
    let told: Vec<_> = records.iter().rev().skip_while(|one| one["seq"] != *seq).map(|one| word(one, "kind")).collect();
    assert_eq!(told[..5], ["observed", "planned", "intent", "outcome", "closed"]);
    let syncs: Vec<_> =
        records.iter().rev().skip_while(|one| one["seq"] != *seq).map(|one| word(one, "sync")).collect();
    assert!(syncs[..5].iter().all(|sync| *sync == syncs[0] && !sync.is_empty()), "{syncs:?}");

    let deletions = observed(&world, "/etc/other");
    let [(_, gone)] = deletions.as_slice() else { panic!("{deletions:#?}") };
    assert_eq!(word(gone, "what"), "gone");
    assert!(gone["by"].is_null() && gone["at"].is_null() && gone["now"].is_null(), "nobody knows: {gone}");
    let history = world.cli(&["history", "web"]).code(0).stdout;
    assert!(history.contains(&format!("path /etc/motd changed (owner {name}")), "{history}");
    all_is_well(&world, &["web"]);
}

#[test]
fn held_drift_is_observed_once_and_reported_drift_once_for_each_state() {
    for (drift, outcome, code) in [("hold", "held", "guard.drift-held"), ("report", "degraded", "drift.reported")] {
        let mut world = world_of(&[App::new("web", &["web"]).sync(&format!("drift: {drift}\ninterval: 1s"))]);
        settled(&mut world);
        world.edit("/etc/motd", "by hand\n");
        ended(&world, "web", outcome, code);
        rounds(&world, 2);
        let (data, seen) = (data_at_rest(&world), observed(&world, "/etc/motd"));
        assert_eq!(seen.len(), 1, "{drift}: {seen:#?}");
        rounds(&world, 3);
        // Written again as it is: its time moves, and nothing else.
        world.edit("/etc/motd", "by hand\n");
        rounds(&world, 3);
        data.assert_same(&Snapshot::of(&world.path("data")), "told once, nothing is written");
        world.restart();
        rounds(&world, 2);
        assert_eq!(observed(&world, "/etc/motd").len(), 1, "{drift}: nor told again after a restart");

        world.edit("/etc/motd", "by hand, otherwise\n");
        eventually("another edit is told", SOON, || observed(&world, "/etc/motd").len() == 2);
        assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand, otherwise\n"));
        world.edit("/etc/motd", "from git\n");
        until(&world, "web", "all is right", |status| status["outcome"] == "unchanged");
        world.edit("/etc/motd", "by hand, otherwise\n");
        eventually("the same edit after that is another one", SOON, || observed(&world, "/etc/motd").len() == 3);
        world.edit("/etc/motd", "from git\n");
        until(&world, "web", "all is right", |status| status["outcome"] == "unchanged");
        all_is_well(&world, &["web"]);
    }
}

/// What only is watched is told also where there is no plan, for want of a revision that can be had.
#[test]
fn reported_drift_is_observed_while_the_newest_revision_is_refused() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("drift: report\ninterval: 1s")]);
    settled(&mut world);
    world.repo.write("web/bad.yaml", "kind: [\n").land("bad");
    until(&world, "web", "refused", |status| status["outcome"] == "refused");
    world.edit("/etc/motd", "by hand\n");
    eventually("it is told", SOON, || observed(&world, "/etc/motd").len() == 1);
    let data = data_at_rest(&world);
    rounds(&world, 3);
    data.assert_same(&Snapshot::of(&world.path("data")), "told once, nothing is written");
    assert_eq!((observed(&world, "/etc/motd").len(), word(&status(&world, "web"), "outcome")), (1, "refused"));
}

#[test]
fn who_writes_a_file_again_and_again_is_named_and_left_and_the_rest_is_kept_true() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    settled(&mut world);
    let fighter = Fighter::new(world.live("/etc/motd"), "from git\n", |_| "theirs\n".into());
    let plan = held(&world, "web", "fight");
    let told = status(&world, "web");
    assert_eq!(word(&told, "code"), "guard.fight");
    let message = word(&told, "message");
    assert!(message.contains("somebody else (owner ") && message.contains("path /etc/motd"), "{message}");
    assert_eq!((fighter.blows(), world.read("/etc/motd").as_deref()), (6, Some("theirs\n")));
    let healed = observed(&world, "/etc/motd").len();
    assert_eq!(healed, 6, "five that were put right, and the one that was not");

    // Told once, and nothing is written while it lasts; what else drifts is put right.
    rounds(&world, 2);
    let data = data_at_rest(&world);
    rounds(&world, 3);
    data.assert_same(&Snapshot::of(&world.path("data")), "a fight that is left alone");
    world.edit("/etc/other", "by hand\n");
    world.until_live("/etc/other", "other\n");
    assert_eq!((fighter.blows(), observed(&world, "/etc/motd").len()), (6, healed));

    // It is remembered.
    world.restart();
    rounds(&world, 2);
    assert_eq!((held(&world, "web", "fight"), fighter.blows()), (plan.clone(), 6));

    // A yes puts it right once, and counts anew.
    let _ = world.cli(&["approve", &plan]).code(0);
    let again = held(&world, "web", "fight");
    assert_eq!((again, fighter.blows()), (plan.clone(), 11), "the approved one is the first of five");
    drop(fighter);
    let _ = world.cli(&["approve", &plan]).code(0);
    world.until_live("/etc/motd", "from git\n");
    until(&world, "web", "all is right", |status| status["outcome"] == "unchanged");
    all_is_well(&world, &["web"]);
}

#[test]
fn a_fight_is_told_once_however_it_is_fought_and_ends_with_another_content_in_git() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    settled(&mut world);
    let fighter = Fighter::new(world.live("/etc/motd"), "from git\n", |number| format!("theirs, {number}\n"));
    let first = held(&world, "web", "fight");
    drop(fighter);
    let told = records(&world, "web").len();
    world.edit("/etc/motd", "theirs, and something else\n");
    let moved =
        until(&world, "web", "what is offered moves", |now| now["plan"].is_string() && now["plan"] != first.as_str());
    rounds(&world, 2);
    assert_eq!(records(&world, "web").len(), told, "the next blow is no news");
    let _ = world.cli(&["approve", &first]).code(2);
    assert!(world.read("/etc/motd").is_some_and(|text| text.starts_with("theirs")));

    // Nothing of it says a word against what Git wants next.
    world.repo.write("web/root/etc/motd", "from git, again\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("from git, again\n"));
    world.edit("/etc/motd", "once more by hand\n");
    world.until_live("/etc/motd", "from git, again\n");
    assert!(moved["plan"].is_string());
    all_is_well(&world, &["web"]);
}

#[test]
fn a_fight_that_is_given_up_needs_nobody() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    let first = settled(&mut world);
    let fighter = Fighter::new(world.live("/etc/motd"), "from git\n", |_| "theirs\n".into());
    held(&world, "web", "fight");
    drop(fighter);
    world.edit("/etc/motd", "from git\n");
    unchanged_at(&world, "web", &first);
    all_is_well(&world, &["web"]);
}
