//! A definition goes, or gets another name.

use super::neighbours::identity;
use super::telling::{SOON, all_is_well, applied, status, unchanged_at, world_of};
use super::world::{App, eventually};

#[test]
fn a_removed_definition_orphans_and_a_renamed_one_takes_over() {
    let mut world = world_of(&[App::new("web", &["web"])]);
    world.repo.write("web/root/etc/one", "1\n").write("web/root/etc/two", "2\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let before = world.snapshot();
    world.declared.apps.clear();
    world.configure();
    eventually("web is forgotten", SOON, || status(&world, "web").is_null());
    world.edit("/etc/two", "nobody minds\n");
    world.edit("/etc/two", "2\n");
    world.restart();
    before.clone().settled(|_| false).assert_same(&world.snapshot().settled(|_| false), "nothing is deleted");

    let (one, two) = (identity(&world, "/etc/one"), identity(&world, "/etc/two"));
    world.declared.apps = vec![App::new("site", &["web"])];
    world.configure();
    applied(&world, "site", &first);
    assert_eq!((identity(&world, "/etc/one"), identity(&world, "/etc/two")), (one, two));
    assert_eq!(status(&world, "site")["objects"], 2);
    all_is_well(&world, &["site"]);

    // What trueup had created for `web` it created for `site` now: it may be deleted.
    world.repo.remove("web/root/etc/two");
    let second = world.repo.land("one fewer");
    applied(&world, "site", &second);
    assert_eq!((world.read("/etc/one").as_deref(), world.read("/etc/two")), (Some("1\n"), None));
    all_is_well(&world, &["site"]);
}

#[test]
fn a_definition_renamed_in_one_edit_takes_over_with_the_origin_of_each_object() {
    let mut world = world_of(&[App::new("web", &["web"]), App::new("mail", &["mail"])]);
    world.configure();
    world.edit("/etc/found", "found\n");
    world
        .repo
        .write("web/root/etc/found", "found\n")
        .write("web/root/etc/made", "made\n")
        .write("mail/root/etc/m", "m\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.declared.apps[0].name = "site".into();
    world.configure();
    applied(&world, "site", &first);
    world.repo.remove("web/root/etc/found").remove("web/root/etc/made").write("web/root/etc/rest", "rest\n");
    let second = world.repo.land("both go");
    applied(&world, "site", &second);
    assert_eq!(world.read("/etc/found").as_deref(), Some("found\n"), "found, never adopted: released");
    assert_eq!(world.read("/etc/made"), None, "created: deleted");
    unchanged_at(&world, "mail", &second);
    all_is_well(&world, &["site", "mail"]);
}
