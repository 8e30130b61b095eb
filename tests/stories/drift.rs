//! The host changes, and Git did not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use super::telling::{all_is_well, applied, closed, ended, file, held, records, until, world, world_of};
use super::world::{App, World, eventually};

/// Far below the interval of three minutes, and the poll finds no news: only a watch can be this fast.
const AT_ONCE: Duration = Duration::from_secs(15);

fn settled(world: &mut World) {
    world.repo.write("web/root/etc/motd", "from git\n");
    world.repo.write("web/conf.yaml", file("/etc/app/conf", "key = value\n", ", mode: \"0640\""));
    let first = world.repo.land("first");
    world.start();
    applied(world, "web", &first);
}

#[test]
fn whatever_is_done_to_a_file_is_put_right_at_once() {
    let mut world = world();
    settled(&mut world);
    let right = world.snapshot().settled(|_| false);
    let healed = |what: &str| {
        eventually(what, AT_ONCE, || world.snapshot().settled(|_| false) == right);
        all_is_well(&world, &["web"]);
    };
    let (motd, conf) = (world.live("/etc/motd"), world.live("/etc/app/conf"));
    world.edit("/etc/motd", "by hand\n");
    healed("an edit");
    fs::remove_file(&motd).unwrap();
    healed("a deletion");
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o666)).unwrap();
    healed("a mode");
    fs::remove_dir_all(conf.parent().unwrap()).unwrap();
    healed("a whole folder");
    fs::write(world.live("/etc/next"), "renamed over\n").unwrap();
    fs::rename(world.live("/etc/next"), &motd).unwrap();
    healed("another file renamed over it");

    let planned = records(&world, "web").into_iter().filter(|record| record["kind"] == "planned");
    let corrective = planned.filter(|record| record["body"]["steps"].to_string().contains("\"corrective\"")).count();
    assert!(corrective >= 5, "every change by hand is named in the trail, found {corrective}");
    assert_eq!(closed(&world, "web", "applied"), corrective + 1);
}

#[test]
fn a_file_replaced_by_a_link_waits_for_a_person_and_nobody_writes_through_the_link() {
    let mut world = world();
    settled(&mut world);
    let elsewhere = world.path("elsewhere");
    fs::write(&elsewhere, "a stranger's\n").unwrap();
    fs::remove_file(world.live("/etc/motd")).unwrap();
    symlink(&elsewhere, world.live("/etc/motd")).unwrap();
    let plan = held(&world, "web", "replace");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "a stranger's\n");
    assert!(world.live("/etc/motd").is_symlink());
    let _ = world.cli(&["approve", &plan]).code(0);
    assert!(!world.live("/etc/motd").is_symlink());
    assert_eq!(world.read("/etc/motd").as_deref(), Some("from git\n"));
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "a stranger's\n");
    all_is_well(&world, &["web"]);
}

#[test]
fn held_drift_waits_for_an_approval_and_commits_do_not() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("drift: hold")]);
    settled(&mut world);
    world.edit("/etc/motd", "by hand\n");
    let plan = held(&world, "web", "drift-held");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand\n"));
    let shown = world.cli(&["plan", "web"]).code(1).stdout;
    assert!(shown.contains("-by hand") && shown.contains("+from git"), "{shown}");
    let _ = world.cli(&["approve", &plan[..12]]).code(0);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("from git\n"));
    all_is_well(&world, &["web"]);

    world.repo.write("web/root/etc/motd", "from git again\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    all_is_well(&world, &["web"]);
}

#[test]
fn held_drift_is_given_up_by_putting_it_right_by_hand() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("drift: hold\ninterval: 1s")]);
    settled(&mut world);
    world.edit("/etc/motd", "by hand\n");
    let plan = held(&world, "web", "drift-held");
    world.edit("/etc/motd", "from git\n");
    until(&world, "web", "nothing is held any more", |status| status["outcome"] == "unchanged");
    let refused = world.cli(&["approve", &plan]);
    assert_ne!(refused.code, -1);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("from git\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn reported_drift_is_recorded_once_and_left() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("drift: report\ninterval: 1s")]);
    settled(&mut world);
    world.edit("/etc/motd", "by hand\n");
    let syncs = |status: &serde_json::Value| status["syncs"].as_u64().unwrap_or_default();
    let told = ended(&world, "web", "degraded", "drift.reported");
    until(&world, "web", "more rounds", |status| syncs(status) >= syncs(&told) + 3);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand\n"));
    let observed: Vec<_> = records(&world, "web").into_iter().filter(|record| record["kind"] == "observed").collect();
    assert_eq!(observed.len(), 1, "{observed:#?}");
    assert_eq!(observed[0]["body"]["objects"][0]["name"], "/etc/motd");

    // A commit that changes the file itself is no drift.
    world.repo.write("web/root/etc/motd", "from git again\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("from git again\n"));
    all_is_well(&world, &["web"]);
}
