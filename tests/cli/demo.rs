//! The demo, as a newcomer would run it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fake::Ran;

fn demo(folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.arg("demo").env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TMPDIR", folder);
    command
}

#[test]
fn every_line_of_the_demo_is_true_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::of(&mut demo(folder.path()));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.ends_with("Every line above was checked, and is true.\n"), "{}", ran.out);
    for line in
        ["and is live", "put right", "names it", "own check", "as it was", "held", "brings it back", "same sync id"]
    {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupted_demo_ends_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let socket =
        || std::fs::read_dir(folder.path()).unwrap().flatten().any(|one| one.path().join("trueup.sock").exists());
    while !socket() {
        assert!(Instant::now() < deadline, "the daemon of the demo did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let path = folder.path().to_str().unwrap();
    let running =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    let left: Vec<_> =
        running.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(path)).collect();
    assert!(left.is_empty(), "{left:?}");
}
