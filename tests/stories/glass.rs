//! Break-glass ends, whatever is done to clocks and records (M6 of the hostile inputs).

use std::time::{Duration, Instant};

use serde_json::Value;

use super::faults::{Fault, Faults};
use super::full::Tmpfs;
use super::telling::{SOON, applied, held, intact, records, until, word, world};
use super::world::{World, eventually};

const NEVER: &str = "---\napiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: { name: never }\n\
                     spec: { match: { causes: [intentional] }, deny: { when: plan.updates > 0, message: not today } }\n";

/// Returns a world in which no file may change, and one is live.
fn frozen() -> World {
    let mut world = world();
    world.repo.write("web/root/etc/web", "one\n");
    world.declared.more = NEVER.into();
    world
}

fn begin(world: &mut World) {
    let first = world.repo.land("first");
    world.start();
    applied(world, "web", &first);
}

fn open(world: &World, length: &str) -> String {
    let open = ["break-glass", "open", "web", "--policy", "never", "--reason", "it burns", "--for", length, "--json"];
    word(&world.cli(&open).code(0).json(), "id").to_owned()
}

/// Returns what is listed of the newest break-glass.
fn listed(world: &World) -> Value {
    world
        .cli(&["break-glass", "list", "--json"])
        .json()
        .as_array()
        .and_then(|all| all.last().cloned())
        .unwrap_or_default()
}

fn ended(world: &World, end: &str) {
    eventually(&format!("it ends: {end}"), SOON, || listed(world)["end"] == end);
    assert_eq!(listed(world)["in_force"], false);
}

/// Lands a change that the policy holds, and sees that it does.
fn is_held(world: &World, content: &str) {
    world.repo.write("web/root/etc/web", content).land("a change");
    held(world, "web", "deny");
    assert_ne!(world.read("/etc/web").as_deref(), Some(content));
}

#[test]
fn a_clock_that_is_set_back_lengthens_no_break_glass() {
    let mut world = frozen();
    let faults = Faults::new(&world.path("faults"), Fault::None).clock();
    world.environment = faults.environment();
    begin(&mut world);
    let opened = Instant::now();
    open(&world, "10s");
    faults.set_clock(-3600);
    world.repo.write("web/root/etc/web", "two\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    ended(&world, "ran-out");
    assert!(opened.elapsed() < Duration::from_secs(25), "a look is each 15 seconds at most: {:?}", opened.elapsed());
    is_held(&world, "three\n");
    intact(&world);
}

#[test]
fn a_start_that_finds_the_clock_before_the_last_record_ends_break_glass() {
    let mut world = frozen();
    let faults = Faults::new(&world.path("faults"), Fault::None).clock();
    world.environment = faults.environment();
    begin(&mut world);
    open(&world, "2h");
    // A restart alone ends nothing.
    world.restart();
    assert_eq!(listed(&world)["in_force"], true);
    world.kill9();
    faults.set_clock(-3600);
    world.start();
    ended(&world, "clock-set-back");
    is_held(&world, "two\n");
    intact(&world);
}

#[test]
fn a_clock_that_is_set_forward_ends_break_glass_at_once() {
    let mut world = frozen();
    let faults = Faults::new(&world.path("faults"), Fault::None).clock();
    world.environment = faults.environment();
    begin(&mut world);
    open(&world, "1h");
    faults.set_clock(2 * 3600);
    ended(&world, "expired");
    // Set right again it does not come back.
    faults.set_clock(0);
    assert_eq!(listed(&world)["in_force"], false);
    is_held(&world, "two\n");
    intact(&world);
}

#[test]
fn what_has_ended_is_neither_agreed_to_nor_closed_again_and_no_record_of_an_open_one_is_erased() {
    let mut world = frozen();
    begin(&mut world);
    let id = open(&world, "1h");
    let opening = records(&world, "web").into_iter().find(|record| record["kind"] == "break-glass").unwrap();
    let number = opening["seq"].to_string();
    let erase = || world.cli(&["audit", "erase", &number, "--reason", "a name in it"]);
    assert!(erase().code(2).stderr.contains("break-glass.open"), "its opening is in force");
    let _ = world.cli(&["break-glass", "close", &id]).code(0);
    for again in ["agree", "close"] {
        let refused = world.cli(&["break-glass", again, &id]).code(2);
        assert!(refused.stderr.contains("break-glass.ended"), "{again}: {}", refused.stderr);
    }
    is_held(&world, "two\n");
    let _ = erase().code(0);
    world.restart();
    assert_eq!(listed(&world)["in_force"], Value::Null, "nothing is known of it any more");
    held(&world, "web", "deny");
    intact(&world);
}

#[test]
fn without_a_record_there_is_no_break_glass() {
    let mut world = frozen();
    let Some(disk) = Tmpfs::mount(&world.path("data"), "8m") else { return };
    world.declared.daemon = "trail: { reserveMib: 0 }".into();
    begin(&mut world);
    is_held(&world, "two\n");
    disk.fill();
    let open = |what: [&str; 2]| {
        world.cli(&["break-glass", "open", "web", what[0], what[1], "--reason", "it burns", "--for", "1h"])
    };
    // Where the file of the store has room left in it, some more records fit.
    eventually("no record can be written", SOON, || open(["--live-edit", "/etc/none"]).code == 2);
    let refused = open(["--policy", "never"]).code(2);
    assert!(refused.stderr.contains("store.full"), "{}", refused.stderr);
    let overrides = |glass: &Value| glass["policies"].as_array().is_some_and(|all| !all.is_empty());
    let all = world.cli(&["break-glass", "list", "--json"]).json();
    assert!(!all.as_array().unwrap().iter().any(overrides), "{all}");
    assert_eq!(world.read("/etc/web").as_deref(), Some("one\n"));
    disk.empty();
    world.repo.write("web/root/etc/web", "three\n").land("with room");
    until(&world, "web", "it is held, and not for the disk", |now| now["code"] == "policy.deny");
    assert_eq!(world.read("/etc/web").as_deref(), Some("one\n"));
    intact(&world);
    world.stop();
    drop(disk);
}

#[test]
fn what_was_edited_by_hand_is_kept_though_its_time_ran_out_while_nothing_ran() {
    let mut world = frozen();
    begin(&mut world);
    let open = ["break-glass", "open", "web", "--live-edit", "/etc/*", "--reason", "night", "--for", "10s", "--json"];
    let opened = world.cli(&open).code(0).json();
    world.edit("/etc/web", "by hand\n");
    world.stop();
    std::thread::sleep(Duration::from_secs(11));
    world.start();
    world.until_live("/etc/web", "one\n");
    ended(&world, "expired");
    let shown = world.cli(&["break-glass", "show", word(&opened, "id")]).code(1);
    assert!(shown.stdout.contains("+by hand"), "{}", shown.stdout);
    intact(&world);
}

#[test]
fn what_judges_is_edited_by_nobody() {
    let mut world = frozen();
    begin(&mut world);
    let open = ["break-glass", "open", "declarations", "--live-edit", "*", "--reason", "mine", "--for", "1h"];
    let refused = world.cli(&open).code(2);
    assert!(refused.stderr.contains("break-glass.asked"), "{}", refused.stderr);
}
