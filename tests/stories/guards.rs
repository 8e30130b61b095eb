//! What waits for a person, and what a person's yes lets through.

use std::fs;

use super::telling::{
    all_is_well, applied, ended, file, held, status, unchanged_at, until, waits_with, word, world, world_of,
};
use super::world::{App, World};

fn files(world: &World, count: usize) {
    for number in 0..count {
        world.repo.write(&format!("web/root/etc/pages/{number}"), format!("page {number}\n"));
    }
}

fn pages(world: &World) -> usize {
    fs::read_dir(world.live("/etc/pages")).map_or(0, Iterator::count)
}

#[test]
fn a_mass_deletion_waits_and_its_approval_is_used_once() {
    let mut world = world();
    files(&world, 20);
    let all = world.repo.land("twenty pages");
    world.start();
    applied(&world, "web", &all);
    for number in 1..20 {
        world.repo.remove(&format!("web/root/etc/pages/{number}"));
    }
    let gone = world.repo.land("away with them");
    let plan = held(&world, "web", "delete-limit");
    assert_eq!((pages(&world), status(&world, "web")["applied"].clone()), (20, all.clone().into()));

    // Meanwhile the application is kept true to what was applied.
    world.edit("/etc/pages/3", "by hand\n");
    world.until_live("/etc/pages/3", "page 3\n");
    assert_eq!(pages(&world), 20);
    waits_with(&world, "web", &plan);

    let wrong = world.cli(&["approve", "0123456789abcdef"]).code(2);
    assert!(wrong.stderr.contains("plan.unknown"), "{}", wrong.stderr);
    let _ = world.cli(&["approve", &plan[..8]]).code(0);
    assert_eq!(pages(&world), 1);
    applied(&world, "web", &gone);
    all_is_well(&world, &["web"]);

    // The same deletion a second time is the same plan, and wants a new yes.
    let back = world.repo.revert(&gone);
    applied(&world, "web", &back);
    assert_eq!(pages(&world), 20);
    let again = world.repo.revert(&back);
    assert_eq!(held(&world, "web", "delete-limit"), plan);
    assert_eq!(pages(&world), 20);
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &again);
    let _ = world.cli(&["approve", &plan]).code(2);
    all_is_well(&world, &["web"]);
}

/// Each of them may be meant; all of them within the hour are what nobody meant.
#[test]
fn deletes_that_are_few_in_each_application_wait_where_they_are_many_together() {
    let apps: Vec<_> = (0..11).map(|n| App::new(&format!("app-{n:02}"), &[&format!("app-{n:02}")])).collect();
    let mut world = world_of(&apps);
    let path = |app: &App, number: usize| format!("{0}/root/etc/{0}/{number}", app.name);
    for app in &apps {
        for number in 0..50 {
            world.repo.write(&path(app, number), "x\n");
        }
    }
    let first = world.repo.land("all of them");
    world.start();
    for app in &apps {
        applied(&world, &app.name, &first);
    }
    for app in &apps {
        for number in 0..10 {
            world.repo.remove(&path(app, number));
        }
    }
    let second = world.repo.land("ten fewer each");
    let settled = |app: &App| {
        until(&world, &app.name, "it went, or waits", |now| {
            now["applied"] == second || now["code"] == "guard.delete-budget"
        })
    };
    let waiting: Vec<_> = apps.iter().map(settled).filter(|now| now["outcome"] == "held").collect();
    let [one] = waiting.as_slice() else { panic!("{waiting:#?}") };
    assert!(word(one, "message").contains("110 objects would be deleted within an hour"), "{one}");
    let name = word(one, "name");
    assert_eq!(fs::read_dir(world.live(&format!("/etc/{name}"))).unwrap().count(), 50);
    let _ = world.cli(&["approve", word(one, "plan")]).code(0);
    applied(&world, name, &second);
    assert_eq!(fs::read_dir(world.live(&format!("/etc/{name}"))).unwrap().count(), 40);
    all_is_well(&world, &[name]);
}

#[test]
fn an_empty_render_deletes_nothing_before_a_person_says_so() {
    let mut world = world();
    world.repo.write("web/root/etc/one", "1\n").write("web/root/etc/two", "2\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.remove("web/root").write("web/README.md", "nothing here\n");
    let empty = world.repo.land("an empty folder");
    let plan = held(&world, "web", "empty-render");
    assert_eq!((world.read("/etc/one").as_deref(), world.read("/etc/two").as_deref()), (Some("1\n"), Some("2\n")));
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &empty);
    assert_eq!((world.read("/etc/one"), world.read("/etc/two")), (None, None));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_missing_path_is_a_state_and_deletes_nothing() {
    let mut world = world();
    world.repo.write("other/file", "not ours\n");
    let without = world.repo.land("without the path");
    world.start();
    let told = ended(&world, "web", "refused", "render.path-missing");
    assert!(word(&told, "message").contains("web"), "{told}");

    world.repo.write("web/root/etc/motd", "here\n");
    let first = world.repo.land("with the path");
    applied(&world, "web", &first);
    world.repo.git(&["mv", "web", "moved"]);
    world.repo.land("moved");
    let plan = held(&world, "web", "empty-render");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("here\n"));
    assert!(word(&status(&world, "web"), "message").contains("has no web"));
    assert!(!plan.is_empty() && without != first);
    world.repo.git(&["mv", "moved", "web"]);
    let back = world.repo.land("moved back");
    unchanged_at(&world, "web", &back);
    all_is_well(&world, &["web"]);
}

#[test]
fn what_a_host_needs_is_not_deleted_before_a_person_says_so() {
    let mut world = world();
    world
        .repo
        .write("web/root/etc/ssh/sshd_config.d/ops.conf", "PermitRootLogin no\n")
        .write("web/root/etc/motd", "m\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.remove("web/root/etc/ssh");
    let second = world.repo.land("no more ssh");
    let plan = held(&world, "web", "protected-delete");
    assert!(word(&status(&world, "web"), "message").contains("nobody can log in over SSH"));
    assert!(world.read("/etc/ssh/sshd_config.d/ops.conf").is_some());
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &second);
    assert!(world.read("/etc/ssh/sshd_config.d/ops.conf").is_none());
    all_is_well(&world, &["web"]);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_replaced_only_when_approved_and_never_with_strangers_in_it() {
    let mut world = world();
    world
        .repo
        .write("web/dir.yaml", "apiVersion: host.trueup.dev/v1alpha1\nkind: Directory\nmetadata: { name: /etc/app }\n");
    let first = world.repo.land("a folder");
    world.start();
    applied(&world, "web", &first);
    assert!(world.live("/etc/app").is_dir());
    world.repo.write("web/dir.yaml", file("/etc/app", "now a file\n", ""));
    let second = world.repo.land("a file in its place");
    let plan = held(&world, "web", "replace");
    assert!(world.live("/etc/app").is_dir());
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/app").as_deref(), Some("now a file\n"));
    all_is_well(&world, &["web"]);
}
