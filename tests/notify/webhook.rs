//! What a webhook is told, and that it can tell who told it.

use std::collections::BTreeSet;

use super::receiver::{
    Receiver, body, declare, header, land, reload, start, status, told, until, verifies, webhook, world,
};
use super::world::{Authority, Options, Snapshot};

#[test]
fn a_webhook_is_told_of_a_change_once_and_can_verify_it() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    let first = start(&mut world);
    let taken = receiver.until(1);
    assert!(verifies(&taken[0]), "{:?}", taken[0]);
    let mut forged = taken[0].clone();
    forged.body = String::from_utf8(forged.body).unwrap().replace("changed", "Changed").into_bytes();
    assert!(!verifies(&forged));
    let mut replayed = taken[0].clone();
    replayed.headers.insert("webhook-timestamp", "1700000000".parse().unwrap());
    assert!(!verifies(&replayed), "the time of the attempt is signed, too");
    assert_eq!((taken[0].method.as_str(), header(&taken[0], "content-type")), ("POST", "application/json"));
    let told = body(&taken[0]);
    assert_eq!(told["id"], header(&taken[0], "webhook-id"));
    for (field, value) in
        [("event", "changed"), ("severity", "info"), ("application", "web"), ("target", "host"), ("outcome", "applied")]
    {
        assert_eq!(told[field], value, "{told:#}");
    }
    assert_eq!((&told["version"], &told["revision"]), (&1.into(), &first.as_str().into()));
    assert!(told["summary"].as_str().unwrap().contains("1 create"), "{told:#}");
    assert!(!told["text"].to_string().contains("http"), "it holds no links: {told:#}");
    let record = world.cli(&["audit", "show", &told["record"].to_string(), "--json"]).code(0).json();
    assert_eq!((&record["sync"], &record["kind"]), (&told["sync"], &"closed".into()));
}

#[test]
fn quiet_by_default() {
    let (mut world, quiet, all) = (world(), Receiver::new(), Receiver::new());
    declare(&mut world, "quiet", &webhook(&quiet));
    let events =
        "events: [changed, held, failed, degraded, recovered, rolled-back, drift, act, break-glass, daemon, trail]";
    declare(&mut world, "all", &format!("{}, {events}", webhook(&all)));
    start(&mut world);
    quiet.until(1);
    // What a person did, another key, a restart, and syncs that find nothing are nobody's news.
    let _ = world.cli(&["sync", "web"]).code(0);
    let _ = world.cli(&["audit", "rotate-key", "--reason", "ada left"]).code(0);
    world.restart();
    until(&world, "all", "all is told", |status| status["waiting"] == 0);
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "one\n");
    let taken = quiet.until(2);
    assert_eq!(told(&taken), ["web changed", "web changed"]);
    assert!(body(&taken[1])["summary"].as_str().unwrap().contains("1 update"), "{}", body(&taken[1]));
    let all = all.until(7);
    assert_eq!(told(&all), ["web changed", "web act", "- trail", "- daemon", "- daemon", "web drift", "web changed"]);
    let ids: BTreeSet<_> = all.iter().chain(&taken).map(|request| header(request, "webhook-id")).collect();
    assert_eq!(ids.len(), 9, "every sink has ids of its own");
}

#[test]
fn what_is_held_failed_and_well_again_is_told() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    world.declared.commands = vec!["/bin/sh".into()];
    for name in ["a", "b", "c", "d"] {
        world.repo.write(&format!("web/root/etc/{name}"), name);
    }
    start(&mut world);
    receiver.until(1);
    for name in ["a", "b", "c", "d"] {
        world.repo.remove(&format!("web/root/etc/{name}"));
    }
    world.repo.land("four deletes of five");
    let held = body(&receiver.until(2)[1]);
    assert_eq!((&held["event"], &held["code"]), (&"held".into(), &"guard.delete-limit".into()), "{held:#}");
    assert_eq!(held["findings"][0]["objects"].as_array().map(Vec::len), Some(4), "{held:#}");
    let plan = held["plan"].as_str().unwrap();
    assert!(held["text"].as_str().unwrap().contains(&format!("trueup approve {}", &plan[..12])), "{held:#}");
    let _ = world.cli(&["approve", plan]).code(0);
    assert_eq!(body(&receiver.until(3)[2])["event"], "recovered");
    let check = "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: { name: motd }\nspec: { command: [/bin/sh, -c, exit 1] }\n";
    world.repo.write("web/check.yaml", check).write("web/root/etc/motd", "bad\n").land("it does not pass");
    let taken = receiver.until(5);
    assert_eq!(told(&taken[3..]), ["web failed", "web rolled-back"]);
    world.repo.remove("web/check.yaml");
    land(&world, "good");
    let last = body(&receiver.until(6)[5]);
    assert_eq!((&last["event"], &last["severity"]), (&"recovered".into(), &"notice".into()));
    assert!(taken.iter().all(verifies));
}

#[test]
fn a_daemon_that_finds_nothing_to_tell_writes_nothing() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    start(&mut world);
    receiver.until(1);
    until(&world, "ops", "it is written down", |status| status["waiting"] == 0 && status["delivered"].is_number());
    std::thread::sleep(std::time::Duration::from_millis(300));
    let before = Snapshot::of(&world.path("data"));
    std::thread::sleep(std::time::Duration::from_secs(4));
    before.assert_same(&Snapshot::of(&world.path("data")), "nobody is told anything");
}

#[test]
fn a_person_can_try_it_out() {
    let (mut world, mut receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    start(&mut world);
    receiver.until(1);
    let said = world.cli(&["notify", "test", "ops"]).code(0).stdout;
    assert!(said.contains("ops (webhook) took the message msg_") && said.ends_with(": 200 OK: ok\n"), "{said}");
    let taken = receiver.until(2);
    assert!(verifies(&taken[1]) && body(&taken[1])["event"] == "test");
    receiver.down();
    let ran = world.cli(&["notify", "test", "ops"]).code(2);
    assert!(ran.stderr.contains("notify.unreachable"), "{}", ran.stderr);
    let ran = world.cli(&["notify", "test", "opps"]).code(2);
    assert!(ran.stderr.contains("declared are: ops"), "{}", ran.stderr);
    let acts = world.cli(&["audit", "list", "--json"]).json();
    let acts = acts.as_array().unwrap().iter().filter(|record| record["body"]["act"] == "test").count();
    assert_eq!(acts, 2, "who tried is recorded");
    assert_eq!(status(&world, "ops")["waiting"], 0);
}

#[test]
fn https_wants_an_authority_that_is_trusted() {
    let mut world = world();
    let (ours, theirs) = (Authority::new(&world.path("home"), "ours"), Authority::new(&world.path("home"), "theirs"));
    let receiver = Receiver::with(Options { authority: Some(&ours), ..Options::default() });
    let spec = webhook(&receiver).replace("http://", "https://");
    declare(&mut world, "ops", &format!("{spec}, tls: {{ ca: \"{}\" }}", theirs.file().display()));
    start(&mut world);
    let failing = until(&world, "ops", "it is not trusted", |status| status["state"] == "notify.tls");
    assert!(failing["message"].as_str().unwrap().contains("tls.ca"), "{failing:#}");
    assert!(receiver.server().requests().is_empty());
    world.declared.more.clear();
    declare(&mut world, "ops", &format!("{spec}, tls: {{ ca: \"{}\" }}", ours.file().display()));
    reload(&world);
    assert!(verifies(&receiver.until(1)[0]));
}
