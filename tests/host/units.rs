//! Units as documents say, with a real systemd.

use std::time::Duration;

use tempfile::TempDir;

use crate::machine::Machine;
use crate::world::{HttpServer, Options, Ran, Repo, eventually};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A machine that follows a repository in the test.
pub(crate) struct Host {
    pub(crate) machine: Machine,
    pub(crate) repo: Repo,
    _server: HttpServer,
    _folder: TempDir,
}

/// What may be written and run on every machine of these tests.
const MAY: &str =
    "allow: [/etc/systemd/system, /etc/containers/systemd, /etc/app], commands: [/usr/bin/curl, /usr/bin/true]";

impl Host {
    /// Makes a machine whose daemon acts itself.
    pub(crate) fn start(units: &str) -> Option<Self> {
        Self::with(&format!("{MAY}, units: {units}"))
    }

    /// Makes one whose daemon has a root half, as the package sets it up, act for it.
    pub(crate) fn halves(units: &str) -> Option<Self> {
        let host = Self::with(&format!("{MAY}, units: {units}, via: /run/trueup-host/host.sock"))?;
        let machine = &host.machine;
        machine.copy_in(env!("CARGO_BIN_EXE_trueup").as_ref(), "/usr/bin/trueup");
        machine.write("/etc/systemd/system/trueup-host.service", include_str!("../../systemd/trueup-host.service"));
        machine.write("/etc/systemd/system/trueup-host.socket", include_str!("../../systemd/trueup-host.socket"));
        machine.write(
            "/etc/trueup/host.yaml",
            format!(
                "apiVersion: trueup.dev/v1alpha1\nkind: HostAccess\nmetadata: {{ name: web-1 }}\n\
                 spec: {{ {MAY}, units: {units} }}\n"
            ),
        );
        machine.ok(&["groupadd", "--system", "trueup-host"]);
        machine.ok(&["systemctl", "daemon-reload"]);
        machine.ok(&["systemctl", "start", "trueup-host.socket"]);
        Some(host)
    }

    fn with(target: &str) -> Option<Self> {
        let machine = Machine::start()?;
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::new(folder.path(), "platform");
        let server = HttpServer::on(machine.listen(), folder.path(), Options::default());
        machine.copy_in(env!("CARGO_BIN_EXE_trueup").as_ref(), "/usr/local/bin/trueup");
        let url = server.url("platform");
        // Nothing is found by looking now and then: what is healed here was told of.
        machine.write(
            "/etc/trueup/trueup.yaml",
            format!(
                "apiVersion: trueup.dev/v1alpha1\nkind: Daemon\nmetadata: {{ name: web-1 }}\n\
                 spec: {{ transports: [http] }}\n---\n\
                 apiVersion: trueup.dev/v1alpha1\nkind: Repository\nmetadata: {{ name: platform }}\n\
                 spec: {{ url: \"{url}\", branch: main, poll: 1h }}\n---\n\
                 apiVersion: trueup.dev/v1alpha1\nkind: Target\nmetadata: {{ name: web-1 }}\n\
                 spec: {{ host: {{ {target} }} }}\n---\n\
                 apiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: {{ name: app }}\n\
                 spec: {{ source: {{ repository: platform, path: app }}, target: web-1, sync: {{ interval: 1h }} }}\n"
            ),
        );
        Some(Self { machine, repo, _server: server, _folder: folder })
    }

    /// Asserts what every hostile input must leave as it is (I1 to I8): the daemon runs on, within its bounds and with
    /// nothing left running; nothing was deleted but what a failed sync had `created`; a record tells of the failure, and a
    /// second attempt tells the same.
    pub(crate) fn unharmed(&self, code: &str, created: bool) {
        assert_eq!(self.property("trueup-test.service", "NRestarts"), "0", "I1");
        assert!(!self.machine.journal(&["-u", "trueup-test"]).contains("panicked"), "I1");
        let pid = self.property("trueup-test.service", "MainPID");
        let status = self.machine.ok(&["cat", &format!("/proc/{pid}/status")]);
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        assert!(resident.is_some_and(|kib: u64| kib < 256 * 1024), "I3: {status}");
        let trail = || self.machine.ok(&["/usr/local/bin/trueup", "audit", "list", "--json", "-n", "1000"]);
        assert!(created || !trail().contains("\"action\":\"delete\""), "I4: {}", trail());
        assert!(trail().contains(code), "I7: {}", trail());
        let again = self.machine.run(&["/usr/local/bin/trueup", "sync", "app", "--json"]).stdout;
        assert!(again.contains(code), "I8: {again}");
        assert_eq!(self.machine.run(&["systemctl", "list-units", "--no-legend", "trueup-run-*"]).stdout, "", "I3");
        let elsewhere =
            ["find", "/usr", "/opt", "/root", "/home", "/boot", "-newer", "/usr/local/bin/trueup", "-type", "f"];
        assert_eq!(self.machine.run(&elsewhere).stdout, "", "I5");
        self.neighbour();
    }

    /// Declares another application beside the one that fails: it goes live all the same, and its secret is told nowhere (I2, I6).
    fn neighbour(&self) {
        let secret = "canary-of-the-neighbour";
        let document = format!(
            "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: /etc/app/neighbour }}\n\
             spec: {{ content: {secret}, mode: \"0600\" }}\n"
        );
        self.repo.write("neighbour/all.yaml", document).land("a neighbour");
        let declared = self.machine.read("/etc/trueup/trueup.yaml").unwrap()
            + "---\napiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: { name: neighbour }\n\
               spec: { source: { repository: platform, path: neighbour }, target: web-1 }\n";
        self.machine.write("/etc/trueup/trueup.yaml", declared);
        let synced = || self.machine.run(&["/usr/local/bin/trueup", "sync", "neighbour"]).code == 0;
        eventually("I2: a neighbour goes live", SOON, synced);
        assert_eq!(self.machine.read("/etc/app/neighbour").as_deref(), Some(secret), "I2");
        let told = self.machine.ok(&["/usr/local/bin/trueup", "audit", "export"]);
        assert!(!told.contains(secret) && !self.machine.journal(&[]).contains(secret), "I6");
    }

    /// Starts the daemon as a service and waits until it answers.
    pub(crate) fn daemon(&self) {
        self.daemon_as("trueup-test");
    }

    pub(crate) fn daemon_as(&self, name: &str) {
        let unit = format!("--unit={name}");
        self.machine.ok(&["systemd-run", "--quiet", "--collect", &unit, "/usr/local/bin/trueup", "run"]);
        eventually("the daemon answers", SOON, || self.machine.run(&["trueup", "status"]).code < 2);
    }

    pub(crate) fn push(&self, files: &[(&str, &str)]) -> Ran {
        for (path, content) in files {
            self.repo.write(path, content);
        }
        self.repo.land("change");
        self.machine.run(&["trueup", "sync", "app"])
    }

    /// Pushes what must end well.
    pub(crate) fn goes(&self, files: &[(&str, &str)]) {
        let ran = self.push(files);
        assert_eq!(ran.code, 0, "{}{}\n{}", ran.stdout, ran.stderr, self.machine.journal(&["-n", "40"]));
    }

    /// Pushes what must fail, and returns what is said.
    pub(crate) fn fails(&self, files: &[(&str, &str)]) -> String {
        let ran = self.push(files);
        assert_ne!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        ran.stdout + &ran.stderr
    }

    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.machine.property(unit, name)
    }
}

pub(crate) fn unit(name: &str, spec: &str) -> String {
    format!("apiVersion: host.trueup.dev/v1alpha1\nkind: Unit\nmetadata: {{ name: {name} }}\nspec: {spec}\n---\n")
}

/// A file whose change calls this handler.
pub(crate) fn calling(content: &str, call: &str) -> String {
    format!(
        "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: /etc/app/x }}\n\
         spec: {{ content: \"{content}\", onChange: [{{ {call} }}] }}\n---\n"
    )
}

pub(crate) const FILE: &str = "app/root/etc/systemd/system/app-web.service";
pub(crate) const SERVICE: &str = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n";

#[test]
fn a_unit_comes_changes_is_healed_and_goes() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    let document = unit("app-web.service", "{ enabled: true, state: running, settle: 500ms }");
    let file = "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: { name: /etc/app/x }\n\
                spec: { content: one, onChange: [{ restart: app-web.service }] }\n";
    let came = host.push(&[(FILE, SERVICE), ("app/web.yaml", &format!("{document}{file}"))]);
    assert_eq!(came.code, 0, "{came:?}\n{}", host.machine.journal(&["-u", "trueup-test"]));
    assert_eq!(host.property("app-web.service", "ActiveState"), "active");
    assert_eq!(host.property("app-web.service", "UnitFileState"), "enabled");

    let first = host.property("app-web.service", "InvocationID");
    let changed = host.push(&[("app/web.yaml", &format!("{document}{}", file.replace("one", "two")))]);
    assert_eq!(changed.code, 0, "{changed:?}");
    assert_ne!(host.property("app-web.service", "InvocationID"), first, "it is restarted");

    host.machine.ok(&["systemctl", "stop", "app-web.service"]);
    eventually("what was stopped by hand runs again", SOON, || {
        host.machine.run(&["systemctl", "is-active", "-q", "app-web.service"]).code == 0
    });

    let broken = SERVICE.replace("[Install]", "Restart=no\nExecStartPre=/bin/false\n[Install]");
    let failed =
        host.push(&[(FILE, &broken), ("app/web.yaml", &format!("{document}{}", file.replace("one", "three")))]);
    assert_ne!(failed.code, 0, "{failed:?}");
    assert_eq!(host.machine.read("/etc/app/x").as_deref(), Some("two"));
    assert_eq!(host.property("app-web.service", "ActiveState"), "active", "it runs with what worked: {failed:?}");

    let unknown = SERVICE.replace("[Install]", "Bogus=1\n[Install]");
    let before = host.property("app-web.service", "InvocationID");
    let refused =
        host.push(&[(FILE, &unknown), ("app/web.yaml", &format!("{document}{}", file.replace("one", "two")))]);
    assert!(refused.code != 0 && format!("{refused:?}").contains("Bogus"), "{refused:?}");
    assert_eq!(host.property("app-web.service", "InvocationID"), before);

    host.repo.remove(FILE);
    let kept = file.replace(", onChange: [{ restart: app-web.service }]", "").replace("one", "two");
    let gone = host.push(&[("app/web.yaml", &kept)]);
    assert_eq!(host.property("app-web.service", "ActiveState"), "inactive", "{gone:?}");
    assert_eq!(host.property("app-web.service", "LoadState"), "not-found");
}

#[test]
fn what_a_host_needs_is_left_alone() {
    let Some(host) = Host::start("['*']") else { return };
    host.daemon();
    for (name, spec) in [("dbus.service", "{ state: stopped }"), ("systemd-journald.service", "{ masked: true }")] {
        let refused = host.push(&[("app/x.yaml", &unit(name, spec))]);
        assert!(refused.code != 0 && format!("{refused:?}").contains("needs it to live"), "{refused:?}");
    }
    host.repo.remove("app/x.yaml");
    let drop_in = host.push(&[("app/root/etc/systemd/system/service.d/x.conf", "[Service]\nNice=1\n")]);
    assert!(drop_in.code != 0 && format!("{drop_in:?}").contains("needs it to live"), "{drop_in:?}");
    assert_eq!(host.property("dbus.service", "ActiveState"), "active");
}

#[test]
fn another_name_of_a_unit_passes_no_rule() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.machine.sh("ln -s /lib/systemd/system/dbus.service /etc/systemd/system/app-bus.service");
    host.machine.write("/etc/systemd/system/app-one.service", SERVICE);
    host.machine.sh("ln -s app-one.service /etc/systemd/system/app-two.service");
    host.machine.ok(&["systemctl", "daemon-reload"]);
    host.daemon();
    for name in ["app-bus.service", "app-two.service"] {
        let told = host.fails(&[("app/x.yaml", &unit(name, "{ state: stopped }"))]);
        assert!(told.contains("is another name of"), "{told}");
    }
    host.repo.remove("app/x.yaml");
    let told = host.fails(&[("app/root/etc/systemd/system/app-bus.service.d/x.conf", "[Service]\nNice=1\n")]);
    assert!(told.contains("needs it to live"), "{told}");
    assert!(host.machine.is_active("dbus.service"));
    // A handler acts under no other name either.
    host.repo.remove("app/root/etc/systemd/system/app-bus.service.d");
    let told = host.fails(&[("app/x.yaml", &calling("one", "restart: app-two.service"))]);
    assert!(told.contains("is another name of"), "{told}");
}

#[test]
fn a_unit_that_flaps_or_never_starts_is_a_failure_within_its_bound() {
    let Some(host) = Host::start("['app-*']") else { return };
    host.daemon();
    let flaps = "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=100ms\n[Unit]\nStartLimitIntervalSec=0\n";
    let spec = "{ state: running, settle: 2s, timeout: 20s }";
    let flapped = host.push(&[(FILE, flaps), ("app/web.yaml", &unit("app-web.service", spec))]);
    assert!(flapped.code != 0 && format!("{flapped:?}").contains("restarted"), "{flapped:?}");

    let hangs = "[Service]\nType=notify\nExecStart=/bin/sleep 1000\nTimeoutStartSec=infinity\n";
    let spec = "{ state: running, timeout: 3s }";
    let hung = host.push(&[(FILE, hangs), ("app/web.yaml", &unit("app-web.service", spec))]);
    assert!(hung.code != 0 && format!("{hung:?}").contains("within 3 s"), "{hung:?}");
    host.unharmed("health.degraded", true);
}
