//! The followed ref goes another way, or is not there.

use super::telling::{SOON, all_is_well, applied, ended, held, repository, status, waits_with, world};
use super::world::eventually;

#[test]
fn a_forced_push_waits_for_an_approval() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "base\n");
    let base = world.repo.land("base");
    world.repo.write("web/root/etc/motd", "first\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.reset(&base).write("web/root/etc/motd", "forced\n");
    let forced = world.repo.commit("another line");
    world.repo.force_push();
    let plan = held(&world, "web", "not-descendant");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("first\n"));
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "first\n");
    waits_with(&world, "web", &plan);
    let _ = world.cli(&["approve", &plan]).code(0);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("forced\n"));
    applied(&world, "web", &forced);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_rewind_is_held_and_a_new_commit_ends_it() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "base\n");
    let base = world.repo.land("base");
    world.repo.write("web/root/etc/motd", "first\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.reset(&base).force_push();
    held(&world, "web", "not-descendant");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("first\n"));
    world.repo.reset(&first).write("web/root/etc/motd", "second\n");
    let second = world.repo.land("onwards");
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("second\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn another_branch_in_the_configuration_is_a_persons_word_and_no_rewind() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "base\n").land("base");
    world.repo.branch("stable").write("web/root/etc/motd", "stable\n");
    let stable = world.repo.land("stable");
    world.repo.branch("main").write("web/root/etc/motd", "main\n");
    let main = world.repo.land("main");
    world.start();
    applied(&world, "web", &main);
    world.declared.follow = "branch: stable".into();
    world.configure();
    applied(&world, "web", &stable);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("stable\n"));
    world.declared.follow = format!("commit: {main}");
    world.configure();
    applied(&world, "web", &main);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("main\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn an_unborn_branch_is_waited_for() {
    let mut world = world();
    world.start();
    repository(&world, "source.unborn");
    ended(&world, "web", "refused", "source.unborn");
    assert_eq!(world.cli(&["status"]).code, 1);
    world.repo.write("web/root/etc/motd", "born\n");
    let first = world.repo.land("first");
    applied(&world, "web", &first);
    all_is_well(&world, &["web"]);
}

#[test]
fn while_the_branch_is_gone_last_good_is_kept_true() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "good\n");
    let first = world.repo.land("first");
    // A repository without any branch would be an unborn one.
    world.repo.branch("other").push();
    world.repo.branch("main");
    world.start();
    applied(&world, "web", &first);
    world.repo.delete_branch("main");
    repository(&world, "source.ref-missing");
    ended(&world, "web", "refused", "source.ref-missing");
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "good\n");
    ended(&world, "web", "refused", "source.ref-missing");
    assert_eq!(status(&world, "web")["applied"], first.as_str());
    world.restart();
    world.edit("/etc/motd", "by hand, after a restart\n");
    world.until_live("/etc/motd", "good\n");
    world.repo.write("web/root/etc/motd", "back\n");
    let second = world.repo.land("back");
    applied(&world, "web", &second);
    eventually("the repository is well", SOON, || world.cli(&["status"]).code == 0);
    all_is_well(&world, &["web"]);
}
