//! Two applications on one host.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::telling::{all_is_well, applied, records, status, unchanged_at, until, word, world_of};
use super::world::{App, World};

/// A file that is deleted and made anew has another inode, or another time of birth.
fn identity(world: &World, path: &str) -> (u64, std::time::SystemTime) {
    let about = fs::metadata(world.live(path)).unwrap();
    (about.ino(), about.modified().unwrap())
}

fn two() -> World {
    world_of(&[App::new("web", &["web"]), App::new("mail", &["mail"])])
}

#[test]
fn the_second_who_wants_an_object_is_held_and_both_are_named() {
    let mut world = two();
    world.repo.write("web/root/etc/shared", "of web\n").write("mail/root/etc/mail", "mail\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "mail", &first);
    world.repo.write("mail/root/etc/shared", "of mail\n").write("mail/root/etc/more", "more\n");
    world.repo.land("mail wants it too");
    let told = until(&world, "mail", "mail is held", |now| now["outcome"] == "held" && now["code"] == "guard.claim");
    assert!(word(&told, "message").contains("/etc/shared") && word(&told, "message").contains("web"), "{told:#}");
    assert_eq!(world.read("/etc/shared").as_deref(), Some("of web\n"));
    assert_eq!(world.read("/etc/more").as_deref(), Some("more\n"), "the rest goes on");
    // Nor does it go to whoever heals last.
    world.edit("/etc/shared", "by hand\n");
    world.until_live("/etc/shared", "of web\n");

    world.repo.remove("mail/root/etc/shared");
    let third = world.repo.land("mail gives in");
    unchanged_at(&world, "web", &third);
    applied(&world, "mail", &third);
    all_is_well(&world, &["web", "mail"]);
}

#[test]
fn what_the_first_gives_up_the_second_gets() {
    let mut world = two();
    world.repo.write("web/root/etc/shared", "of web\n").write("web/root/etc/web", "web\n");
    world.repo.write("mail/root/etc/mail", "mail\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "mail", &first);
    world.repo.write("mail/root/etc/shared", "of mail\n");
    world.repo.land("mail wants it too");
    until(&world, "mail", "mail is held", |now| now["code"] == "guard.claim");
    world.repo.remove("web/root/etc/shared");
    let third = world.repo.land("web gives in");
    applied(&world, "web", &third);
    world.until_live("/etc/shared", "of mail\n");
    until(&world, "mail", "mail is well", |now| matches!(word(now, "outcome"), "applied" | "unchanged"));
    assert_eq!(status(&world, "mail")["good"], status(&world, "mail")["applied"]);
    all_is_well(&world, &["web", "mail"]);
}

#[test]
fn an_object_moves_from_one_application_to_another_and_is_never_deleted() {
    let mut world = two();
    world.repo.write("web/root/etc/moving", "same\n").write("web/root/etc/web", "web\n");
    world.repo.write("mail/root/etc/mail", "mail\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "mail", &first);
    let before = identity(&world, "/etc/moving");
    world.repo.git(&["mv", "web/root/etc/moving", "mail/root/etc/moving"]);
    let second = world.repo.land("it belongs to mail");
    applied(&world, "web", &second);
    until(&world, "mail", "mail has it", |now| now["objects"] == 2 && now["outcome"] != "held");
    assert_eq!(identity(&world, "/etc/moving"), before, "nobody touched it");
    assert_eq!(
        (status(&world, "web")["objects"].as_u64(), status(&world, "mail")["objects"].as_u64()),
        (Some(1), Some(2))
    );
    all_is_well(&world, &["web", "mail"]);

    // It is mail's now, made by trueup: kept true, and deleted when Git has it no longer.
    world.edit("/etc/moving", "by hand\n");
    world.until_live("/etc/moving", "same\n");
    world.repo.remove("mail/root/etc/moving");
    let third = world.repo.land("away with it");
    applied(&world, "mail", &third);
    assert_eq!(world.read("/etc/moving"), None);
    all_is_well(&world, &["web", "mail"]);
}

#[test]
fn an_object_that_moves_and_changes_in_one_commit_is_updated_by_its_new_application() {
    let mut world = two();
    world.repo.write("web/root/etc/moving", "old\n").write("web/root/etc/web", "web\n");
    world.repo.write("mail/root/etc/mail", "mail\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "mail", &first);
    world.repo.git(&["mv", "web/root/etc/moving", "mail/root/etc/moving"]);
    world.repo.write("mail/root/etc/moving", "new\n");
    let second = world.repo.land("moved and changed");
    applied(&world, "web", &second);
    world.until_live("/etc/moving", "new\n");
    applied(&world, "mail", &second);
    assert_eq!(world.read("/etc/moving").as_deref(), Some("new\n"));
    let deleted = records(&world, "web").into_iter().filter(|record| record["kind"] == "intent");
    assert!(deleted.into_iter().all(|record| !record["body"].to_string().contains("\"delete\"")));
    all_is_well(&world, &["web", "mail"]);
}

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
    super::world::eventually("web is forgotten", super::telling::SOON, || status(&world, "web").is_null());
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
