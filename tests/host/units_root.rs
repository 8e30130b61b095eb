//! The story of units with the daemon in two halves, the root half in its own sandbox.

use crate::units::{FILE, Host, SERVICE, SOON, calling, unit};
use crate::world::eventually;

const SPEC: &str = "{ enabled: true, state: running, settle: 300ms, timeout: 20s";

#[test]
fn the_root_half_acts_on_units_and_the_front_asks_over_the_network() {
    let Some(host) = Host::halves("['app-*', nginx.service]") else { return };
    host.machine.ok(&["systemctl", "start", "nginx"]);
    host.daemon();
    let web = |probe: &str| unit("app-web.service", &format!("{SPEC}, probe: {{ {probe} }} }}"));
    let command = web("command: [/usr/bin/true]");
    host.goes(&[(FILE, SERVICE), ("app/web.yaml", &(command.clone() + &calling("one", "restart: app-web.service")))]);
    assert!(host.machine.is_active("app-web.service"));
    assert_eq!(host.property("app-web.service", "UnitFileState"), "enabled");
    assert!(host.machine.is_active("trueup-host.service"), "the root half did it");

    let first = host.property("app-web.service", "InvocationID");
    let changed = SERVICE.replace("1000", "2000");
    host.goes(&[(FILE, &changed), ("app/web.yaml", &(command.clone() + &calling("two", "restart: app-web.service")))]);
    assert_ne!(host.property("app-web.service", "InvocationID"), first);
    assert!(host.property("app-web.service", "ExecStart").contains("2000"), "systemd read it again");

    host.machine.ok(&["systemctl", "stop", "app-web"]);
    eventually("what was stopped by hand runs again", SOON, || host.machine.is_active("app-web.service"));

    let told = host.fails(&[(FILE, &SERVICE.replace("[Install]", "Bogus=1\n[Install]"))]);
    assert!(told.contains("Bogus"), "{told}");
    let site = unit("nginx.service", "{ state: running, settle: 300ms, probe: { http: \"http://127.0.0.1:80/\" } }");
    host.goes(&[(FILE, &changed), ("app/nginx.yaml", &site)]);
    let bad = calling("three", "restart: app-web.service") + &web("tcp: \"127.0.0.1:9\"").replace("20s", "2s");
    let told = host.fails(&[("app/web.yaml", &bad)]);
    assert!(told.contains("probe"), "{told}");
    assert_eq!(host.machine.read("/etc/app/x").as_deref(), Some("two"));
}

#[test]
fn a_restart_whose_outcome_is_not_known_is_not_done_again() {
    let Some(host) = Host::halves("['app-*']") else { return };
    host.daemon();
    let slow = "[Service]\nType=notify\nNotifyAccess=all\nTimeoutStartSec=60\n\
                ExecStart=/bin/sh -c 'echo start >>/run/starts; \
                [ -e /run/go ] || until [ -e /run/go ]; do sleep 0.05; done; systemd-notify --ready; exec sleep 1000'\n";
    host.machine.write("/run/go", "");
    let web = unit("app-web.service", "{ state: running, settle: 300ms, timeout: 50s }");
    host.goes(&[(FILE, slow), ("app/web.yaml", &(web.clone() + &calling("one", "restart: app-web.service")))]);
    let starts = || host.machine.read("/run/starts").unwrap_or_default().lines().count();
    assert_eq!(starts(), 1);
    host.machine.ok(&["rm", "/run/go"]);
    host.repo.write("app/web.yaml", web + &calling("two", "restart: app-web.service"));
    host.repo.land("change");
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| host.machine.run(&["trueup", "sync", "app"]));
        eventually("the restart began", SOON, || starts() == 2);
        let before = host.machine.pid_of("trueup-host.service");
        host.machine.ok(&["systemctl", "kill", "--signal=KILL", "trueup-host.service"]);
        eventually("the root half is there again", SOON, || {
            !matches!(host.machine.pid_of("trueup-host.service"), 0)
                && host.machine.pid_of("trueup-host.service") != before
        });
        host.machine.write("/run/go", "");
        let ran = syncing.join().unwrap();
        assert_eq!(ran.code, 0, "{ran:?}\n{}", host.machine.journal(&["-n", "60"]));
    });
    assert_eq!(starts(), 2, "the run of the unit shows that it was restarted");
    assert!(host.machine.is_active("app-web.service"));
}
