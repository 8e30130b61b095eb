//! What the journal tells of a sync, and that a daemon at rest does nothing but feed its watchdog.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use trueup::model::event;

use crate::installed::{Granted, Installed, SOON, document, file};
use crate::world::eventually;
use crate::world::parts::say;

const GRANTED: Granted = Granted { allow: &["/etc/site"], commands: &["/usr/bin/true", "/usr/bin/false"], units: &[] };
const HALVES: [&str; 2] = ["trueup.service", "trueup-host.service"];

/// Pushes a file whose handler, and a check, do nothing but succeed or fail.
fn land(host: &Installed, content: &str, check: &str) -> String {
    let site = file("/etc/site/conf", content, ", onChange: [{ run: [\"true\"] }]");
    let check = document("Check", "site", &format!("command: [\"{check}\"]"));
    host.repo.write("app/site.yaml", site + &check).land(content)
}

/// Returns what journalctl finds, oldest first.
fn journal(host: &Installed, selected: &str) -> Vec<Value> {
    let told = host.machine.ok(&["journalctl", "--quiet", "-o", "json", selected]);
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn field<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_default()
}

#[test]
fn the_journal_tells_the_story_of_a_sync() {
    let Some(host) = Installed::new() else { return };
    let good = land(&host, "one", "true");
    host.declare(GRANTED, "1s", "");
    host.machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    host.applied(&good);
    let told =
        |entries: &[Value]| entries.iter().map(|entry| field(entry, "TRUEUP_EVENT").to_owned()).collect::<Vec<_>>();

    let story = journal(&host, "TRUEUP_APPLICATION=app");
    assert_eq!(told(&story), ["sync.planned", "step.done", "step.done", "step.done", "sync.applied"], "{story:#?}");
    for entry in &story {
        assert_eq!(Some(field(entry, "MESSAGE_ID")), event::message_id(field(entry, "TRUEUP_EVENT")), "{entry:#}");
        assert_eq!((field(entry, "TRUEUP_REVISION"), field(entry, "_SYSTEMD_UNIT")), (&*good, HALVES[0]), "{entry:#}");
        for same in ["TRUEUP_PLAN", "TRUEUP_SYNC", "TRUEUP_ACTOR"] {
            assert_eq!(field(entry, same), field(&story[0], same), "{entry:#}");
        }
    }
    let objects: Vec<_> = story.iter().map(|entry| field(entry, "TRUEUP_OBJECT")).collect();
    assert_eq!(objects, ["", "path /etc/site/conf", "check site", "handler true", ""]);
    let said: Vec<_> = story.iter().map(|entry| field(entry, "MESSAGE")).collect();
    assert!(said[0].starts_with(&format!("plan for revision {}: 1 create, 2 run", &good[..10])), "{said:#?}");
    assert!(said[4].starts_with("applied in "), "{said:#?}");
    let sync = field(&story[0], "TRUEUP_SYNC");
    // The root half says what it does by the same id.
    let (of_root, of_daemon): (Vec<_>, Vec<_>) = journal(&host, &format!("TRUEUP_SYNC={sync}"))
        .into_iter()
        .partition(|entry| field(entry, "_SYSTEMD_UNIT") == HALVES[1]);
    assert_eq!((told(&of_daemon), of_root.len()), (told(&story), 6), "each step begins and ends: {of_root:#?}");
    assert_eq!(journal(&host, &format!("MESSAGE_ID={}", field(&story[4], "MESSAGE_ID"))).len(), 1);

    let bad = land(&host, "two", "false");
    host.until("it is taken back", |app| app["bad"] == *bad && app["outcome"] == "refused" && app["syncing"] == false);
    let story = journal(&host, "TRUEUP_APPLICATION=app").split_off(5);
    let failed = ["sync.planned", "step.done", "step.failed", "sync.failed"];
    let (first, rest) = story.split_at(failed.len());
    assert_eq!(told(first), failed, "{story:#?}");
    assert!(first.iter().all(|entry| field(entry, "TRUEUP_REVISION") == bad), "{first:#?}");
    assert_eq!((field(&first[2], "TRUEUP_CODE"), field(&first[2], "PRIORITY")), ("host.check-failed", "4"));
    let back = told(rest);
    assert_eq!((back[0].as_str(), back.contains(&"sync.rolled-back".into())), ("sync.planned", true), "{back:?}");
    host.trueup(&["sync", "app"]);
    let acted = journal(&host, "TRUEUP_EVENT=act.sync");
    assert!(acted.len() == 1 && field(&acted[0], "MESSAGE").contains("root"), "{acted:#?}");
}

/// How long a machine at rest is looked at, and how often the watchdog is fed meanwhile.
const LOOK: Duration = Duration::from_secs(20);
const FED: Duration = Duration::from_secs(5);

/// All that feeding the watchdog is: a timer, the store's thread asked and heard, a datagram to systemd.
const FEEDING: [&str; 9] = ["epoll_wait", "write", "futex", "socket", "connect", "sendto", "sendmsg", "fcntl", "close"];

#[test]
fn the_journal_announces_every_break_glass_from_its_opening_to_its_end() {
    let Some(host) = Installed::new() else { return };
    let first = land(&host, "one", "true");
    host.declare(GRANTED, "1s", "");
    host.machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    host.applied(&first);
    let never = "apiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: { name: never }\n\
                 spec: { deny: { when: plan.updates > 0, message: not today } }\n";
    let config = host.machine.read("/etc/trueup/trueup.yaml").unwrap();
    host.machine.write("/etc/trueup/trueup.yaml", format!("{config}---\n{never}"));
    eventually("the policy is in force", SOON, || host.trueup(&["policy", "list"]).stdout.contains("never"));
    let second = land(&host, "two", "true");
    host.until("it is held", |app| app["code"] == "policy.deny");
    let open = ["break-glass", "open", "app", "--policy", "never", "--reason", "it burns", "--for", "10s"];
    host.machine.ok(&[&["trueup"][..], &open].concat());
    host.applied(&second);
    let announced = || {
        let of = |event: &str| journal(&host, &format!("TRUEUP_EVENT=break-glass.{event}"));
        ["opened", "used", "reminded", "expired"].map(|event| (event, of(event)))
    };
    eventually("its end is announced", SOON, || announced().iter().all(|(_, entries)| entries.len() == 1));
    for (event, entries) in announced() {
        let entry = &entries[0];
        assert_eq!(field(entry, "TRUEUP_APPLICATION"), "app", "{entry:#}");
        assert_eq!((field(entry, "PRIORITY"), field(entry, "_SYSTEMD_UNIT")), ("4", HALVES[0]), "{entry:#}");
        assert_eq!(Some(field(entry, "MESSAGE_ID")), event::message_id(field(entry, "TRUEUP_EVENT")), "{entry:#}");
        assert!(field(entry, "MESSAGE").contains(&format!(" {event} by ")), "{entry:#}");
    }
}

#[test]
fn at_rest_nothing_wakes_it_but_the_watchdog() {
    let Some(host) = Installed::new() else { return };
    let revision = land(&host, "one", "true");
    // Poll and interval are long; so what is left is the watchdog, which is fed three times in its time.
    host.declare(GRANTED, "1h", "interval: 1h");
    host.edit_unit(HALVES[0], &format!("WatchdogSec={}s", 3 * FED.as_secs()));
    host.machine.ok(&["systemctl", "enable", "--now", "trueup"]);
    host.applied(&revision);
    at_rest(&host);
    for unit in HALVES {
        let memory = host.machine.sh(&format!("grep -E '^(VmRSS|RssAnon)' /proc/{}/status", host.machine.pid_of(unit)));
        say(&format!("{unit} at rest: {}", memory.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let logged = || host.machine.journal(&["-u", HALVES[0], "-u", HALVES[1]]);
    let (before, seen) = (logged(), traced(&host));
    assert_eq!(before, logged(), "it says nothing");

    let [front, root] = HALVES.map(|unit| seen.iter().filter(|call| call.unit == unit).collect::<Vec<_>>());
    assert!(root.is_empty(), "the root half is woken by nothing: {root:#?}");
    let fed = front.iter().filter(|call| call.line.contains("WATCHDOG=1")).count();
    let due = usize::try_from(LOOK.as_secs() / FED.as_secs()).unwrap();
    assert!((due - 1..=due + 1).contains(&fed), "fed {fed} times: {front:#?}");
    let strange: Vec<_> = front.iter().filter(|call| !FEEDING.contains(&call.name.as_str())).collect();
    assert!(strange.is_empty(), "not to feed the watchdog: {strange:#?}");
    // tokio's timers are a wheel of levels: on its way down to the one that is due it may stop once at each.
    let wakes = front.iter().filter(|call| call.name == "epoll_wait" && call.line.contains("[]")).count();
    assert!(wakes <= 4 * (due + 1), "its timers woke it {wakes} times: {front:#?}");
    let mut counted = BTreeMap::<_, usize>::new();
    for call in &front {
        *counted.entry(call.name.as_str()).or_default() += 1;
    }
    say(&format!(
        "{LOOK:?} at rest: root half nothing, daemon {fed} feedings in {wakes} wake-ups of its timer: {counted:?}"
    ));
}

/// One system call that returned while it was looked at.
#[derive(Debug)]
struct Returned {
    unit: &'static str,
    name: String,
    line: String,
}

/// Returns all that both halves did for a while. What they waited in at the start, and still did at the end, is none of it.
fn traced(host: &Installed) -> Vec<Returned> {
    let threads = HALVES.map(|unit| {
        let listed = host.machine.sh(&format!("ls /proc/{}/task", host.machine.pid_of(unit)));
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let pids = HALVES.map(|unit| host.machine.pid_of(unit).to_string());
    let look = LOOK.as_secs().to_string();
    let line = ["timeout", &look, "strace", "-f", "-qq", "-o", "/tmp/trace", "-p", &pids[0], "-p", &pids[1]];
    let ran = host.machine.run(&line);
    assert_eq!(ran.code, 124, "{ran:?}");
    let trace = host.machine.read("/tmp/trace").unwrap();
    let ended = trace.lines().filter(|line| !line.ends_with("<unfinished ...>") && !line.contains("<detached"));
    ended
        .map(|line| {
            let (thread, call) = line.split_once(' ').unwrap();
            let call = call.trim().trim_start_matches("<... ");
            let name = call.split(['(', ' ']).next().unwrap().to_owned();
            let unit = if threads[1].iter().any(|known| known == thread) { HALVES[1] } else { HALVES[0] };
            Returned { unit, name, line: line.to_owned() }
        })
        .collect()
}

/// Waits until neither half was switched to for a second, the feeding of the watchdog aside.
fn at_rest(host: &Installed) {
    let pid = host.machine.pid_of(HALVES[1]);
    let switches = || host.machine.sh(&format!("cat /proc/{pid}/task/*/status | grep ctxt"));
    let (mut since, mut before) = (Instant::now(), String::new());
    eventually("it comes to rest", SOON, || {
        let (now, threads) =
            (switches(), host.machine.sh(&format!("ls /proc/{}/task", host.machine.pid_of(HALVES[0]))));
        let now = now + &threads;
        if now != before {
            (since, before) = (Instant::now(), now);
        }
        since.elapsed() > Duration::from_secs(2)
    });
}
