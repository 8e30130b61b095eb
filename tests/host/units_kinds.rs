//! Units of each sort, with a real systemd.

use crate::units::{Host, SOON, calling, unit};
use crate::world::eventually;

const UNITS: &str = "app/root/etc/systemd/system";

/// podman is not in every Debian: this makes of a Quadlet file what podman's own generator does, as far as a unit goes.
const GENERATOR: &str = "#!/bin/sh\nfor file in /etc/containers/systemd/*.container; do\n  [ -e \"$file\" ] || exit 0\n  \
    printf '[Service]\\nExecStart=/bin/sleep %s\\n' \"$(sed -n s/^Exec=//p \"$file\")\" >\"$1/$(basename \"$file\" .container).service\"\ndone\n";

#[test]
fn timers_sockets_instances_drop_ins_and_quadlets_are_files_and_units() {
    let Some(host) = Host::start("['app-*', nginx.service]") else { return };
    let machine = &host.machine;
    machine.write("/etc/systemd/system-generators/quadlet-stand-in", GENERATOR);
    machine.ok(&["chmod", "755", "/etc/systemd/system-generators/quadlet-stand-in"]);
    machine.ok(&["systemctl", "start", "nginx"]);
    let before_all = host.property("nginx.service", "InvocationID");
    host.daemon();
    let path = |name: &str| format!("{UNITS}/{name}");
    let sleeps = "[Service]\nExecStart=/bin/sleep 1000\n";
    let up = |name: &str, more: &str| unit(name, &format!("{{ state: running, settle: 300ms{more} }}"));
    let documents = [
        up("app-tick.timer", ", enabled: true"),
        up("app-echo.socket", ", enabled: true"),
        up("app-w@blue.service", ", enabled: true"),
        up("app-box.service", ""),
        up("nginx.service", ""),
    ];
    host.goes(&[
        (&path("app-tick.timer"), "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"),
        (&path("app-tick.service"), "[Service]\nType=oneshot\nExecStart=/bin/true\n"),
        (&path("app-echo.socket"), "[Socket]\nListenStream=/run/app-echo.sock\n[Install]\nWantedBy=sockets.target\n"),
        (&path("app-echo.service"), sleeps),
        (&path("app-w@.service"), "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n"),
        (&path("nginx.service.d/50-x.conf"), "[Service]\nEnvironment=APP=one\n"),
        ("app/root/etc/containers/systemd/app-box.container", "[Container]\nImage=x\nExec=1000\n"),
        ("app/units.yaml", &(documents.concat() + &calling("one", "restart: nginx.service"))),
    ]);
    for unit in ["app-tick.timer", "app-echo.socket", "app-w@blue.service", "app-box.service", "nginx.service"] {
        assert!(machine.is_active(unit), "{unit}");
    }
    for unit in ["app-tick.timer", "app-echo.socket", "app-w@blue.service"] {
        assert_eq!(host.property(unit, "UnitFileState"), "enabled", "{unit}");
    }
    machine.ok(&["test", "-S", "/run/app-echo.sock"]);
    // What nginx was started with it writes over; that it was started anew shows in its run.
    let run = host.property("nginx.service", "InvocationID");
    assert_ne!(run, before_all, "the drop-in is in force");
    assert_eq!(host.property("nginx.service", "Environment"), "APP=one");

    // A template, a drop-in and a Quadlet file change: one daemon-reload, and each unit is what it was.
    let reloads = || machine.journal(&["_PID=1"]).lines().filter(|line| line.starts_with("Reloading")).count();
    let before = reloads();
    machine.ok(&["systemctl", "daemon-reload"]);
    let one = reloads() - before;
    assert!(one > 0, "a daemon-reload shows in the journal");
    let before = reloads();
    host.goes(&[
        (&path("app-w@.service"), "[Service]\nExecStart=/bin/sleep 2000\n[Install]\nWantedBy=multi-user.target\n"),
        (&path("app-tick.service"), "[Service]\nType=oneshot\nExecStart=/bin/true x\n"),
        (&path("nginx.service.d/50-x.conf"), "[Service]\nEnvironment=APP=two\n"),
        ("app/root/etc/containers/systemd/app-box.container", "[Container]\nImage=x\nExec=2000\n"),
        ("app/units.yaml", &(documents.concat() + &calling("two", "restart: nginx.service"))),
    ]);
    assert_eq!(
        reloads() - before,
        one,
        "one daemon-reload for four files: {}",
        machine.journal(&["_PID=1", "-n", "20"])
    );
    assert_ne!(host.property("nginx.service", "InvocationID"), run);
    assert_eq!(host.property("nginx.service", "Environment"), "APP=two");
    assert!(host.property("app-box.service", "ExecStart").contains("sleep 2000"), "the generator ran again");
}

#[test]
fn what_is_masked_is_unmasked_and_what_is_released_stays() {
    let Some(host) = Host::start("[nginx.service]") else { return };
    host.machine.ok(&["systemctl", "start", "nginx"]);
    host.daemon();
    let is = |spec: &str| host.push(&[("app/nginx.yaml", &unit("nginx.service", spec))]);
    // First contact with what somebody runs: a person says yes.
    let held = is("{ masked: true, enabled: false, state: stopped }");
    assert_eq!(held.code, 1, "{held:?}");
    assert!(host.machine.is_active("nginx.service"), "nothing is done before");
    let adopted = host.machine.run(&["trueup", "adopt", "app"]);
    eventually("it is masked", SOON, || host.property("nginx.service", "LoadState") == "masked");
    assert!(!host.machine.is_active("nginx.service"), "{adopted:?}");
    let back = is("{ masked: false, state: running, settle: 300ms }");
    assert_eq!(back.code, 0, "{back:?}");
    assert!(host.machine.is_active("nginx.service") && host.property("nginx.service", "LoadState") == "loaded");

    host.repo.remove("app/nginx.yaml");
    host.goes(&[("app/root/etc/app/kept", "kept\n")]);
    assert!(host.machine.is_active("nginx.service"), "its file is not ours: it is left as it is");
    host.machine.ok(&["systemctl", "stop", "nginx"]);
    host.goes(&[("app/root/etc/app/kept", "more\n")]);
    assert!(!host.machine.is_active("nginx.service"), "nobody keeps it any more");
}
