//! Checks, validators and handlers where systemd runs them: what they may do, and that nothing of them stays.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::machine::Machine;
use crate::world::{HttpServer, Options, Ran, Repo, eventually};

const SOON: Duration = Duration::from_secs(30);

/// Says what it may do. Its name comes first: the kind of command that it is run as.
const PROBE: &str = r#"#!/bin/sh
exec >"/var/log/probe-$1" 2>&1
grep -E '^(NoNewPrivs|CapBnd):' /proc/self/status
for path in /usr/new /boot/new /etc/new /etc/app/new /root/new /root/app/new /var/log/new /run/new /proc/sys/kernel/hostname; do
    if ( : >>"$path" ) 2>/dev/null; then echo "may $path"; else echo "may not $path"; fi
done
[ -e /var/lib/trueup/trueup.db ] && echo "may see the store"
unshare --mount true 2>/dev/null && echo "may unshare"
hostname other 2>/dev/null && echo "may hostname"
mknod /run/null c 1 3 2>/dev/null && echo "may mknod"
systemctl is-active --quiet dbus && echo "may ask systemd"
env | sort
sed 's/^.*:://' /proc/self/cgroup
echo end
"#;

/// A machine that follows a repository in the test.
struct Host {
    machine: Machine,
    repo: Repo,
    _server: HttpServer,
    _folder: TempDir,
}

impl Host {
    fn start(allow: &str, commands: &str) -> Option<Self> {
        let machine = Machine::start()?;
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::new(folder.path(), "platform");
        let server = HttpServer::on(machine.listen(), folder.path(), Options::default());
        machine.copy_in(env!("CARGO_BIN_EXE_trueup").as_ref(), "/usr/local/bin/trueup");
        let url = server.url("platform");
        machine.write(
            "/etc/trueup/trueup.yaml",
            format!(
                "apiVersion: trueup.dev/v1alpha1\nkind: Daemon\nmetadata: {{ name: web-1 }}\n\
                 spec: {{ transports: [http] }}\n---\n\
                 apiVersion: trueup.dev/v1alpha1\nkind: Repository\nmetadata: {{ name: platform }}\n\
                 spec: {{ url: \"{url}\", branch: main, poll: 1h }}\n---\n\
                 apiVersion: trueup.dev/v1alpha1\nkind: Target\nmetadata: {{ name: web-1 }}\n\
                 spec: {{ host: {{ allow: [{allow}], commands: [{commands}] }} }}\n---\n\
                 apiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: {{ name: app }}\n\
                 spec: {{ source: {{ repository: platform, path: app }}, target: web-1 }}\n"
            ),
        );
        script(&machine, "/usr/local/bin/probe", PROBE);
        Some(Self { machine, repo, _server: server, _folder: folder })
    }

    /// Starts the daemon as a service and waits until it answers.
    fn daemon(&self) {
        self.machine.ok(&["systemd-run", "--quiet", "--collect", "--unit=trueup-test", "/usr/local/bin/trueup", "run"]);
        eventually("the daemon answers", SOON, || self.machine.run(&["trueup", "status"]).code < 2);
    }

    fn sync(&self) -> Ran {
        self.machine.run(&["trueup", "sync", "app"])
    }

    /// Returns the units of commands that are there, in whatever state.
    fn units(&self) -> String {
        self.machine.ok(&["systemctl", "list-units", "--all", "--plain", "--no-legend", "trueup-run-*"])
    }
}

fn script(machine: &Machine, path: &str, text: &str) {
    machine.write(path, text).ok(&["chmod", "755", path]);
}

fn file(path: &str, content: &str, more: &str) -> String {
    format!(
        "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: {path} }}\n\
         spec: {{ content: \"{content}\"{more} }}\n---\n"
    )
}

fn check(command: &str, more: &str) -> String {
    format!(
        "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: {{ name: judge }}\n\
         spec: {{ command: [{command}]{more} }}\n---\n"
    )
}

#[test]
fn a_command_may_do_what_its_purpose_needs_and_no_more() {
    let Some(host) = Host::start("/etc/app, /root/app", "/usr/local/bin/probe") else { return };
    let judged = ", validate: [probe, validator, \"{}\"], onChange: [{ run: [probe, handler] }]";
    host.repo.write("app/all.yaml", file("/etc/app/conf", "one", judged) + &check("probe, check", ""));
    host.repo.land("first");
    host.machine.ok(&["mkdir", "/root/app"]);
    host.daemon();
    eventually("the handler ran", SOON, || {
        host.machine.read("/var/log/probe-handler").is_some_and(|log| log.ends_with("end\n"))
    });
    let log = |kind: &str| host.machine.read(&format!("/var/log/probe-{kind}")).unwrap();
    for kind in ["check", "validator", "handler"] {
        let log = log(kind);
        assert!(log.contains("NoNewPrivs:\t1") && log.contains("CapBnd:\t00000000000004ff"), "{kind}: {log}");
        for path in ["/usr/new", "/boot/new", "/etc/new", "/root/new", "/proc/sys/kernel/hostname"] {
            assert!(log.contains(&format!("may not {path}\n")), "{kind}: {log}");
        }
        for free in ["may /var/log/new", "may /run/new", "PATH=/usr/local/sbin", "trueup-run-"] {
            assert!(log.contains(free), "{kind}, {free}: {log}");
        }
        for not in ["may see the store", "may unshare", "may hostname", "may mknod", "INVOCATION_ID", "LOGNAME"] {
            assert!(!log.contains(not), "{kind}, {not}: {log}");
        }
        for handlers in ["may /etc/app/new", "may /root/app/new", "may ask systemd"] {
            assert_eq!(log.contains(handlers), kind == "handler", "{kind}, {handlers}: {log}");
        }
    }
    eventually("no unit stays", SOON, || host.units().is_empty());
    assert_eq!(host.machine.read("/etc/app/conf").as_deref(), Some("one"));
}

#[test]
fn an_end_is_told_and_nothing_of_the_command_stays() {
    let Some(host) = Host::start("/etc/app", "/usr/local/bin/judge") else { return };
    let says = |script_text: &str, more: &str, content: &str| {
        script(&host.machine, "/usr/local/bin/judge", &format!("#!/bin/sh\n{script_text}\n"));
        host.repo.write("app/all.yaml", file("/etc/app/conf", content, "") + &check("judge", more));
        host.repo.land(content);
        let ran = host.sync();
        assert!(host.units().is_empty(), "{}", host.units());
        (ran.code, ran.stdout + &ran.stderr)
    };
    // Its time-out counts on the way back, too.
    host.repo.write("app/all.yaml", file("/etc/app/conf", "zero", "") + &check("judge", ", timeout: 2s"));
    script(&host.machine, "/usr/local/bin/judge", "#!/bin/sh\nexit 0\n");
    host.repo.land("zero");
    host.daemon();
    eventually("the first sync", SOON, || {
        host.machine.read("/etc/app/conf").as_deref() == Some("zero")
            && host.machine.run(&["trueup", "status"]).code == 0
    });

    let (code, told) =
        says("yes | tr -d '\\n' | head -c 100000; echo; echo on stdout; echo last >&2; exit 3", "", "status");
    assert!(code == 1 && told.contains("exited with status 3") && told.contains("on stdout"), "{code} {told}");
    assert!(told.contains("last") && told.len() < 50_000, "{told}");
    let (code, told) = says("kill -SEGV $$", "", "signal");
    assert!(code == 1 && told.contains("ended by signal 11"), "{code} {told}");
    let start = Instant::now();
    let (code, told) = says("trap '' TERM; echo $$ >/run/judge.pid; sleep 3600", ", timeout: 1s", "hangs");
    assert!(code == 1 && told.contains("time-out of 1 s") && start.elapsed() < SOON, "{code} {told}");
    let (code, told) = says("setsid -f sleep 3600; pidof sleep >/run/judge.pid; exit 0", "", "background");
    assert_eq!(code, 0, "{told}");
    assert_eq!(host.machine.run(&["pidof", "sleep"]).stdout, "", "what it left behind is ended with it");
    assert_eq!(host.machine.read("/etc/app/conf").as_deref(), Some("background"));
}

#[test]
fn a_command_that_a_killed_daemon_left_is_ended_by_the_next_and_run_again() {
    let Some(host) = Host::start("/etc/app", "/usr/local/bin/slow") else { return };
    let slow = "#!/bin/sh\necho run >>/var/log/slow\n[ -e /run/go ] || exec sleep 3600\n";
    script(&host.machine, "/usr/local/bin/slow", slow);
    host.repo.write("app/all.yaml", file("/etc/app/conf", "one", ", onChange: [{ run: [slow] }]"));
    host.repo.land("first");
    host.daemon();
    let runs = || host.machine.read("/var/log/slow").unwrap_or_default().lines().count();
    eventually("the handler runs", SOON, || runs() == 1);
    host.machine.run(&["systemctl", "kill", "--signal=KILL", "trueup-test"]);
    eventually("the daemon is gone", SOON, || !host.machine.is_active("trueup-test"));
    assert!(host.units().contains("running"), "systemd keeps it: {}", host.units());
    host.machine.write("/run/go", "");
    host.daemon();
    eventually("the handler runs again", SOON, || runs() == 2);
    eventually("no unit stays", SOON, || host.units().is_empty());
    assert_eq!(host.machine.run(&["pidof", "sleep"]).stdout, "", "the first is gone");
}

#[test]
fn a_bus_that_is_restarted_by_a_handler_loses_no_end() {
    let Some(host) = Host::start("/etc/app", "/usr/local/bin/rebus") else { return };
    script(
        &host.machine,
        "/usr/local/bin/rebus",
        "#!/bin/sh\nsystemctl restart dbus && sleep 1 && echo done >/var/log/rebus\n",
    );
    host.repo.write("app/all.yaml", file("/etc/app/conf", "one", ", onChange: [{ run: [rebus] }]"));
    host.repo.land("first");
    host.daemon();
    eventually("the handler ran", SOON, || host.machine.read("/var/log/rebus").is_some());
    eventually("its end was learnt", SOON, || host.machine.run(&["trueup", "status"]).code == 0);
}

#[test]
fn what_people_run_works_in_it() {
    let allow = "/etc/nginx, /etc/ssl, /usr/local/share/ca-certificates";
    let commands = "/usr/sbin/nginx, /usr/bin/systemctl, /usr/sbin/update-ca-certificates";
    let Some(host) = Host::start(allow, commands) else { return };
    let site = |port: u32| format!("server {{ listen 127.0.0.1:{port}; location / {{ return 200 {port}; }} }}");
    let documents = |content: &str| {
        file("/etc/nginx/conf.d/site.conf", content, ", onChange: [{ run: [systemctl, reload, nginx] }]")
            + &check("nginx, -t", "")
    };
    host.machine.ok(&["systemctl", "start", "nginx"]);
    host.machine.sh("openssl req -x509 -newkey ed25519 -nodes -keyout /dev/null -subj /CN=test -out /root/ca.crt 2>&1");
    let ca = host.machine.read("/root/ca.crt").unwrap();
    host.repo.write("app/site.yaml", documents(&site(8081)));
    host.repo.write("app/files/ca.crt", &ca);
    host.repo.write(
        "app/ca.yaml",
        "apiVersion: host.trueup.dev/v1alpha1\nkind: File\n\
         metadata: { name: /usr/local/share/ca-certificates/test.crt }\n\
         spec: { source: files/ca.crt, onChange: [{ run: [update-ca-certificates] }] }\n",
    );
    host.repo.land("first");
    host.daemon();
    let answer = |port: u32| host.machine.run(&["curl", "-sS", &format!("http://127.0.0.1:{port}/")]).stdout;
    eventually("nginx has the site", SOON, || answer(8081) == "8081");
    eventually("the certificate is trusted", SOON, || {
        host.machine.run(&["openssl", "verify", "/root/ca.crt"]).code == 0
    });
    eventually("all is well", SOON, || host.machine.run(&["trueup", "status"]).code == 0);

    host.repo.write("app/site.yaml", documents("server { nonsense }"));
    host.repo.land("broken");
    let ran = host.sync();
    assert!(ran.code == 1 && (ran.stdout.clone() + &ran.stderr).contains("nginx"), "{ran:?}");
    assert_eq!(answer(8081), "8081");
    assert!(host.machine.read("/etc/nginx/conf.d/site.conf").unwrap().contains("8081"), "it was put back");
}
