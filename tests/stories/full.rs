//! The disk of the data folder is full.

use std::fs;
use std::path::{Path, PathBuf};

use super::telling::{SOON, all_is_well, applied, check, closed, intact, records, until, world_of};
use super::world::{App, clean, eventually, must, parts};

/// A small file system of its own.
pub(super) struct Tmpfs(PathBuf);

impl Tmpfs {
    pub(super) fn mount(path: &Path, size: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            parts::skip("a full disk takes root to make");
            return None;
        }
        let mut command = clean("mount", path);
        command.args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"]).arg(path);
        if !command.status().is_ok_and(|status| status.success()) {
            parts::skip("this machine lets nobody mount a tmpfs");
            return None;
        }
        Some(Self(path.to_owned()))
    }

    /// Takes all the room that is left.
    pub(super) fn fill(&self) {
        let ballast = self.0.join("ballast");
        let mut size = 4 << 20;
        let mut file = fs::File::create(ballast).unwrap();
        while size > 0 {
            if std::io::Write::write_all(&mut file, &vec![1; size]).is_err() {
                size /= 2;
            }
        }
    }

    pub(super) fn empty(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        must(clean("umount", &self.0).arg("--lazy").arg(&self.0));
    }
}

#[test]
fn a_full_disk_stops_changes_and_not_answers_and_ends_by_itself() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    let Some(disk) = Tmpfs::mount(&world.path("data"), "4m") else { return };
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    disk.fill();
    world.edit("/etc/motd", "by hand\n");
    until(&world, "web", "the store is full", |now| now["code"] == "store.full");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand\n"), "no change without a record of it");
    let plan = world.cli(&["plan", "web"]).code(1).stdout;
    assert!(plan.contains("-by hand"), "{plan}");
    world.repo.write("web/root/etc/motd", "two\n");
    let second = world.repo.land("second");
    eventually("the mirror is full", SOON, || world.cli(&["status"]).stdout.contains("No space left"));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand\n"));
    intact(&world);
    disk.empty();
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("two\n"));
    all_is_well(&world, &["web"]);
    world.stop();
    drop(disk);
}

#[test]
fn what_was_begun_is_recorded_to_its_end_on_a_full_disk_and_nothing_new_begins() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    let Some(disk) = Tmpfs::mount(&world.path("data"), "16m") else { return };
    world.declared.daemon = "trail: { reserveMib: 2 }".into();
    world.declared.commands = vec!["/bin/sh".into()];
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let reserve = || fs::metadata(world.path("data/reserve")).unwrap().len();
    assert_eq!(reserve(), 2 << 20);

    // The disk fills up in the middle of a change: its check takes all that is left.
    let ballast = world.path("data/ballast").display().to_string();
    let fill =
        format!("for size in 1M 1k 1; do dd if=/dev/zero bs=$size oflag=append conv=notrunc of={ballast}; done; true");
    world.repo.write("web/fill.yaml", check("fill", &fill)).write("web/root/etc/motd", "two\n");
    let second = world.repo.land("second");
    until(&world, "web", "the change is recorded to its end", |now| now["applied"] == second.as_str());
    assert_eq!(world.read("/etc/motd").as_deref(), Some("two\n"));
    let told = records(&world, "web");
    let of_change = told.iter().filter(|record| record["revision"] == second.as_str() && record["sync"].is_string());
    let kinds: Vec<_> = of_change.map(|record| record["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["closed", "outcome", "intent", "planned"], "{told:?}");
    assert_eq!(reserve(), 0, "it was needed");
    assert!(world.stderr().contains("the reserve is given away"), "{}", world.stderr());

    // Nothing new begins, and that is told once; answers go on.
    world.edit("/etc/motd", "by hand\n");
    until(&world, "web", "nothing new begins", |now| now["code"] == "store.full");
    world.repo.write("web/root/etc/motd", "three\n").remove("web/fill.yaml");
    let third = world.repo.land("third");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand\n"));
    assert_eq!(closed(&world, "web", "failed"), 1, "{:?}", records(&world, "web"));
    intact(&world);
    // So it is after a restart: the disk is as full as before.
    world.restart();
    until(&world, "web", "nothing new begins", |now| now["code"] == "store.full");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand\n"));
    assert_eq!(fs::metadata(world.path("data/reserve")).unwrap().len(), 0);
    // With room again it is held again, and everything goes on.
    disk.empty();
    applied(&world, "web", &third);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("three\n"));
    assert_eq!(fs::metadata(world.path("data/reserve")).unwrap().len(), 2 << 20);
    all_is_well(&world, &["web"]);
    world.stop();
    drop(disk);
}
