//! What goes wrong with units, and what is mended: with a real systemd.

use crate::units::{FILE, Host, SERVICE, SOON, calling, unit};
use crate::world::eventually;

const UP: &str = "{ state: running, settle: 300ms, timeout: 20s }";

#[test]
fn a_unit_that_hit_its_start_limit_is_mended_by_a_push() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    let web = unit("app-web.service", "{ state: running, settle: 2s, timeout: 20s }");
    // What is wrong is no unit file: a daemon-reload would make systemd forget how often it was started.
    let service = "[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1h\n[Service]\nRestart=always\nRestartSec=10ms\n\
                   ExecStart=/bin/sh -c 'grep -q good /etc/app/x && exec sleep 1000; exit 1'\n";
    let with = |content: &str| web.clone() + &calling(content, "restart: app-web.service");
    host.goes(&[(FILE, service), ("app/web.yaml", &with("good"))]);
    let told = host.fails(&[("app/web.yaml", &with("bad"))]);
    assert!(told.contains("app-web.service"), "{told}");
    let said = host.machine.journal(&["-u", "app-web.service"]);
    assert!(said.contains("Start request repeated too quickly"), "{said}");
    assert!(host.machine.is_active("app-web.service"), "what worked runs again: {told}");
    host.unharmed("health.degraded", false);
    host.goes(&[("app/web.yaml", &with("as good"))]);
    assert!(host.machine.is_active("app-web.service"));
}

#[test]
fn what_was_there_before_is_adopted_and_the_bus_tells_when_it_stops() {
    let Some(host) = Host::start("['app-*']") else { return };
    let machine = &host.machine;
    machine.write("/etc/systemd/system/app-web.service", SERVICE);
    machine.ok(&["systemctl", "daemon-reload"]);
    machine.ok(&["systemctl", "start", "app-web"]);
    let run = || host.property("app-web.service", "InvocationID");
    let first = run();
    host.daemon();
    host.goes(&[(FILE, SERVICE), ("app/web.yaml", &unit("app-web.service", UP))]);
    assert_eq!(run(), first, "it runs as it did");

    let healed = |how: &str| {
        let done = machine.journal(&["-u", "trueup-test"]).matches("applied in").count();
        machine.ok(&["systemctl", "stop", "app-web"]);
        eventually(how, SOON, || machine.is_active("app-web.service"));
        // A unit that is stopped again while it settles is a failed sync, which is tried again without being told of.
        eventually("the sync ended", SOON, || {
            machine.journal(&["-u", "trueup-test"]).matches("applied in").count() > done
        });
    };
    healed("what was stopped by hand runs again");
    machine.ok(&["systemctl", "restart", "dbus"]);
    healed("what was stopped after the bus was lost runs again");
    host.goes(&[(FILE, &SERVICE.replace("1000", "2000")), ("app/x.yaml", &calling("one", "restart: app-web.service"))]);
    assert!(host.property("app-web.service", "ExecStart").contains("2000"));
}

#[test]
fn a_reload_is_no_restart_and_what_it_breaks_is_told() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    let service = "[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/sh -c 'echo reload >>/run/reloads; \
                   grep -q bad /etc/app/x && kill -9 $MAINPID; grep -q ends /etc/app/x && kill $MAINPID; true'\n";
    // Nothing says that it is to run: the handler alone does.
    let quiet = unit("app-web.service", "{ masked: false, settle: 300ms, timeout: 20s }");
    host.goes(&[(FILE, service), ("app/web.yaml", &(quiet.clone() + &calling("one", "reload: app-web.service")))]);
    assert_eq!(host.machine.read("/run/reloads"), None, "what is stopped stays stopped");
    assert!(!host.machine.is_active("app-web.service"));
    host.machine.ok(&["systemctl", "start", "app-web"]);
    let first = host.property("app-web.service", "InvocationID");
    host.goes(&[("app/web.yaml", &(quiet.clone() + &calling("two", "reload: app-web.service")))]);
    assert_eq!(host.machine.read("/run/reloads").as_deref(), Some("reload\n"));
    assert_eq!(host.property("app-web.service", "InvocationID"), first);
    let told = host.fails(&[("app/web.yaml", &(quiet.clone() + &calling("bad", "reload: app-web.service")))]);
    assert!(told.contains("app-web.service"), "{told}");
    assert_eq!(host.machine.read("/etc/app/x").as_deref(), Some("two"));
    assert!(host.machine.is_active("app-web.service"), "it runs with what worked: {told}");
    // It ends without a fault: what was to reload is to be there after it.
    let told = host.fails(&[("app/web.yaml", &(quiet + &calling("ends", "reload: app-web.service")))]);
    assert!(told.contains("app-web.service"), "{told}");
    assert_eq!(host.machine.read("/etc/app/x").as_deref(), Some("two"));
}

#[test]
fn a_probe_decides() {
    let Some(host) = Host::start("[nginx.service]") else { return };
    host.machine.ok(&["systemctl", "start", "nginx"]);
    host.daemon();
    let probed = |probe: &str, timeout: &str| {
        let spec = format!("{{ state: running, settle: 300ms, timeout: {timeout}, probe: {{ {probe} }} }}");
        unit("nginx.service", &spec)
    };
    let asks = |probe: &str, timeout: &str, content: &str| {
        probed(probe, timeout) + &calling(content, "restart: nginx.service")
    };
    host.goes(&[("app/x.yaml", &asks("http: \"http://127.0.0.1:80/\"", "20s", "one"))]);
    host.goes(&[("app/x.yaml", &asks("tcp: \"127.0.0.1:80\"", "20s", "two"))]);
    host.goes(&[("app/x.yaml", &asks("command: [curl, -sf, \"http://127.0.0.1:80/\"]", "20s", "three"))]);
    for (probe, says) in [
        ("http: \"http://127.0.0.1:80/nothing\"", "404"),
        ("tcp: \"127.0.0.1:9\"", "refused"),
        ("command: [curl, -sSf, \"http://127.0.0.1:80/nothing\"]", "404"),
    ] {
        let told = host.fails(&[("app/x.yaml", &asks(probe, "2s", "four"))]);
        assert!(told.contains("probe") && told.contains(says), "{told}");
        assert_eq!(host.machine.read("/etc/app/x").as_deref(), Some("three"));
    }
}

#[test]
fn the_restart_of_our_own_unit_ends() {
    // The second has no name by which anybody could know that it is ours.
    for name in ["trueup-test", "gitops"] {
        let Some(host) = Host::start(&format!("[{name}.service, 'app-*']")) else { return };
        host.daemon_as(name);
        let own = format!("{name}.service");
        let run = || host.property(&own, "InvocationID");
        let first = run();
        for content in ["one", "two"] {
            let before = run();
            host.push(&[("app/x.yaml", &calling(content, &format!("restart: {own}")))]);
            eventually("it runs anew", SOON, || run() != before && host.machine.is_active(&own));
            eventually("the sync ended well", SOON, || host.machine.run(&["trueup", "status"]).code == 0);
            let now = run();
            // Had it to restart itself once more, it would within this sync.
            host.goes(&[("app/root/etc/app/y", content)]);
            assert_eq!(run(), now, "it restarted itself once");
        }
        assert_ne!(run(), first);
        let told = host.fails(&[("app/own.yaml", &unit(&own, "{ state: stopped }"))]);
        assert!(told.contains("needs it to live") && host.machine.is_active(&own), "{told}");
    }
}
