//! What systemd is told, heard at the socket where it would listen.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::world::{App, World};

const PATIENCE: Duration = Duration::from_secs(30);

/// A world whose daemon believes itself to be started by systemd.
struct Manager {
    world: World,
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn new() -> Self {
        let mut world = World::new();
        let path = world.path("run/notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        world.environment.push(("NOTIFY_SOCKET".into(), path.display().to_string()));
        world.environment.push(("WATCHDOG_USEC".into(), "3000000".into()));
        Self { world, socket, heard: vec![] }
    }

    /// Waits for a message that holds all of these lines' beginnings, and returns it.
    fn hear(&mut self, lines: &[&str]) -> String {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            if let Ok(length) = self.socket.recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                self.heard.push(message.clone());
                if lines.iter().all(|line| message.lines().any(|said| said.starts_with(line))) {
                    return message;
                }
            }
            assert!(start.elapsed() < PATIENCE, "waited for {lines:?}, heard {:#?}", self.heard);
        }
    }
}

#[test]
fn systemd_hears_of_start_progress_reload_and_stop() {
    let mut manager = Manager::new();
    manager.world.repo.write("web/root/etc/web", "web\n");
    manager.world.repo.land("first");
    manager.world.declared.apps.push(App::new("web", &["web"]));
    manager.world.spawn();
    manager.hear(&["STATUS=Opening the store"]);
    manager.hear(&["READY=1", "STATUS=1 repository, 1 application"]);
    assert!(manager.world.path("run/trueup.sock").exists(), "it is ready before it can be asked");
    manager.hear(&["STATUS=1 repository, 1 application: 1 unchanged"]);
    for _ in 0..3 {
        manager.hear(&["WATCHDOG=1"]);
    }
    manager.world.signal(Signal::HUP);
    let reloading = manager.hear(&["RELOADING=1", "MONOTONIC_USEC="]);
    assert!(!reloading.contains("READY=1"));
    manager.hear(&["READY=1"]);
    manager.world.signal(Signal::TERM);
    manager.hear(&["STOPPING=1", "STATUS=Stopping"]);
    assert!(manager.world.wait().success());
}

#[test]
fn a_daemon_that_does_not_run_feeds_no_watchdog() {
    let mut manager = Manager::new();
    manager.world.spawn();
    manager.hear(&["WATCHDOG=1"]);
    manager.world.signal(Signal::STOP);
    // What was sent before it stopped.
    while manager.socket.recv(&mut [0; 4096]).is_ok() {}
    let silence = Instant::now();
    while silence.elapsed() < Duration::from_secs(3) {
        assert!(manager.socket.recv(&mut [0; 4096]).is_err(), "a stopped daemon spoke");
    }
    manager.world.signal(Signal::CONT);
    manager.hear(&["WATCHDOG=1"]);
}

#[test]
fn commands_are_not_told_where_systemd_listens() {
    let mut manager = Manager::new();
    let seen = manager.world.path("seen");
    manager.world.declared.commands.push("/bin/sh".into());
    let script = format!("/usr/bin/env > '{}'", seen.display());
    let check = serde_json::json!({
        "apiVersion": "host.trueup.dev/v1alpha1", "kind": "Check", "metadata": { "name": "look" },
        "spec": { "command": ["/bin/sh", "-c", script] },
    });
    manager.world.repo.write("web/root/etc/web", "web\n").write("web/check.yaml", check.to_string());
    manager.world.repo.land("first");
    manager.world.declared.apps.push(App::new("web", &["web"]));
    manager.world.spawn();
    manager.hear(&["STATUS=1 repository, 1 application: 1 unchanged"]);
    let environment = fs::read_to_string(seen).unwrap();
    assert!(environment.contains("PATH=") && !environment.contains("NOTIFY_SOCKET"), "{environment}");
    assert!(!environment.contains("WATCHDOG"), "{environment}");
}
