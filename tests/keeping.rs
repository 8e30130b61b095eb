//! What a failed sync leaves behind, and what keeping an application true may not do.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "world/mod.rs"]
mod world;

use std::time::Duration;

use serde_json::Value;
use world::{App, World, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

fn world() -> World {
    let mut world = World::new();
    world.declared.apps = vec![App::new("web", &["web"]).sync("interval: 1s")];
    world.declared.commands = vec!["/bin/false".into()];
    world.repo.write("web/root/etc/motd", "good\n");
    world.repo.land("good");
    world.start();
    world.until_live("/etc/motd", "good\n");
    until(&world, "the first sync has ended", |now| now["good"].is_string());
    world
}

fn status(world: &World) -> Value {
    let status = world.cli(&["status", "--json"]).json();
    status["applications"][0].clone()
}

fn until(world: &World, what: &str, holds: impl Fn(&Value) -> bool) {
    eventually(what, PATIENCE, || holds(&status(world)));
}

/// Waits for so many more syncs.
fn rounds(world: &World, count: u64) {
    let syncs = |now: &Value| now["syncs"].as_u64().unwrap();
    let enough = syncs(&status(world)) + count;
    until(world, "more rounds", |now| syncs(now) >= enough);
}

fn intact(world: &World) {
    drop(world.cli(&["audit", "verify"]).code(0));
}

#[test]
fn a_file_whose_adoption_failed_is_never_deleted() {
    let mut world = world();
    world.edit("/etc/mine", "the administrator's\n");
    world.repo.write("web/root/etc/mine", "git's\n");
    let check = "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: { name: no }\n";
    world.repo.write("web/check.yaml", format!("{check}spec: {{ command: [\"/bin/false\"] }}\n"));
    let bad = world.repo.land("adopts, and fails");
    until(&world, "the adoption is held", |now| now["code"] == "guard.adoption");
    drop(world.cli(&["adopt", "web"]).code(1));
    // It used to be deleted by the plan that keeps what was applied before …
    rounds(&world, 3);
    assert_eq!(world.read("/etc/mine").as_deref(), Some("the administrator's\n"));
    // … and then by the revert.
    world.repo.revert(&bad);
    world.repo.push();
    until(&world, "the revert is applied", |now| now["bad"].is_null() && now["outcome"] == "unchanged");
    assert_eq!(world.read("/etc/mine").as_deref(), Some("the administrator's\n"));
    intact(&world);
    world.stop();
}

#[test]
fn a_handler_that_always_fails_is_ended_by_the_revert_of_its_commit() {
    let mut world = world();
    let file = "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: { name: /etc/site }\n";
    let spec = "spec: { content: x, onChange: [{ run: [\"/bin/false\"] }] }\n";
    world.repo.write("web/site.yaml", format!("{file}{spec}"));
    let bad = world.repo.land("a handler that fails");
    until(&world, "the revision is bad", |now| now["bad"] == bad);
    world.repo.revert(&bad);
    world.repo.write("web/root/etc/motd", "mended\n");
    let mended = world.repo.land("mended");
    // Each later revision used to fail by the same handler.
    until(&world, "the mended revision is applied", |now| now["good"] == mended);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("mended\n"));
    assert_eq!(world.read("/etc/site"), None);
    intact(&world);
    world.stop();
}

#[test]
fn drift_is_healed_while_the_target_refuses_the_newest_revision() {
    let mut world = world();
    let file = "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: { name: /etc/site }\n";
    world.repo.write("web/site.yaml", format!("{file}spec: {{ content: x, owner: nobody-of-that-name }}\n"));
    world.repo.land("an owner that nobody knows");
    until(&world, "it is refused", |now| now["code"] == "host.unknown-owner");
    assert_eq!(status(&world)["outcome"], "refused");
    world.edit("/etc/motd", "drift\n");
    world.until_live("/etc/motd", "good\n");
    intact(&world);
    world.stop();
}
