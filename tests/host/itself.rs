//! A machine is judged before anything is judged on it.

use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::world::parts::say;
use crate::world::{HttpServer, Options, Repo, eventually};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn systemd_is_pid_1_and_all_its_units_are_well() {
    let Some(machine) = Machine::start() else { return };
    assert_eq!(machine.ok(&["cat", "/proc/1/comm"]), "systemd");
    assert_eq!(machine.ok(&["systemctl", "is-system-running"]), "running");
    assert_eq!(machine.ok(&["systemctl", "list-units", "--failed", "--no-legend"]), "");
    assert_eq!(machine.ok(&["hostname"]), "web-1");
    assert!(machine.is_active("dbus.service"));
    assert_eq!(machine.pid_of("nginx.service"), 0, "what is looked at is started by its test");
    assert_eq!(machine.read("/etc/nothing"), None);
    assert_eq!(machine.write("/etc/new/motd", "hello\n").read("/etc/new/motd").as_deref(), Some("hello\n"));
}

#[test]
fn a_service_has_its_sandbox_its_credential_and_its_limits() {
    let Some(machine) = Machine::start() else { return };
    machine.write("/etc/token", "s3cret\n");
    let unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nDynamicUser=yes\nStateDirectory=tried\n\
                ProtectSystem=strict\nPrivateTmp=yes\nPrivateDevices=yes\nPrivateUsers=yes\nPrivateNetwork=yes\n\
                ProtectProc=invisible\nProcSubset=pid\nProtectKernelTunables=yes\nProtectControlGroups=yes\n\
                SystemCallFilter=@system-service\nMemoryDenyWriteExecute=yes\nLoadCredential=token:/etc/token\n\
                ExecStart=/bin/sh /usr/local/bin/tried\n";
    machine.write("/etc/systemd/system/tried.service", unit).write(
        "/usr/local/bin/tried",
        "exec >/var/lib/tried/log 2>&1\nid -u\ncat $CREDENTIALS_DIRECTORY/token\ntouch /etc/x\ntouch /tmp/mine\n\
         ls /proc/1 >/dev/null\nip -br link\necho end\n",
    );
    machine.ok(&["systemctl", "daemon-reload"]);
    machine.ok(&["systemctl", "start", "tried.service"]);
    let log = machine.read("/var/lib/tried/log").unwrap();
    let user: u32 = log.lines().next().unwrap().parse().unwrap();
    assert!(user >= 61184, "a dynamic user:\n{log}");
    assert!(log.contains("s3cret") && log.contains("Read-only file system") && log.ends_with("end\n"), "{log}");
    assert!(log.contains("cannot access '/proc/1'"), "{log}");
    assert_eq!(machine.read("/tmp/mine"), None, "its /tmp is its own");
}

#[test]
fn a_transient_unit_runs_and_tells_how_it_ended() {
    let Some(machine) = Machine::start() else { return };
    let told = machine.ok(&["systemd-run", "--wait", "--pipe", "--quiet", "echo", "hello"]);
    assert_eq!(told, "hello");
    let failed = machine.run(&["systemd-run", "--wait", "--quiet", "--unit=fails", "sh", "-c", "echo why; exit 7"]);
    assert_eq!(failed.code, 7, "{failed:?}");
    eventually("the journal has it", SOON, || machine.journal(&["--unit=fails"]).contains("why"));
}

#[test]
fn a_reboot_keeps_what_is_on_disk_and_nothing_else() {
    let start = Instant::now();
    let Some(mut machine) = Machine::start() else { return };
    say(&format!("a machine starts in {:?}", start.elapsed()));
    machine.ok(&["systemctl", "enable", "--now", "nginx"]);
    let about = |machine: &Machine| {
        (machine.ok(&["cat", "/etc/machine-id"]), machine.ok(&["cat", "/proc/sys/kernel/random/boot_id"]))
    };
    for shut_down in [true, false] {
        machine.write("/etc/kept", "kept\n").write("/run/lost", "").write("/tmp/lost", "");
        machine.ok(&["systemd-cat", "-t", "tried", "echo", "before the boot"]);
        machine.ok(&["journalctl", "--sync"]);
        let before = about(&machine);
        let start = Instant::now();
        if shut_down {
            machine.reboot();
        } else {
            machine.power_cycle();
        }
        say(&format!("a {} takes {:?}", if shut_down { "reboot" } else { "power cycle" }, start.elapsed()));
        let after = about(&machine);
        assert_eq!(before.0, after.0, "the machine is the same");
        assert_ne!(before.1, after.1, "the boot is another");
        assert_eq!(machine.read("/etc/kept").as_deref(), Some("kept\n"));
        assert_eq!((machine.read("/run/lost"), machine.read("/tmp/lost")), (None, None));
        assert!(machine.is_active("nginx.service"), "what is enabled is started");
        assert!(machine.journal(&["-b", "-1", "-t", "tried"]).contains("before the boot"));
    }
}

#[test]
fn git_on_the_machine_talks_to_a_server_in_the_test_and_does_so_after_a_reboot() {
    let Some(mut machine) = Machine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::new(folder.path(), "platform");
    repo.write("etc/motd", "hello\n").land("first");
    let server = HttpServer::on(machine.listen(), folder.path(), Options::default());
    let url = server.url("platform");
    machine.ok(&["git", "clone", "--quiet", &url, "/srv/clone"]);
    assert_eq!(machine.read("/srv/clone/etc/motd").as_deref(), Some("hello\n"));
    repo.write("etc/motd", "again\n").land("second");
    machine.reboot();
    machine.ok(&["git", "-C", "/srv/clone", "pull", "--quiet"]);
    assert_eq!(machine.read("/srv/clone/etc/motd").as_deref(), Some("again\n"));
    assert!(server.requests().len() >= 4);
}

#[test]
fn two_machines_know_nothing_of_each_other() {
    let Some(one) = Machine::start() else { return };
    let Some(other) = Machine::named("web-2") else { return };
    for machine in [&one, &other] {
        machine.write("/var/www/html/index.html", machine.name()).ok(&["systemctl", "start", "nginx"]);
    }
    for machine in [&one, &other] {
        assert_eq!(machine.ok(&["curl", "-sS", "http://127.0.0.1/index.html"]), machine.name());
    }
    assert_ne!(one.ok(&["cat", "/etc/machine-id"]), other.ok(&["cat", "/etc/machine-id"]));
    drop(one);
    assert_eq!(other.ok(&["hostname"]), "web-2");
}

#[test]
fn what_a_killed_test_left_ends_with_the_next_machine() {
    let Some(left) = Machine::start() else { return };
    // A process that is dead and not yet waited for has no root. Another test may start a machine at any moment from here on.
    let root = left.path("/etc");
    assert!(root.exists());
    left.abandon();
    let Some(_next) = Machine::start() else { return };
    assert!(!root.exists(), "nothing is left of it");
}
