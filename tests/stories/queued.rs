//! The Git host is down, and what is live is to go: back out of the store, and Git follows when it can be asked again.

use serde_json::Value;

use super::reverting::land;
use super::rollback::{lived, pushable, rollback, tip};
use super::telling::{all_is_well, applied, ended, held, records, repository, status, until, waits_with, word, world};
use super::world::signing::SshKey;
use super::world::{Fault, World, eventually, parts};

fn queueing() -> Option<World> {
    parts::program("ssh-keygen")?;
    let mut world = pushable(world());
    let key = SshKey::new(&world.path("home"), "reverter", &["-t", "ed25519"]);
    world.declared.repository = format!("revert: {{ key: {{ file: {} }} }}", key.path());
    Some(world)
}

fn down(world: &World) {
    world.server.inject(Fault::Status(503));
    repository(world, "source.unreachable");
}

/// Returns what became of the commit, oldest first.
fn events(world: &World) -> Vec<String> {
    let mut all: Vec<_> = records(world, "web").into_iter().filter(|one| one["kind"] == "revert").collect();
    all.reverse();
    all.into_iter().map(|one| word(&one["body"], "what").to_owned()).collect()
}

#[test]
fn with_the_git_host_down_what_was_good_before_goes_live_by_an_approved_plan_and_git_follows() {
    let Some(mut world) = queueing() else { return };
    let all = lived(&mut world, &["one\n", "two\n", "three\n"]);
    // While it answers, Git is the way.
    let asked = world.cli(&["rollback", "web", "--queue"]).code(2);
    assert!(asked.stderr.contains("rollback.reachable"), "{asked:?}");

    down(&world);
    let asked = rollback(&world, &[]).code(2);
    assert!(asked.stderr.contains("`trueup rollback web --queue`"), "{asked:?}");
    let report = world.cli(&["rollback", "web", "--queue", "--json"]).code(1).json();
    assert_eq!((word(&report, "outcome"), word(&report, "code")), ("held", "guard.not-descendant"), "{report:#}");
    let plan = held(&world, "web", "not-descendant");
    assert_eq!(word(&report, "plan"), plan);
    let shown = world.cli(&["plan", "web"]).code(1).stdout;
    assert!(shown.contains("-three") && shown.contains("+two"), "{shown}");
    // Until somebody says yes, what is live is kept true, over a restart.
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "three\n");
    world.restart();
    waits_with(&world, "web", &plan);
    let report = world.cli(&["approve", &plan, "--json"]).code(0).json();
    assert_eq!(
        (word(&report, "outcome"), world.read("/etc/motd").as_deref()),
        ("applied", Some("two\n")),
        "{report:#}"
    );
    let now = status(&world, "web");
    assert_eq!((word(&now, "applied"), word(&now, "bad")), (&*all[1], &*all[2]), "{now:#}");
    assert_eq!((word(&now["revert"], "stage"), events(&world)), ("owed", vec!["queued".to_owned()]), "{now:#}");
    assert_eq!(tip(&world), all[2]);
    // Nothing goes forward again by itself, and it is kept true to what it went back to.
    world.restart();
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "two\n");

    world.server.inject(Fault::None);
    eventually("Git follows", super::telling::SOON, || tip(&world) != all[2]);
    let commit = tip(&world);
    let now = applied(&world, "web", &commit);
    assert_eq!(
        (&now["revert"], &now["bad"], world.read("/etc/motd").as_deref()),
        (&Value::Null, &Value::Null, Some("two\n"))
    );
    assert_eq!(events(&world), ["queued", "made", "pushed"]);
    assert_eq!(world.repo.git_bare(&["diff", "--name-only", &all[1], "main"]), "");
    let message = world.repo.git_bare(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains("asked for it while the Git host could not be reached"), "{message}");
    all_is_well(&world, &["web"]);
}

#[test]
fn a_no_or_a_commit_that_came_first_ends_it_with_a_word() {
    let Some(mut world) = queueing() else { return };
    let all = lived(&mut world, &["one\n", "two\n"]);
    down(&world);
    drop(world.cli(&["rollback", "web", "--queue"]).code(1));
    let plan = held(&world, "web", "not-descendant");
    drop(world.cli(&["reject", &plan, "--reason", "not now"]).code(1));
    let now = until(&world, "web", "it waits no more", |now| now["plan"].is_null());
    assert_eq!((word(&now, "applied"), world.read("/etc/motd").as_deref()), (&*all[1], Some("two\n")), "{now:#}");

    drop(world.cli(&["rollback", "web", "--queue"]).code(1));
    let plan = held(&world, "web", "not-descendant");
    drop(world.cli(&["approve", &plan]).code(0));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    let again = world.cli(&["rollback", "web", "--queue"]).code(2);
    assert!(again.stderr.contains("rollback.waits"), "{again:?}");
    // Somebody mends it at the host, which nobody here sees yet.
    world.repo.write("web/root/etc/motd", "three\n");
    let third = land(&world, "mended");
    world.server.inject(Fault::None);
    let now = applied(&world, "web", &third);
    assert_eq!((tip(&world), world.read("/etc/motd").as_deref()), (third, Some("three\n")), "{now:#}");
    eventually("it is told", super::telling::SOON, || events(&world) == ["queued", "dropped"]);
    all_is_well(&world, &["web"]);
}

#[test]
fn it_waits_for_a_yes_also_where_git_calls_it_a_step_forward_and_not_while_suspended() {
    let Some(mut world) = queueing() else { return };
    let all = lived(&mut world, &["one\n", "two\n"]);
    // Set back by force, with somebody's yes: what was good before descends from what is live.
    world.repo.set_ref("refs/heads/main", &all[0]);
    let plan = held(&world, "web", "not-descendant");
    drop(world.cli(&["approve", &plan]).code(0));
    applied(&world, "web", &all[0]);
    down(&world);
    drop(world.cli(&["suspend", "web", "--reason", "a look"]).code(0));
    let asked = world.cli(&["rollback", "web", "--queue"]).code(2);
    assert!(asked.stderr.contains("suspended"), "{asked:?}");
    drop(world.cli(&["resume", "web"]));
    let report = world.cli(&["rollback", "web", "--queue", "--json"]).code(1).json();
    assert_eq!((word(&report, "outcome"), word(&report, "code")), ("held", "guard.not-descendant"), "{report:#}");
    let plan = held(&world, "web", "not-descendant");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    drop(world.cli(&["approve", &plan]).code(0));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("two\n"));
}

#[test]
fn without_leave_to_write_it_is_live_alone_and_what_was_live_stays_marked() {
    let mut world = pushable(world());
    let all = lived(&mut world, &["one\n", "two\n"]);
    down(&world);
    drop(world.cli(&["rollback", "web", "--queue"]).code(1));
    let plan = held(&world, "web", "not-descendant");
    drop(world.cli(&["approve", &plan]).code(0));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    world.server.inject(Fault::None);
    let now = ended(&world, "web", "refused", "sync.bad-inputs");
    assert_eq!((word(&now, "bad"), &now["revert"], tip(&world)), (&*all[1], &Value::Null, all[1].clone()), "{now:#}");
    // A person says to go forward all the same.
    drop(world.cli(&["sync", "web"]).code(0));
    applied(&world, "web", &all[1]);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("two\n"));
    all_is_well(&world, &["web"]);
}
