//! A host as people have it: trueup comes from its package, and follows a repository in the test through its root half.

#![allow(dead_code, unreachable_pub)]

use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::machine::Machine;
use crate::package;
use crate::world::{HttpServer, Options, Ran, Repo, eventually};

/// Whatever is waited for happens within this, on a machine that is busy with other things.
pub const SOON: Duration = Duration::from_mins(1);

/// What the host lets trueup do.
#[derive(Clone, Copy, Default)]
pub struct Granted<'a> {
    pub allow: &'a [&'a str],
    pub commands: &'a [&'a str],
    pub units: &'a [&'a str],
}

/// The host. Its one application is called `app`, and is the folder `app` of the repository.
pub struct Installed {
    pub machine: Machine,
    pub repo: Repo,
    server: HttpServer,
    _folder: TempDir,
}

impl Installed {
    /// Starts a machine and installs the package on it. Nothing is declared and nothing runs.
    pub fn new() -> Option<Self> {
        let machine = Machine::start()?;
        let deb = package::deb()?;
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::new(folder.path(), "platform");
        let server = HttpServer::on(machine.listen(), folder.path(), Options::default());
        let host = Self { machine, repo, server, _folder: folder };
        host.machine.copy_in(&deb, "/root/trueup.deb");
        host.apt(&["install", "/root/trueup.deb"]);
        Some(host)
    }

    /// Installs, declares a repository that is looked at each second, and starts the service.
    pub fn following(granted: Granted<'_>) -> Option<Self> {
        let host = Self::new()?;
        host.declare(granted, "1s", "");
        host.machine.ok(&["systemctl", "enable", "--now", "trueup"]);
        Some(host)
    }

    /// Runs apt-get without questions.
    pub fn apt(&self, line: &[&str]) -> String {
        let apt = ["apt-get", "--assume-yes", "--quiet", "--no-install-recommends", "--allow-downgrades"];
        self.machine.ok(&[&apt, line].concat())
    }

    /// Writes what a person declares: what trueup follows (`sync` are fields of the application), and what its root half may do.
    pub fn declare(&self, granted: Granted<'_>, poll: &str, sync: &str) {
        let list = |items: &[&str]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
        let Granted { allow, commands, units } = granted;
        let may = format!("allow: [{}], commands: [{}], units: [{}]", list(allow), list(commands), list(units));
        let daemon = declared("Daemon", "group: trueup-operators, transports: [http]");
        let url = self.server.url("platform");
        let repository = declared("Repository", &format!("url: \"{url}\", branch: main, poll: {poll}"));
        let target = declared("Target", "host: { via: /run/trueup-host/host.sock }");
        let app = format!("source: {{ repository: web-1, path: app }}, target: web-1, sync: {{ {sync} }}");
        let app = declared("Application", &app).replace("name: web-1", "name: app");
        self.machine.write("/etc/trueup/trueup.yaml", daemon + &repository + &target + &app);
        self.machine.write("/etc/trueup/host.yaml", declared("HostAccess", &may));
    }

    /// Adds lines to the `[Service]` of a unit, as `systemctl edit` does.
    pub fn edit_unit(&self, unit: &str, lines: &str) {
        self.machine.write(&format!("/etc/systemd/system/{unit}.d/test.conf"), format!("[Service]\n{lines}\n"));
        self.machine.ok(&["systemctl", "daemon-reload"]);
    }

    /// Writes a program of the host's own.
    pub fn script(&self, path: &str, text: &str) {
        self.machine.write(path, format!("#!/bin/sh\n{text}\n")).ok(&["chmod", "755", path]);
    }

    pub fn trueup(&self, line: &[&str]) -> Ran {
        self.machine.run(&[&["trueup"], line].concat())
    }

    /// Returns the application as `status` shows it, null while no daemon answers.
    pub fn app(&self) -> Value {
        let ran = self.trueup(&["status", "--json"]);
        let status: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        status["applications"][0].clone()
    }

    /// Waits until the application stands so, and returns it.
    pub fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut app = Value::Null;
        let mut now = || {
            app = self.app();
            holds(&app)
        };
        let start = Instant::now();
        while !now() {
            assert!(start.elapsed() < SOON, "waited in vain: {what}\n{}", self.story());
            std::thread::sleep(Duration::from_millis(50));
        }
        app
    }

    /// Waits until this revision is applied, every unit healthy.
    pub fn applied(&self, revision: &str) {
        let good = |app: &Value| matches!(app["outcome"].as_str(), Some("applied" | "unchanged"));
        self.until("the revision is applied", |app| app["good"] == *revision && app["syncing"] == false && good(app));
    }

    /// Waits until a file holds this.
    pub fn until_live(&self, path: &str, content: &str) {
        eventually(&format!("{path} is {content:?}"), SOON, || self.machine.read(path).as_deref() == Some(content));
    }

    /// Returns the records of the application, oldest first.
    pub fn records(&self) -> Vec<Value> {
        let told = self.machine.ok(&["trueup", "audit", "list", "app", "--json", "-n", "1000"]);
        let mut records: Vec<Value> = serde_json::from_str(&told).unwrap();
        records.reverse();
        records
    }

    /// Returns how each sync ended, oldest first.
    pub fn outcomes(&self) -> Vec<String> {
        let records = self.records();
        let closed = records.iter().filter(|record| record["kind"] == "closed");
        closed.map(|record| record["body"]["outcome"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns what trueup says of itself, for a failure.
    pub fn story(&self) -> String {
        let (status, units) = (self.trueup(&["status"]), ["trueup.service", "trueup-host.service", "trueup-run-*"]);
        let told = self.machine.ok(&[
            "journalctl",
            "--no-pager",
            "-o",
            "short-precise",
            "-u",
            units[0],
            "-u",
            units[1],
            "-u",
            units[2],
        ]);
        format!("{}{}\n{:#}\n{told}", status.stdout, status.stderr, self.app())
    }
}

fn declared(kind: &str, spec: &str) -> String {
    let head = format!("apiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: web-1 }}\n");
    format!("{head}spec: {{ {spec} }}\n---\n")
}

/// A document of an application.
pub fn document(kind: &str, name: &str, spec: &str) -> String {
    let head = format!("apiVersion: host.trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\n");
    format!("{head}spec: {{ {spec} }}\n---\n")
}

/// A file of an application, with more fields of its spec.
pub fn file(path: &str, content: &str, more: &str) -> String {
    document("File", path, &format!("content: {}{more}", Value::from(content)))
}
