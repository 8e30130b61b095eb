//! trueup as a service of its host: installed, followed, killed, hung, rebooted, upgraded and removed.

use crate::installed::{Granted, Installed, SOON, document, file};
use crate::package;
use crate::world::eventually;

/// A service that takes its greeting from a file, at start and reload, and shows it in another.
const SITE: &str = "[Service]\nType=exec\nExecStart=/usr/local/bin/site\nExecReload=/bin/kill -HUP $MAINPID\n\
                    Restart=on-failure\nRestartSec=100ms\n[Install]\nWantedBy=multi-user.target\n";
const SERVES: &str = "take() { . /etc/site/conf; echo \"$greeting\" >/run/site; }\ntrap take HUP\ntake\n\
                      while :; do sleep 3600 & wait $!; done";

const GRANTED: Granted = Granted {
    allow: &["/etc/site", "/etc/systemd/system"],
    commands: &["/usr/bin/systemctl", "/usr/local/bin/slow"],
    units: &["site.service"],
};

/// What a slow handler runs: it ends when `/var/lib/go` is there.
const SLOW: &str = "echo run >>/var/log/slow\nuntil [ -e /var/lib/go ]; do sleep 0.1; done";

/// A host that serves a site, whose greeting comes from the repository.
fn site() -> Option<Installed> {
    let host = Installed::new()?;
    host.script("/usr/local/bin/site", SERVES);
    host.script("/usr/local/bin/slow", SLOW);
    host.declare(GRANTED, "1s", "");
    Some(host)
}

fn greet(host: &Installed, greeting: &str, calls: &str) -> String {
    let conf = file("/etc/site/conf", &format!("greeting={greeting}\n"), &format!(", onChange: [{calls}]"));
    host.repo.write("app/root/etc/systemd/system/site.service", SITE);
    let unit = document("Unit", "site.service", "enabled: true, state: running, settle: 1s, timeout: 30s");
    host.repo.write("app/site.yaml", conf + &unit).land(greeting)
}

const RELOAD: &str = "{ reload: site.service }";

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

/// Starts a sync whose handler does not end, and waits until it runs.
fn in_mid_plan(host: &Installed) -> String {
    let calls = format!("{RELOAD}, {{ run: [slow] }}");
    greet(host, "before", &calls);
    host.machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    host.machine.write("/var/lib/go", "");
    host.applied(&host.repo.head());
    host.machine.sh("rm /var/lib/go /var/log/slow");
    let revision = greet(host, "after", &calls);
    eventually("the handler runs", SOON, || runs(host) == 1);
    revision
}

fn runs(host: &Installed) -> usize {
    host.machine.read("/var/log/slow").unwrap_or_default().lines().count()
}

/// Lets the handler end, and judges how the sync that was disturbed came to its end: as the same one, in the right state.
fn ends_right(host: &Installed, revision: &str, times: usize) {
    host.machine.write("/var/lib/go", "");
    host.applied(revision);
    host.until_live("/run/site", "after\n");
    assert_eq!(host.machine.read("/etc/site/conf").as_deref(), Some("greeting=after\n"));
    assert_eq!(host.outcomes(), ["applied", "applied"], "{:#?}", host.records());
    assert!((1..=1 + times).contains(&runs(host)), "the handler ran {} times", runs(host));
    assert_eq!(host.machine.run(&["pidof", "-x", "slow"]).stdout, "", "none is left of a handler");
    host.machine.ok(&["trueup", "audit", "verify"]);
    let again = host.trueup(&["plan", "app"]);
    assert_eq!(again.code, 0, "nothing is left to do: {}{}", again.stdout, again.stderr);
}

fn kill(host: &Installed, units: &[&str]) {
    host.machine.ok(&[&["systemctl", "kill", "--signal=KILL", "--kill-whom=main"], units].concat());
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
