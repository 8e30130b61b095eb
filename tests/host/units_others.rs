//! What others do to units is written down, what happens to one again and again is left, and another version of trueup is told from
//! them: with a real systemd.

use std::fs;

use serde_json::Value;
use trueup::store::{ApplicationState, Store};

use crate::units::{FILE, Host, SERVICE, SOON, unit};
use crate::world::eventually;

const WEB: &str = "{ enabled: true, state: running, settle: 300ms, timeout: 20s }";

/// Returns what was observed of an object, oldest first: what became of it, by whom, and when.
fn observed(host: &Host, name: &str) -> Vec<(String, String, Option<i64>)> {
    let records = host.machine.ok(&["trueup", "audit", "list", "app", "--json", "-n", "1000"]);
    let records: Vec<Value> = serde_json::from_str(&records).unwrap();
    let changes = records.iter().rev().filter_map(|record| record["body"]["changes"].as_array()).flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |change: &Value| (text(&change["what"]), text(&change["by"]), change["at"].as_i64());
    changes.filter(|change| change["object"]["name"] == name).map(one).collect()
}

fn until_observed(host: &Host, name: &str, what: &str) {
    let last = || observed(host, name).last().map(|last| last.0.clone());
    eventually(&format!("{name} was observed: {what}"), SOON, || last().as_deref() == Some(what));
}

fn microseconds(host: &Host) -> i64 {
    host.machine.sh("date +%s%6N").trim().parse().unwrap()
}

fn code(host: &Host) -> String {
    let status: Value = serde_json::from_str(&host.machine.run(&["trueup", "status", "--json"]).stdout).unwrap();
    status["applications"][0]["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_became_of_a_unit_is_told_with_the_time_that_systemd_keeps() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    host.goes(&[(FILE, SERVICE), ("app/web.yaml", &unit("app-web.service", WEB))]);
    let healed = |how: &str| {
        let whole = || {
            let state = host.property("app-web.service", "UnitFileState");
            host.machine.is_active("app-web.service") && state == "enabled"
        };
        eventually(how, SOON, whole);
    };
    let before = microseconds(&host);
    host.machine.ok(&["systemctl", "stop", "app-web"]);
    until_observed(&host, "app-web.service", "stopped");
    let (_, by, at) = observed(&host, "app-web.service").pop().unwrap();
    assert!(by.is_empty(), "systemd does not keep who asked: {by}");
    assert!((before..=microseconds(&host)).contains(&at.unwrap()), "{before} {at:?}");
    healed("what was stopped runs again");

    host.machine.ok(&["systemctl", "kill", "--signal=KILL", "app-web"]);
    until_observed(&host, "app-web.service", "failed: signal");
    healed("what was killed runs again");

    host.machine.ok(&["systemctl", "disable", "app-web"]);
    until_observed(&host, "app-web.service", "disabled");
    assert_eq!(observed(&host, "app-web.service").pop().unwrap().2, None, "nobody keeps when that was");
    healed("what was disabled is enabled again");
}

#[test]
fn a_service_that_dies_each_time_is_started_five_times_and_left_with_what_became_of_it() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    let dies = SERVICE.replace("/bin/sleep 1000", "/bin/sh -c 'echo start >>/run/starts; sleep 2; exit 7'");
    host.goes(&[(FILE, &dies), ("app/web.yaml", &unit("app-web.service", WEB))]);
    eventually("it is left", SOON * 2, || code(&host) == "guard.fight");
    let starts = || host.machine.read("/run/starts").unwrap_or_default().lines().count();
    let count = starts();
    assert_eq!(count, 6, "once as Git says, and five times after it");
    assert_eq!(observed(&host, "app-web.service").pop().unwrap().0, "failed: exit-code");
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!((starts(), code(&host).as_str()), (count, "guard.fight"));
}

#[test]
fn a_service_that_cannot_start_for_a_while_is_no_fight() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    let needs = SERVICE.replace("/bin/sleep 1000", "/bin/sh -c 'test -e /run/ok && exec sleep 1000; exit 1'");
    host.machine.write("/run/ok", "");
    host.goes(&[(FILE, &needs), ("app/web.yaml", &unit("app-web.service", WEB))]);
    host.machine.sh("rm /run/ok; systemctl kill --signal=KILL app-web");
    for _ in 0..7 {
        let tried = host.machine.run(&["trueup", "sync", "app", "--json"]);
        assert!(tried.code != 0 && tried.stdout.contains("health.degraded"), "{tried:?}");
    }
    host.machine.write("/run/ok", "");
    let healed = host.machine.run(&["trueup", "sync", "app"]);
    assert!(healed.code == 0 && host.machine.is_active("app-web.service"), "{healed:?}");
}

#[test]
fn what_the_root_half_may_not_show_it_does_not_tell_of_either() {
    let Some(host) = Host::halves("['app-*']") else { return };
    let file = |path: &str| {
        format!(
            "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: {path} }}\n\
             spec: {{ content: one, mode: \"0600\" }}\n---\n"
        )
    };
    host.machine.sh("useradd ada; mkdir -p /etc/app/closed; chmod 700 /etc/app/closed");
    host.daemon();
    let (open, closed) = ("/etc/app/open", "/etc/app/closed/file");
    host.goes(&[("app/all.yaml", &(file(open) + &file(closed)))]);
    for path in [open, closed] {
        let before = microseconds(&host);
        host.machine.sh(&format!("echo two >{path}; chown ada {path}"));
        eventually("it is healed", SOON, || host.machine.read(path).as_deref() == Some("one"));
        until_observed(&host, path, "changed");
        let (_, by, at) = observed(&host, path).pop().unwrap();
        if path == open {
            // Whose a file is, and when it was changed, everyone may ask who reaches it, whatever its mode.
            assert_eq!(by, "owner ada");
            assert!(at.is_some_and(|at| at > before - 100_000), "{at:?} {before}");
        } else {
            assert_eq!((by.as_str(), at), ("", None));
        }
    }
}

/// Changes what the store remembers of the application, while no daemon has it open. In a copy: SQLite does not open a file by the way of
/// another process.
fn remember(host: &Host, change: impl FnOnce(&mut ApplicationState)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (theirs, ours) = (host.machine.path("/var/lib/trueup"), tempfile::tempdir().unwrap());
    for name in ["trueup.db", "content.key"] {
        fs::copy(theirs.join(name), ours.path().join(name)).unwrap();
    }
    runtime.block_on(async {
        let (store, app) = (Store::open(ours.path()).await.unwrap(), "app".parse().unwrap());
        let mut state = store.application(&app).await.unwrap();
        change(&mut state);
        let mut tx = store.write().await.unwrap();
        tx.put_application(&app, &state).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await.unwrap();
    });
    fs::copy(ours.path().join("trueup.db"), theirs.join("trueup.db")).unwrap();
}

/// The fingerprint of a unit does not tell whether anybody moved it: the time does.
#[test]
fn after_an_upgrade_a_unit_that_was_stopped_meanwhile_is_healed_and_one_that_only_looks_otherwise_waits() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    host.goes(&[(FILE, SERVICE), ("app/web.yaml", &unit("app-web.service", WEB))]);
    let by_another = |state: &mut ApplicationState| state.applied.as_mut().unwrap().version = "0.0.9".into();
    host.machine.ok(&["systemctl", "stop", "trueup-test"]);
    remember(&host, by_another);
    host.machine.ok(&["systemctl", "stop", "app-web"]);
    host.daemon();
    eventually("it runs again", SOON, || host.machine.is_active("app-web.service"));

    // As if that version had seen it so, and found nothing amiss: it was there after the unit was stopped.
    let ran = host.machine.run(&["trueup", "suspend", "app", "--reason", "a test"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    host.machine.ok(&["systemctl", "stop", "app-web"]);
    host.machine.ok(&["systemctl", "stop", "trueup-test"]);
    remember(&host, |state| {
        by_another(state);
        state.suspended = None;
    });
    host.daemon();
    eventually("it waits", SOON, || code(&host) == "guard.upgrade");
    assert!(!host.machine.is_active("app-web.service"), "nothing but a yes starts it");
    let status = host.machine.run(&["trueup", "status", "--json"]).stdout;
    let plan = serde_json::from_str::<Value>(&status).unwrap()["applications"][0]["plan"].as_str().unwrap().to_owned();
    let approved = host.machine.run(&["trueup", "approve", &plan]);
    assert_eq!(approved.code, 0, "{approved:?}");
    assert!(host.machine.is_active("app-web.service"));
}
