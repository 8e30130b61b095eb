//! What becomes a thing of another sort.

use super::telling::{all_is_well, applied, check, held, until, world};

#[test]
fn a_file_that_becomes_a_folder_in_git_becomes_one_on_the_host() {
    let mut world = world();
    world.declared.commands = vec!["/bin/sh".into()];
    world.repo.write("web/root/etc/conf", "a file\n").write("web/root/etc/other", "o\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.remove("web/root/etc/conf");
    world.repo.write("web/root/etc/conf/deep", "a file in a folder\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/conf/deep").as_deref(), Some("a file in a folder\n"));
    // And back, by a commit that is checked after all of it was written, and fails.
    world.repo.remove("web/root/etc/conf");
    world.repo.write("web/root/etc/conf", "a file again\n").write("web/check.yaml", check("never", "exit 1"));
    let third = world.repo.land("third");
    let plan = held(&world, "web", "adoption");
    let _ = world.cli(&["approve", &plan]).code(1);
    until(&world, "web", "it is taken back", |now| now["bad"] == third.as_str() && now["applied"] == second.as_str());
    assert_eq!(world.read("/etc/conf/deep").as_deref(), Some("a file in a folder\n"));
    world.repo.git(&["revert", "--no-edit", "HEAD"]);
    world.repo.push();
    let back = world.repo.head();
    applied(&world, "web", &back);
    all_is_well(&world, &["web"]);
}
