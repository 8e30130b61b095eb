//! The configuration changes while the daemon runs.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::telling::{SOON, all_is_well, applied, status, world};
use super::world::{App, eventually};

fn rejected(world: &super::world::World) -> Vec<Value> {
    let status = world.cli(&["status", "--json"]).json();
    status["rejected_configuration"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_new_application_begins_when_its_definition_is_saved_and_the_others_go_on() {
    let mut world = world();
    world.repo.write("web/root/etc/web", "web\n").write("mail/root/etc/mail", "mail\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let (pid, before) = (world.pid(), status(&world, "web"));
    world.declared.apps.push(App::new("mail", &["mail"]));
    world.configure();
    applied(&world, "mail", &first);
    assert_eq!(world.read("/etc/mail").as_deref(), Some("mail\n"));
    let after = status(&world, "web");
    assert_eq!((world.pid(), after["since"].clone()), (pid, before["since"].clone()));
    assert!(after["syncs"].as_u64() >= before["syncs"].as_u64(), "it was not begun anew");
    all_is_well(&world, &["web", "mail"]);
}

#[test]
fn sighup_loads_what_no_watch_could_see() {
    let mut world = world();
    world.repo.write("web/root/etc/web", "web\n").write("mail/root/etc/mail", "mail\n");
    let first = world.repo.land("first");
    // The file that the daemon is given is a link into a folder that it does not watch.
    let config = world.configure();
    world.start();
    applied(&world, "web", &first);
    fs::create_dir(world.path("elsewhere")).unwrap();
    let real = world.path("elsewhere/trueup.yaml");
    fs::rename(&config, &real).unwrap();
    std::os::unix::fs::symlink(&real, &config).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let text = fs::read_to_string(&real).unwrap();
    let mail =
        text.rsplit_once("---\n").unwrap().1.replace("name: web", "name: mail").replace("[\"web\"]", "[\"mail\"]");
    fs::write(&real, format!("{text}---\n{mail}")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert!(status(&world, "mail").is_null(), "nobody told the daemon yet");
    world.signal(Signal::HUP);
    applied(&world, "mail", &first);
    all_is_well(&world, &["web", "mail"]);
}

#[test]
fn a_bad_configuration_leaves_the_old_one_running_and_is_told() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.declared.apps[0].sync = "drfit: heal".into();
    world.declared.apps.push(App::new("web", &["../outside"]));
    world.configure();
    let checked = world.cli(&["check"]).code(2);
    let said = checked.stdout + &checked.stderr;
    assert!(said.contains("drfit") && said.contains("did you mean"), "{said}");
    eventually("status tells of the mistakes", SOON, || rejected(&world).len() >= 2);
    let told = world.cli(&["status"]).code(1).stdout;
    assert!(told.contains("drfit") && told.contains("config.yaml:"), "{told}");
    // The old one runs on: pushes go live, drift is healed.
    world.repo.write("web/root/etc/motd", "two\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "two\n");
    world.declared.apps = vec![App::new("web", &["web"])];
    world.configure();
    eventually("the mended configuration is taken", SOON, || rejected(&world).is_empty());
    assert_eq!(world.cli(&["check"]).code, 0);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_daemon_does_not_start_with_mistakes_and_names_them_all() {
    let mut world = world();
    world.declared.apps[0].sync = "interval: soon".into();
    world.declared.follow = "brunch: main".into();
    world.spawn();
    assert_eq!(world.wait().code(), Some(78));
    let told = world.stderr();
    assert!(told.contains("brunch") && told.contains("soon"), "{told}");
    world.declared.apps[0].sync = String::new();
    world.declared.follow = "branch: main".into();
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    all_is_well(&world, &["web"]);
}
