//! Show 3: every command works from elsewhere with a token. Which there are, the program says itself: a new one that is not tried here
//! fails the test.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use super::there::{SOON, There, document};
use super::world::{App, eventually, private};

/// Those that ask no daemon.
const LOCAL: [&str; 7] = ["run", "demo", "check", "render", "host", "audit-accept", "forge-setup"];
/// Those that come without a token, to get one or to end it: `tests/sight/login.rs` has them.
const OF_A_LOGIN: [&str; 2] = ["login", "logout"];

/// Returns every command that the program has: each has a manual page.
fn every(folder: &Path) -> BTreeSet<String> {
    super::world::must(super::world::clean(env!("CARGO_BIN_EXE_trueup"), folder).arg("man").arg(folder));
    let pages = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<_> =
        pages.filter_map(|page| Some(page.strip_prefix("trueup-")?.strip_suffix(".1")?.to_owned())).collect();
    let has_more = |name: &String| names.iter().any(|other| other.starts_with(&format!("{name}-")));
    names.iter().filter(|name| !has_more(name)).cloned().collect()
}

/// Answers whoever sends something, as a sink does.
fn sink() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 16 * 1024]);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
    });
    port
}

fn world() -> There {
    let mut there = There::new();
    let apps =
        [App::new("web", &["web"]), App::new("slow", &["slow"]).sync("automatic: false"), App::new("old", &["old"])];
    there.world.declared.apps = apps.to_vec();
    there.world.declared.more += &document("Policy", "house", "{ limit: { deletes: 9 }, overridePeople: 1 }");
    private(&there.world, "hook", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let hook = format!("{{ webhook: {{ url: \"http://127.0.0.1:{}/\", secret: {{ file: home/hook }} }} }}", sink());
    there.world.declared.more += &document("Notification", "ops", &hook);
    let archive = there.world.path("archive").display().to_string();
    there.world.declared.daemon.push_str("\ntrail:\n  archive: ");
    there.world.declared.daemon.push_str(&archive);
    std::fs::create_dir(there.world.path("archive")).unwrap();
    there.world.repo.git(&["config", "user.name", "Ada"]);
    there.world.repo.git(&["config", "user.email", "ada@example.org"]);
    there
}

#[test]
#[expect(clippy::too_many_lines, reason = "one line for each command, in an order in which each has something to do")]
fn every_command_works_from_elsewhere_with_a_token() {
    let mut there = world();
    let repo = &there.world.repo;
    repo.write("web/root/etc/motd", "one\n").write("slow/root/etc/slow", "one\n").write("old/root/etc/old", "one\n");
    let first = repo.land("first");
    there.world.start();
    there.world.until_live("/etc/motd", "one\n");
    there.world.until_live("/etc/old", "one\n");
    there.world.edit("/etc/found", "was here\n");
    let (ada, bree) = (there.token("ada", &["admin"], &[]), there.token("bree", &["break-glass"], &[]));
    let clone = there.world.repo.work().display().to_string();
    let mut tried = BTreeSet::new();
    let mut run = |there: &There, token: &Path, command: &str, more: &[&str], codes: &[i32]| {
        let group =
            ["break-glass-", "audit-", "policy-", "notify-", "token-"].into_iter().find(|one| command.starts_with(one));
        let words = match group {
            Some(group) => vec![group.trim_end_matches('-'), &command[group.len()..]],
            None => vec![command],
        };
        let ran = there.cli(token, &[&words, more].concat());
        assert!(codes.contains(&ran.code), "{command} ended with {}\n{}{}", ran.code, ran.stdout, ran.stderr);
        tried.insert(command.to_owned());
        ran
    };
    run(&there, &ada, "status", &[], &[0, 1]);
    run(&there, &ada, "plan", &["slow"], &[1]);
    run(&there, &ada, "diff", &["slow"], &[1]);
    run(&there, &ada, "sync", &["web"], &[0]);
    run(&there, &ada, "history", &["web"], &[0]);
    let held = there.held("slow");
    run(&there, &ada, "reject", &[&held], &[0]);
    run(&there, &ada, "sync", &["slow"], &[1]);
    run(&there, &ada, "approve", &[&there.held("slow")], &[0]);
    there.world.until_live("/etc/slow", "one\n");
    there.world.repo.write("slow/root/etc/found", "from git\n").land("found");
    eventually("adoption is asked for", SOON, || there.held("slow") != held);
    run(&there, &ada, "adopt", &["slow"], &[0]);
    run(&there, &ada, "suspend", &["web", "--reason", "x"], &[0]);
    run(&there, &ada, "resume", &["web"], &[0]);
    run(&there, &ada, "policy-list", &[], &[0]);
    run(&there, &ada, "policy-explain", &["web"], &[0]);
    let opened = run(
        &there,
        &ada,
        "break-glass-open",
        &["web", "--live-edit", "/etc/motd", "--reason", "x", "--for", "10m", "--json"],
        &[0],
    );
    let glass = opened.json()["id"].as_str().unwrap().to_owned();
    run(&there, &ada, "break-glass-list", &[], &[0]);
    run(&there, &ada, "break-glass-requests", &[], &[0]);
    run(&there, &ada, "break-glass-show", &[&glass], &[0, 1]);
    run(&there, &bree, "break-glass-agree", &[&glass], &[0]);
    run(&there, &ada, "break-glass-close", &[&glass], &[0]);
    there.world.edit("/etc/motd", "by hand\n");
    there.world.until_live("/etc/motd", "one\n");
    let mut healed = String::new();
    eventually("the hand edit is told of", SOON, || {
        let records = there.records();
        let heals = |one: &&serde_json::Value| {
            one["kind"] == "planned"
                && one["body"]["steps"][0]["cause"] == "corrective"
                && one["body"]["steps"][0]["action"] == "update"
        };
        healed = records.iter().find(heals).and_then(|one| one["plan"].as_str()).unwrap_or_default().to_owned();
        !healed.is_empty()
    });
    run(&there, &ada, "restore", &[&healed, "--repository", &clone], &[0]);
    there.world.repo.write("web/root/etc/motd", "two\n").land("second");
    there.world.until_live("/etc/motd", "two\n");
    run(&there, &ada, "rollback", &["web", "--to", &first, "--print", "--repository", &clone], &[0]);
    run(&there, &ada, "notify-test", &["ops"], &[0]);
    there.world.declared.apps.retain(|app| app.name != "old");
    there.reload();
    eventually("old is an orphan", SOON, || {
        there.world.cli(&["status", "--json"]).json()["orphans"][0]["name"] == "old"
    });
    run(&there, &ada, "destroy", &["old"], &[0, 1]);
    let made = run(&there, &ada, "token-create", &["--role", "viewer", "--robot", "ci", "--json"], &[0]).json();
    run(&there, &ada, "token-list", &[], &[0]);
    run(&there, &ada, "token-revoke", &[made["id"].as_str().unwrap()], &[0]);
    run(&there, &ada, "audit-list", &[], &[0]);
    run(&there, &ada, "audit-show", &["1"], &[0]);
    run(&there, &ada, "audit-verify", &[], &[0]);
    run(&there, &ada, "audit-prove", &["3"], &[0]);
    let export = run(&there, &ada, "audit-export", &[], &[0]);
    assert!(export.stdout.lines().count() > 10);
    run(&there, &ada, "audit-export", &["--format", "cloudevents"], &[0]);
    run(&there, &ada, "audit-rotate-key", &["--reason", "x"], &[0]);
    run(&there, &ada, "audit-archive", &["--older-than", "3000d"], &[0]);
    let record = there.records().iter().find(|one| one["body"]["act"] == "suspend").unwrap()["seq"].to_string();
    run(&there, &ada, "audit-erase", &[&record, "--reason", "x"], &[0]);

    let pages = there.world.path("pages");
    std::fs::create_dir(&pages).unwrap();
    let every = every(&pages);
    let others = [&LOCAL[..], &OF_A_LOGIN].concat();
    let missing: Vec<_> =
        every.iter().filter(|name| !tried.contains(*name) && !others.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "commands that were not tried from elsewhere: {missing:?}");
    for local in LOCAL {
        assert!(every.contains(local), "{local}");
        let words = match local {
            "audit-accept" => vec!["audit", "accept", "--reason", "x"],
            "forge-setup" => vec!["forge", "setup"],
            "render" => vec!["render", "."],
            _ => vec![local],
        };
        let ran = there.cli(&ada, &words).code(2);
        assert!(ran.stderr.contains("on this machine alone"), "{local}: {}", ran.stderr);
    }
}
