//! A sync fails half-way.

use std::path::PathBuf;

use super::telling::{
    all_is_well, applied, check, closed, file, file_with_handler, lines, status, unchanged_at, until, word, world,
};
use super::world::World;

fn shell(world: &mut World) {
    world.declared.commands = vec!["/bin/sh".into()];
}

/// A site that is live, with a handler that leaves a line in the returned file each time.
fn live_site(world: &mut World) -> (PathBuf, String) {
    shell(world);
    let log = world.path("handled");
    world.repo.write("web/site.yaml", file_with_handler("/etc/site.conf", "good\n", &log));
    world.repo.write("web/root/etc/motd", "good\n").write("web/root/etc/old", "old\n");
    let first = world.repo.land("good");
    world.start();
    applied(world, "web", &first);
    assert_eq!(lines(&log), 1);
    (log, first)
}

/// What follows every failure: last good is live, the revision is not tried again by itself, and a new commit mends it.
fn rolled_back_to(world: &World, good: &str, bad: &str, before: &super::world::Snapshot) {
    let told = until(world, "web", "the sync is rolled back", |now| now["bad"] == bad && now["outcome"] != "failed");
    assert!(matches!(word(&told, "outcome"), "rolled-back" | "refused"), "{told:#}");
    before.assert_same(&world.snapshot().settled(|_| false), "everything is as it was");
    assert_eq!((word(&told, "applied"), word(&told, "good")), (good, good));
    assert_eq!(closed(world, "web", "rolled-back"), 1);
}

#[test]
fn a_failed_check_takes_everything_back_and_is_not_tried_again_by_itself() {
    let mut world = world();
    let (_, good) = live_site(&mut world);
    let before = world.snapshot().settled(|_| false);
    let tried = world.path("tried");
    world.repo.write(
        "web/check.yaml",
        check("site", &format!("echo tried >> {}; echo 'no such upstream'; exit 1", tried.display())),
    );
    world.repo.write("web/root/etc/motd", "bad\n").write("web/root/etc/new", "new\n").remove("web/root/etc/old");
    let bad = world.repo.land("bad");
    rolled_back_to(&world, &good, &bad, &before);
    assert_eq!(world.read("/etc/new"), None, "what the failed sync made is gone");
    let told = world.cli(&["history", "web"]).code(0).stdout;
    assert!(told.contains("rolled-back"), "{told}");
    assert!(world.cli(&["audit", "list", "web", "--json", "-n", "1000"]).stdout.contains("no such upstream"));

    // Rounds go by, drift is healed, the daemon restarts: the bad revision stays untried.
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "good\n");
    world.restart();
    until(&world, "web", "the bad revision is refused", |now| now["outcome"] == "refused");
    world.edit("/etc/motd", "by hand again\n");
    world.until_live("/etc/motd", "good\n");
    assert_eq!(lines(&tried), 1);

    // A person says so: it is tried again, once.
    let report = world.cli(&["sync", "web", "--json"]).code(1).json();
    assert_eq!((word(&report, "outcome"), lines(&tried)), ("rolled-back", 2));
    before.assert_same(&world.snapshot().settled(|_| false), "rolled back again");

    world.repo.write("web/check.yaml", check("site", "true"));
    let mended = world.repo.land("mended");
    applied(&world, "web", &mended);
    assert_eq!((world.read("/etc/new").as_deref(), world.read("/etc/old")), (Some("new\n"), None));
    assert_eq!(status(&world, "web")["bad"], serde_json::Value::Null);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_failed_handler_takes_everything_back() {
    let mut world = world();
    let (log, good) = live_site(&mut world);
    let before = world.snapshot().settled(|_| false);
    let broken = ", onChange: [{ run: [/bin/sh, -c, \"exit 3\"] }]";
    world.repo.write("web/site.yaml", file("/etc/site.conf", "bad\n", broken)).write("web/root/etc/new", "new\n");
    let bad = world.repo.land("bad");
    rolled_back_to(&world, &good, &bad, &before);
    assert_eq!(lines(&log), 2, "the site was put back, so its own handler ran");
    world.repo.write("web/site.yaml", file_with_handler("/etc/site.conf", "better\n", &log));
    let mended = world.repo.land("mended");
    applied(&world, "web", &mended);
    assert_eq!(lines(&log), 3);
    all_is_well(&world, &["web"]);
}

#[test]
fn what_a_validator_refuses_never_reaches_its_place() {
    let mut world = world();
    let (_, good) = live_site(&mut world);
    let before = world.snapshot().settled(|_| false);
    let validated =
        |content: &str| file("/etc/valid.conf", content, ", validate: [/bin/sh, -c, 'grep -q good \"$0\"', \"{}\"]");
    world.repo.write("web/valid.yaml", validated("bad\n")).write("web/root/etc/a-first", "new\n");
    let bad = world.repo.land("bad");
    rolled_back_to(&world, &good, &bad, &before);
    assert_eq!(world.read("/etc/valid.conf"), None);
    let mended = world.repo.revert(&bad);
    applied(&world, "web", &mended);
    assert_eq!(status(&world, "web")["bad"], serde_json::Value::Null);
    world.repo.write("web/valid.yaml", validated("good\n"));
    let third = world.repo.land("good after all");
    applied(&world, "web", &third);
    assert_eq!(world.read("/etc/valid.conf").as_deref(), Some("good\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_broken_commit_is_refused_before_anything_changes() {
    let mut world = world();
    let (_, good) = live_site(&mut world);
    let before = world.snapshot();
    world.repo.write("web/site.yaml", "apiVersion: host.trueup.dev/v1alpha1\nkind: Fiel\nmetadata: { name: /etc/x }\n");
    world.repo.land("a typing mistake");
    let told = until(&world, "web", "the commit is refused", |now| now["outcome"] == "refused");
    assert!(word(&told, "message").contains("did you mean 'File'?"), "{told:#}");
    before.assert_same(&world.snapshot(), "nothing changed");
    assert_eq!(word(&told, "applied"), good);
    let mended = world.repo.revert("HEAD");
    unchanged_at(&world, "web", &mended);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_failure_right_after_adoption_brings_back_what_was_found() {
    let mut world = world();
    shell(&mut world);
    world.configure();
    world.edit("/etc/app.conf", "set up by hand\n");
    world.edit("/etc/same.conf", "the same\n");
    world.repo.write("web/root/etc/app.conf", "from git\n").write("web/root/etc/same.conf", "the same\n");
    world.repo.write("web/root/etc/new.conf", "new\n").write("web/check.yaml", check("app", "exit 1"));
    let bad = world.repo.land("a check that fails");
    let before = world.snapshot().settled(|_| false);
    world.start();
    super::telling::held(&world, "web", "adoption");
    let report = world.cli(&["adopt", "web", "--json"]).code(1).json();
    assert_eq!(word(&report, "outcome"), "rolled-back", "{report:#}");
    before.assert_same(&world.snapshot().settled(|_| false), "what was found is back");
    until(&world, "web", "the revision is marked bad", |now| now["bad"] == bad.as_str());
    world.repo.write("web/check.yaml", check("app", "true"));
    let mended = world.repo.land("mended");
    applied(&world, "web", &mended);
    assert_eq!(world.read("/etc/app.conf").as_deref(), Some("from git\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_first_sync_that_fails_leaves_nothing_behind() {
    let mut world = world();
    shell(&mut world);
    world.repo.write("web/root/etc/one", "1\n").write("web/root/etc/two", "2\n").write("web/root/etc/three", "3\n");
    world.repo.write("web/check.yaml", check("app", "exit 1"));
    let bad = world.repo.land("a check that fails");
    world.configure();
    let before = world.snapshot().settled(|_| false);
    world.start();
    until(&world, "web", "rolled back", |now| now["bad"] == bad.as_str() && now["outcome"] != "failed");
    before.assert_same(&world.snapshot().settled(|_| false), "nothing is left of it");
    world.repo.write("web/check.yaml", check("app", "true"));
    let mended = world.repo.land("mended");
    applied(&world, "web", &mended);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_failure_of_one_application_does_not_hold_up_another() {
    let mut world =
        super::telling::world_of(&[super::world::App::new("web", &["web"]), super::world::App::new("mail", &["mail"])]);
    shell(&mut world);
    world.repo.write("web/root/etc/web", "1\n").write("web/check.yaml", check("web", "exit 1"));
    world.repo.write("mail/root/etc/mail", "1\n");
    let first = world.repo.land("one of them fails");
    world.start();
    applied(&world, "mail", &first);
    until(&world, "web", "marked bad", |now| now["bad"] == first.as_str());
    world.repo.write("mail/root/etc/mail", "2\n");
    let second = world.repo.land("the other goes on");
    applied(&world, "mail", &second);
    assert_eq!(world.read("/etc/web"), None);
    world.repo.write("web/check.yaml", check("web", "true"));
    let third = world.repo.land("mended");
    applied(&world, "web", &third);
    all_is_well(&world, &["web", "mail"]);
}
