//! The daemon ends, on purpose or not, and its disk is full.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::telling::{SOON, all_is_well, applied, file, intact, lines, records, until, world, world_of};
use super::world::{App, World, clean, eventually, must, parts};

/// A site whose handler takes a while: it says when it begins, and when it has ended.
fn slow_handler(world: &mut World, content: &str) -> (PathBuf, PathBuf) {
    world.declared.commands = vec!["/bin/sh".into()];
    let (began, done) = (world.path("began"), world.path("done"));
    let script = format!("echo x >> {}; sleep 2; echo x >> {}", began.display(), done.display());
    world.repo.write(
        "web/site.yaml",
        file("/etc/site", content, &format!(", onChange: [{{ run: [/bin/sh, -c, \"{script}\"] }}]")),
    );
    (began, done)
}

#[test]
fn the_first_signal_lets_the_step_at_hand_finish_and_the_next_start_goes_on() {
    let mut world = world();
    let (began, done) = slow_handler(&mut world, "one\n");
    let first = world.repo.land("first");
    world.start();
    eventually("the handler runs", SOON, || lines(&began) == 1);
    assert!(world.stop().success());
    assert_eq!((lines(&began), lines(&done)), (1, 1), "the handler was let finish");
    world.start();
    applied(&world, "web", &first);
    assert_eq!(lines(&done), lines(&began));
    all_is_well(&world, &["web"]);
}

#[test]
fn the_second_signal_stops_at_once_and_the_owed_handler_runs_at_the_next_start() {
    let mut world = world();
    let (began, done) = slow_handler(&mut world, "one\n");
    let first = world.repo.land("first");
    world.start();
    eventually("the handler runs", SOON, || lines(&began) == 1);
    world.signal(Signal::TERM);
    eventually("the first signal is heard", SOON, || world.stderr().contains("stopping after the step at hand"));
    world.signal(Signal::TERM);
    world.wait();
    assert_eq!(lines(&done), 0, "nobody waited for the handler");
    world.start();
    applied(&world, "web", &first);
    assert!(lines(&done) >= 1, "an owed handler runs");
    let resumed = records(&world, "web").into_iter().filter(|record| record["kind"] == "resumed").count();
    assert_eq!(resumed, 1);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_killed_daemon_resumes_the_same_plan_before_anything_newer() {
    let mut world = world();
    let (began, done) = slow_handler(&mut world, "one\n");
    world.repo.land("first");
    world.start();
    eventually("the handler runs", SOON, || lines(&began) == 1);
    world.kill9();
    slow_handler(&mut world, "two\n");
    let second = world.repo.land("second");
    world.start();
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/site").as_deref(), Some("two\n"));
    eventually("both handlers ran", SOON, || lines(&done) >= 2);
    // Newest first: what was resumed closed before the second plan was made.
    let told = records(&world, "web");
    let place = |holds: &dyn Fn(&serde_json::Value) -> bool| told.iter().position(holds).unwrap();
    let resumed = place(&|record| record["kind"] == "resumed");
    let planned = place(&|record| record["kind"] == "planned" && record["revision"] == second.as_str());
    assert!(planned < resumed, "{told:#?}");
    let plan = &told[resumed]["plan"];
    assert!(told[planned..resumed].iter().any(|record| record["kind"] == "closed" && record["plan"] == *plan));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_second_daemon_on_the_same_data_folder_is_refused() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let text = fs::read_to_string(world.path("config.yaml")).unwrap();
    let other = world.path("other.yaml");
    fs::write(&other, text.replace("run/trueup.sock", "run/other.sock")).unwrap();
    let mut command = clean(env!("CARGO_BIN_EXE_trueup"), &world.path("home"));
    let output = command.args(["run", "--config"]).arg(&other).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("could not lock") && said.contains(&world.pid().to_string()), "{said}");
    world.repo.write("web/root/etc/motd", "two\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    all_is_well(&world, &["web"]);
}

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
