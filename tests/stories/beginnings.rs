//! The very first sync fails.

use super::failure::shell;
use super::telling::{all_is_well, applied, check, held, until, word, world, world_of};
use super::world::App;

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
    held(&world, "web", "adoption");
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
    let mut world = world_of(&[App::new("web", &["web"]), App::new("mail", &["mail"])]);
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
