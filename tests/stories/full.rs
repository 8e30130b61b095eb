//! The disk of the data folder is full.

use std::fs;
use std::path::{Path, PathBuf};

use super::telling::{SOON, all_is_well, applied, intact, until, world_of};
use super::world::{App, clean, eventually, must, parts};

/// A small file system of its own.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(path: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            parts::skip("a full disk takes root to make");
            return None;
        }
        let mut command = clean("mount", path);
        command.args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(path);
        if !command.status().is_ok_and(|status| status.success()) {
            parts::skip("this machine lets nobody mount a tmpfs");
            return None;
        }
        Some(Self(path.to_owned()))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let ballast = self.0.join("ballast");
        let mut size = 4 << 20;
        let mut file = fs::File::create(ballast).unwrap();
        while size > 0 {
            if std::io::Write::write_all(&mut file, &vec![1; size]).is_err() {
                size /= 2;
            }
        }
    }

    fn empty(&self) {
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
    let Some(disk) = Tmpfs::mount(&world.path("data")) else { return };
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
