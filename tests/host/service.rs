//! trueup as a service of its host: installed, followed, killed, hung, rebooted, upgraded and removed.

use crate::installed::{Installed, SOON};
use crate::package;
use crate::site::{GRANTED, RELOAD, SERVES, SLOW, ends_right, greet, in_mid_plan, kill, runs, site};
use crate::world::eventually;

#[test]
fn installed_and_enabled_it_follows_git() {
    let Some(host) = Installed::new() else { return };
    let machine = &host.machine;
    assert_eq!(machine.property("trueup.service", "ActiveState"), "inactive", "an installation starts nothing");
    machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    assert!(machine.is_active("trueup.service") && machine.is_active("trueup-host.socket"));
    assert!(!machine.is_active("trueup-host.service"), "nobody has asked for the root half");
    assert!(machine.property("trueup.service", "StatusText").starts_with("Nothing is declared"));

    host.script("/usr/local/bin/site", SERVES);
    let first = greet(&host, "hello", RELOAD);
    host.declare(GRANTED, "1s", "");
    host.applied(&first);
    assert!(machine.is_active("trueup-host.service"), "it is started on demand");
    host.until_live("/run/site", "hello\n");
    let started = machine.property("site.service", "InvocationID");
    let second = greet(&host, "goodbye", RELOAD);
    host.applied(&second);
    host.until_live("/run/site", "goodbye\n");
    assert_eq!(machine.property("site.service", "InvocationID"), started, "it was reloaded, not restarted");
    assert_eq!(host.outcomes(), ["applied", "applied"]);
    machine.ok(&["trueup", "audit", "verify"]);
}

#[test]
fn a_unit_is_kept_running_and_one_that_crashes_on_what_is_new_gets_the_old_back() {
    let Some(host) = site() else { return };
    let machine = &host.machine;
    let first = greet(&host, "hello", "{ restart: site.service }");
    machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    host.applied(&first);
    assert_eq!(machine.property("site.service", "UnitFileState"), "enabled");

    machine.ok(&["systemctl", "stop", "site.service"]);
    eventually("what was stopped by hand runs again", SOON, || machine.is_active("site.service"));
    host.applied(&first);

    let bad = greet(&host, "hello\nexit 1", "{ restart: site.service }");
    host.until("the crash is taken back", |app| app["bad"] == *bad && app["syncing"] == false);
    assert_eq!(machine.read("/etc/site/conf").as_deref(), Some("greeting=hello\n"));
    assert!(machine.is_active("site.service"), "it runs with what worked");
    assert_eq!(host.outcomes()[2..4], ["failed", "rolled-back"], "{:#?}", host.outcomes());
    let third = greet(&host, "mended", "{ restart: site.service }");
    host.applied(&third);
    host.until_live("/run/site", "mended\n");
}

#[test]
fn killed_in_a_sync_either_half_or_both_end_it_right() {
    let Some(host) = site() else { return };
    let revision = in_mid_plan(&host);
    let halves = ["trueup.service", "trueup-host.service"];
    // What the root half does goes on without the daemon, and is not begun twice.
    for (killed, ran) in [(&halves[..1], 1), (&halves[1..], 2), (&halves, 3)] {
        let before: Vec<_> = killed.iter().map(|unit| host.machine.pid_of(unit)).collect();
        kill(&host, killed);
        for (unit, before) in killed.iter().zip(before) {
            eventually("it runs again", SOON, || ![0, before].contains(&host.machine.pid_of(unit)));
        }
        host.until("the sync goes on", |app| app["syncing"] == true);
        eventually("the handler runs", SOON, || runs(&host) == ran);
        let running = || host.machine.run(&["pidof", "-x", "slow"]).stdout.split_whitespace().count();
        eventually("one handler runs, and not two", SOON, || running() == 1);
    }
    // A person restarts the root half: it ends when its step has ended, and what it knows outlives it.
    host.machine.ok(&["systemctl", "restart", "--no-block", "trueup-host.service"]);
    ends_right(&host, &revision, 2);
}

#[test]
fn a_power_cut_in_mid_plan_is_resumed() {
    let Some(mut host) = site() else { return };
    let revision = in_mid_plan(&host);
    host.machine.power_cycle();
    eventually("the handler runs again", SOON, || runs(&host) == 2);
    ends_right(&host, &revision, 1);
}

#[test]
fn a_reboot_in_mid_plan_is_resumed() {
    let Some(mut host) = site() else { return };
    // The reboot waits for the step at hand, and finds two more behind it.
    let until_then = SLOW.replace("do sleep", "do systemctl is-system-running | grep -q stopping && exit; sleep");
    host.script("/usr/local/bin/slow", &until_then);
    let revision = in_mid_plan(&host);
    host.machine.reboot();
    ends_right(&host, &revision, 0);
    assert_eq!(runs(&host), 1, "what was done is not done again");
    let kinds: Vec<_> = host.records().iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect();
    assert!(kinds.contains(&"resumed".to_owned()), "{kinds:?}");
}

#[test]
fn a_hung_daemon_is_ended_by_the_watchdog_and_recovers() {
    let Some(host) = site() else { return };
    host.edit_unit("trueup.service", "WatchdogSec=4s\nTimeoutAbortSec=1s\nRestartSec=100ms");
    let first = greet(&host, "hello", RELOAD);
    host.machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    host.applied(&first);
    let hung = host.machine.pid_of("trueup.service");
    host.machine.ok(&["kill", "-STOP", &hung.to_string()]);
    eventually("another daemon runs", SOON, || ![0, hung].contains(&host.machine.pid_of("trueup.service")));
    assert!(host.machine.journal(&["-u", "trueup", "-o", "cat"]).contains("Watchdog timeout"));
    let second = greet(&host, "goodbye", RELOAD);
    host.applied(&second);
    host.until_live("/run/site", "goodbye\n");
}

#[test]
fn it_is_upgraded_downgraded_removed_and_purged() {
    let Some(host) = site() else { return };
    let Some(newer) = package::of_version("0.1.1") else { return };
    let machine = &host.machine;
    machine.copy_in(&newer, "/root/newer.deb");
    let installed = || machine.ok(&["dpkg-query", "--show", "--showformat=${Version} ${db:Status-Status}", "trueup"]);
    let version = env!("CARGO_PKG_VERSION");

    // In mid-plan: the old daemon finishes its step, the new one the plan.
    let revision = in_mid_plan(&host);
    let old = machine.pid_of("trueup.service");
    std::thread::scope(|scope| {
        let upgrade = scope.spawn(|| host.apt(&["install", "/root/newer.deb"]));
        let state = || machine.property("trueup.service", "ActiveState");
        eventually("the daemon finishes its step", SOON, || state() == "deactivating");
        machine.write("/var/lib/go", "");
        upgrade.join().unwrap();
    });
    assert_eq!((installed(), machine.is_active("trueup.service")), ("0.1.1 installed".into(), true));
    assert_ne!(machine.pid_of("trueup.service"), old, "the new program runs");
    ends_right(&host, &revision, 0);

    host.apt(&["install", "/root/trueup.deb"]);
    assert_eq!((installed(), machine.is_active("trueup.service")), (format!("{version} installed"), true));
    let next = greet(&host, "downgraded", RELOAD);
    host.applied(&next);

    host.apt(&["remove", "trueup"]);
    for unit in ["trueup.service", "trueup-host.service", "trueup-host.socket"] {
        assert!(!machine.is_active(unit), "{unit} runs on");
    }
    assert!(machine.read("/var/lib/private/trueup/trueup.db").is_some(), "a removal keeps the state");
    // Installed again, it goes on where it stopped.
    host.apt(&["install", "/root/trueup.deb"]);
    machine.ok(&["systemctl", "start", "trueup"]);
    let next = greet(&host, "again", RELOAD);
    host.applied(&next);
    assert_eq!(host.outcomes().len(), 4, "it remembers");

    host.apt(&["purge", "trueup"]);
    let left =
        machine.sh("ls -d /var/lib/trueup* /var/lib/private/trueup* /run/trueup* /usr/bin/trueup 2>/dev/null || true");
    assert_eq!(left, "");
    assert_eq!(machine.run(&["systemctl", "list-unit-files", "--no-legend", "trueup*"]).stdout, "");
    assert_eq!(machine.read("/etc/site/conf").as_deref(), Some("greeting=again\n"), "what it manages stays");
    assert_eq!(machine.ok(&["systemctl", "is-system-running"]), "running");
}
