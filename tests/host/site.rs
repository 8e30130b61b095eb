//! A host that serves a site, and what happens to it in the middle of a plan.

#![allow(unreachable_pub)]

use crate::installed::{Granted, Installed, SOON, document, file};
use crate::world::eventually;

/// A service that takes its greeting from a file, at start and reload, and shows it in another.
const SITE: &str = "[Service]\nType=exec\nExecStart=/usr/local/bin/site\nExecReload=/bin/kill -HUP $MAINPID\n\
                    Restart=on-failure\nRestartSec=100ms\n[Install]\nWantedBy=multi-user.target\n";
pub const SERVES: &str = "take() { . /etc/site/conf; echo \"$greeting\" >/run/site; }\ntrap take HUP\ntake\n\
                      while :; do sleep 3600 & wait $!; done";

pub const GRANTED: Granted = Granted {
    allow: &["/etc/site", "/etc/systemd/system"],
    commands: &["/usr/bin/systemctl", "/usr/local/bin/slow"],
    units: &["site.service"],
};

/// What a slow handler runs: it ends when `/var/lib/go` is there.
pub const SLOW: &str = "echo run >>/var/log/slow\nuntil [ -e /var/lib/go ]; do sleep 0.1; done";

/// A host that serves a site, whose greeting comes from the repository.
pub fn site() -> Option<Installed> {
    let host = Installed::new()?;
    host.script("/usr/local/bin/site", SERVES);
    host.script("/usr/local/bin/slow", SLOW);
    host.declare(GRANTED, "1s", "");
    Some(host)
}

pub fn greet(host: &Installed, greeting: &str, calls: &str) -> String {
    let conf = file("/etc/site/conf", &format!("greeting={greeting}\n"), &format!(", onChange: [{calls}]"));
    host.repo.write("app/root/etc/systemd/system/site.service", SITE);
    let unit = document("Unit", "site.service", "enabled: true, state: running, settle: 1s, timeout: 30s");
    host.repo.write("app/site.yaml", conf + &unit).land(greeting)
}

pub const RELOAD: &str = "{ reload: site.service }";

/// Starts a sync whose handler does not end, and waits until it runs.
pub fn in_mid_plan(host: &Installed) -> String {
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

pub fn runs(host: &Installed) -> usize {
    host.machine.read("/var/log/slow").unwrap_or_default().lines().count()
}

/// Lets the handler end, and judges how the sync that was disturbed came to its end: as the same one, in the right state.
pub fn ends_right(host: &Installed, revision: &str, times: usize) {
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

pub fn kill(host: &Installed, units: &[&str]) {
    host.machine.ok(&[&["systemctl", "kill", "--signal=KILL", "--kill-whom=main"], units].concat());
}
