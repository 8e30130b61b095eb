//! The units and the configuration as they are shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::source;
use super::world::parts::program;
use super::world::{World, clean, eventually};

const PATIENCE: Duration = Duration::from_secs(30);
const SERVICES: [&str; 2] = ["trueup.service", "trueup-host.service"];

/// Copies the units into a folder, with this program in the place of the one that the package installs.
fn units(folder: &Path, changed: impl Fn(String) -> String) -> Vec<PathBuf> {
    let names = SERVICES.into_iter().chain(["trueup-host.socket"]);
    let copied = names.map(|name| {
        let text = fs::read_to_string(source("systemd").join(name)).unwrap();
        let path = folder.join(name);
        fs::write(&path, changed(text.replace("/usr/bin/trueup", env!("CARGO_BIN_EXE_trueup")))).unwrap();
        path
    });
    copied.collect()
}

/// Returns what `systemd-analyze verify` says of the units: nothing where they are right. It exits 0 on a key that it does not know.
fn verified(changed: impl Fn(String) -> String) -> Option<String> {
    let analyze = program("systemd-analyze")?;
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::new(analyze).args(["verify", "--man=no"]).args(units(folder.path(), changed)).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&said).into_owned() + if output.status.success() { "" } else { "failed" })
}

#[test]
fn verify_is_silent() {
    let Some(said) = verified(|text| text) else { return };
    assert_eq!(said, "");
    let said = verified(|text| text.replace("[Service]", "[Service]\nTypo=yes")).unwrap();
    assert!(said.contains("Typo"), "the check sees nothing: {said}");
}

#[test]
fn exposure_is_low() {
    let Some(analyze) = program("systemd-analyze") else { return };
    let said = |threshold: &str, name: &str| {
        let mut command = Command::new(&analyze);
        command.args(["security", "--offline=true", "--no-pager"]).arg(format!("--threshold={threshold}"));
        let output = command.arg(source("systemd").join(name)).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for name in SERVICES {
        let (low, report) = said("15", name);
        assert!(low, "{report}");
        assert!(!said("5", name).0, "the threshold does not count");
    }
}

/// `RestrictSUIDSGID=yes` makes openat2(2) fail: the root half could look at nothing.
#[test]
fn the_root_half_may_resolve_paths_safely() {
    let text = fs::read_to_string(source("systemd/trueup-host.service")).unwrap();
    assert!(text.contains("\nRestrictSUIDSGID=no\n") && !text.contains("DynamicUser="));
}

#[test]
fn the_shipped_configuration_is_right_as_it_is_and_with_its_marks_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(source("systemd/trueup.yaml")).unwrap();
    let (before, commented) = text.split_once("put your names in.\n#\n").unwrap();
    let uncommented: String = commented
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or_else(|| panic!("{line} has no mark")).to_owned() + "\n")
        .collect();
    for (text, sum) in [
        (text.clone(), "0 repositories, 0 targets, 0 applications"),
        (format!("{before}put your names in.\n{uncommented}"), "1 repository, 1 target, 1 application"),
    ] {
        let path = folder.path().join("trueup.yaml");
        fs::write(&path, text).unwrap();
        let output = clean(env!("CARGO_BIN_EXE_trueup"), folder.path()).arg("check").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(sum), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_daemon_with_nothing_declared_idles_until_something_is() {
    let world = World::new();
    let full = fs::read_to_string(world.configure()).unwrap();
    let bare = full.split_inclusive("---\n").find(|document| document.contains("kind: Daemon")).unwrap();
    let config = world.path("config.yaml");
    fs::write(&config, bare.trim_end_matches("---\n")).unwrap();
    let mut command = clean(env!("CARGO_BIN_EXE_trueup"), &world.path("home"));
    let stderr = fs::File::create(world.path("stderr")).unwrap();
    let _daemon = Ended(command.args(["run", "--config"]).arg(&config).stderr(stderr).spawn().unwrap());
    let says = |what: &str| world.cli(&["status"]).stdout.contains(what);
    eventually("the bare daemon answers", PATIENCE, || says("nothing is declared yet"));
    fs::write(&config, &full).unwrap();
    eventually("the repository is followed", PATIENCE, || says("platform"));
}

/// Ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn mistakes_end_the_start_with_a_status_that_systemd_does_not_try_again() {
    let world = World::new();
    let config = world.path("config.yaml");
    fs::write(&config, "kind: Nonsense\n").unwrap();
    let mut command = clean(env!("CARGO_BIN_EXE_trueup"), &world.path("home"));
    let output = command.args(["run", "--config"]).arg(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
    for unit in SERVICES {
        let text = fs::read_to_string(source("systemd").join(unit)).unwrap();
        assert!(text.contains("\nRestartPreventExitStatus=78\n"), "{unit}");
    }
}
