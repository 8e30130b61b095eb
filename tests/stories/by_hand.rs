//! People work on a host by hand, under break-glass that lets them.

use serde_json::Value;
use trueup::audit::{self, Body, BreakGlassBody, Entry, GlassEvent, Redactor};
use trueup::model::{Actor, BreakGlass, BreakGlassEnd, BreakGlassId, Clock};
use trueup::store::Store;

use super::clock::Machine;
use super::others::{data_at_rest, observed, rounds, settled};
use super::telling::{SOON, all_is_well, applied, ended, records, status, until, word, world_of};
use super::world::{App, Snapshot, World, eventually};

fn glass(patterns: &[&str], applications: &[&str], lasts: u32) -> BreakGlass {
    BreakGlass {
        id: BreakGlassId("0123456789abcdef".into()),
        applications: applications.iter().map(|name| name.parse().unwrap()).collect(),
        policies: vec![],
        live_edit: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        reason: "the site is down".into(),
        ticket: None,
        request: None,
        by: Actor::unix_user(1000, "ada".into()),
        opened: Machine.now(),
        boot: Machine.boot(),
        lasts,
        needs: 0,
    }
}

/// Writes a record of break-glass, while the daemon does not run.
fn record(world: &World, glass: &BreakGlass, event: GlassEvent) {
    let opening = (event == GlassEvent::Opened).then(|| glass.clone());
    let end = (event == GlassEvent::Closed).then_some(BreakGlassEnd::Closed);
    let body = Body::BreakGlass(BreakGlassBody { opening, end, ..BreakGlassBody::new(&glass.id, event) });
    let actor = glass.by.clone();
    let entry = Entry { application: None, revision: None, plan: None, sync: None, actor, body };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&world.path("data")).await.unwrap();
        let mut tx = store.write().await.unwrap();
        audit::append(&mut tx, Machine.now(), &Redactor::default(), &[entry]).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await.unwrap();
    });
}

fn open(world: &mut World, glass: &BreakGlass) {
    world.stop();
    record(world, glass, GlassEvent::Opened);
    world.start();
}

#[test]
fn a_hand_edit_under_break_glass_stays_is_told_once_for_each_state_and_heals_when_it_ends() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    settled(&mut world);
    let glass = glass(&["/etc/mo*"], &["web"], 3600);
    open(&mut world, &glass);
    world.edit("/etc/motd", "at night\n");
    let told = ended(&world, "web", "degraded", "drift.live-edit");
    assert!(word(&told, "message").contains("path /etc/motd is edited by hand"), "{told}");
    rounds(&world, 2);
    let data = data_at_rest(&world);
    rounds(&world, 3);
    data.assert_same(&Snapshot::of(&world.path("data")), "told once, nothing is written");
    let edits = observed(&world, "/etc/motd");
    assert!(edits.len() == 1 && word(&edits[0].1, "by").starts_with("owner "), "{edits:#?}");

    // What the break-glass does not name is healed, and each state of what it names is told.
    world.edit("/etc/other", "by hand\n");
    world.until_live("/etc/other", "other\n");
    world.edit("/etc/motd", "at night, better\n");
    eventually("another state is told", SOON, || observed(&world, "/etc/motd").len() == 2);
    ended(&world, "web", "degraded", "drift.live-edit");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("at night, better\n"));

    world.stop();
    record(&world, &glass, GlassEvent::Closed);
    world.start();
    world.until_live("/etc/motd", "from git\n");
    until(&world, "web", "all is right", |status| status["outcome"] == "unchanged");
    assert_eq!(observed(&world, "/etc/motd").len(), 3, "what was put right in the end is told with its plan");
    all_is_well(&world, &["web"]);
}

#[test]
fn what_git_wants_of_a_file_that_people_edit_waits_and_everything_else_goes_on() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    world.repo.write("web/root/etc/gone", "gone\n");
    settled(&mut world);
    let glass = glass(&["/etc/motd", "/etc/gone"], &["web"], 3600);
    open(&mut world, &glass);
    world.edit("/etc/motd", "at night\n");
    ended(&world, "web", "degraded", "drift.live-edit");
    world.repo.write("web/root/etc/motd", "from git, newer\n").write("web/root/etc/other", "newer\n");
    world.repo.remove("web/root/etc/gone");
    let second = world.repo.land("all three");
    let told =
        until(&world, "web", "what waits is told", |now| now["code"] == "guard.live-edit" && now["applied"] == second);
    let waits: Vec<_> =
        told["findings"].as_array().unwrap().iter().map(|one| word(&one["objects"][0], "name")).collect();
    assert_eq!((word(&told, "outcome"), waits), ("held", vec!["/etc/motd", "/etc/gone"]));
    let live = |path: &str| world.read(path).unwrap_or_default();
    assert_eq!(
        (live("/etc/motd"), live("/etc/gone"), live("/etc/other")),
        ("at night\n".into(), "gone\n".into(), "newer\n".into())
    );
    rounds(&world, 2);
    let data = data_at_rest(&world);
    rounds(&world, 3);
    data.assert_same(&Snapshot::of(&world.path("data")), "told once, nothing is written");

    world.stop();
    record(&world, &glass, GlassEvent::Closed);
    world.start();
    applied(&world, "web", &second);
    until(&world, "web", "it is as Git says", |_| world.read("/etc/motd").as_deref() == Some("from git, newer\n"));
    assert_eq!(world.read("/etc/gone"), None);
    all_is_well(&world, &["web"]);
}

#[test]
fn leave_to_edit_is_for_the_applications_that_it_names_and_ends_by_itself() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s"), App::new("shop", &["shop"])]);
    world.repo.write("shop/root/etc/shop", "shop\n");
    settled(&mut world);
    let glass = glass(&["*"], &["web"], 12);
    open(&mut world, &glass);
    world.edit("/etc/motd", "at night\n");
    world.edit("/etc/shop", "by hand\n");
    world.until_live("/etc/shop", "shop\n");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("at night\n"));
    world.until_live("/etc/motd", "from git\n");
    assert!(Machine.now() >= glass.until());
    let used = |record: &Value| record["kind"] == "break-glass" && record["body"]["event"] == "used";
    assert!(!records(&world, "web").iter().any(used), "it let no plan through");
    assert_eq!(word(&status(&world, "shop"), "outcome"), "unchanged");
    all_is_well(&world, &["web", "shop"]);
}
