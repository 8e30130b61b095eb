//! The daemon takes what failed out of Git by a commit of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::failure::shell;
use super::rollback::{lived, pushable, tip};
use super::telling::{all_is_well, applied, check, closed, ended, intact, records, status, until, word, world_of};
use super::world::signing::{SshKey, trust};
use super::world::{App, Fault, SshServer, World, eventually, parts};

const SOON: std::time::Duration = super::telling::SOON;

/// Returns a world whose daemon may write into the branch, with this key; `more` is beside it in the Repository.
fn reverting(apps: &[App], more: &str) -> Option<(World, SshKey)> {
    parts::program("ssh-keygen")?;
    let mut world = pushable(world_of(apps));
    shell(&mut world);
    let key = SshKey::new(&world.path("home"), "reverter", &["-t", "ed25519"]);
    world.declared.repository = format!("revert:\n  key: {{ file: {} }}\n{more}", key.path());
    Some((world, key))
}

fn web() -> Vec<App> {
    vec![App::new("web", &["web"]).sync("onFailure: revert")]
}

/// Pushes a commit that fails once it is live.
fn bad(world: &World, content: &str) -> String {
    world.repo.write("web/check.yaml", check("site", "exit 1")).write("web/root/etc/motd", content);
    world.repo.land("a new message")
}

/// Returns what became of each commit of the daemon's, oldest first.
fn told(world: &World, app: &str) -> Vec<(String, Value)> {
    let mut all: Vec<_> = records(world, app).into_iter().filter(|one| one["kind"] == "revert").collect();
    all.reverse();
    all.into_iter().map(|one| (word(&one["body"], "what").to_owned(), one)).collect()
}

fn events(world: &World, app: &str) -> Vec<String> {
    told(world, app).into_iter().map(|(what, _)| what).collect()
}

/// Waits until Git has a commit of the daemon's on top of `bad`, and returns it.
fn reverted(world: &World, bad: &str) -> String {
    eventually("Git is set back", SOON, || tip(world) != bad);
    let commit = tip(world);
    assert_eq!(world.repo.git_bare(&["rev-parse", "main^"]), bad);
    commit
}

#[test]
fn what_failed_is_taken_out_of_git_and_a_revert_of_the_revert_waits_for_a_person() {
    let Some((mut world, key)) = reverting(&web(), "") else { return };
    let signers = trust(&world.path("home/signers"), &format!("daemon@web-1 namespaces=\"git\" {}\n", key.public()));
    let first = lived(&mut world, &["good\n"]).remove(0);
    world.repo.write("README", "hello\n");
    let bad = bad(&world, "bad\n");
    let commit = reverted(&world, &bad);
    let now = applied(&world, "web", &commit);
    assert_eq!((&now["bad"], &now["revert"]), (&Value::Null, &Value::Null), "{now:#}");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("good\n"));
    assert_eq!(world.repo.git_bare(&["diff", "--name-only", &first, "main"]), "README", "only its paths are set back");
    world.repo.git_bare(&["-c", &format!("gpg.ssh.allowedSignersFile={signers}"), "verify-commit", "main"]);
    world.repo.git_bare(&["fsck", "--strict", "--no-dangling"]);

    let failed = records(&world, "web").into_iter().find(|one| one["body"]["outcome"] == "failed").unwrap();
    let message = world.repo.git_bare(&["log", "-1", "--format=%an <%ae>%n%B", "main"]);
    let head = format!("trueup <trueup@localhost>\nRevert \"a new message\"\n\nThis reverts commit {bad},\nand what else");
    assert!(message.starts_with(&head), "{message}");
    for said in [word(&failed, "sync"), &word(&failed, "plan")[..10], &first, "\n    web\n", "\nTrueup-Reverts: web "] {
        assert!(message.contains(said), "{said} in {message}");
    }
    let all = told(&world, "web");
    assert_eq!(events(&world, "web"), ["made", "pushed"]);
    let (_, pushed) = &all[1];
    assert_eq!((word(pushed, "revision"), word(&pushed["actor"], "kind")), (&*bad, "daemon"), "{pushed:#}");
    assert_eq!((word(&pushed["body"], "commit"), word(&pushed["body"], "failed")), (&*commit, word(&failed, "sync")));
    assert!(!world.path("data/reverts/web").exists(), "nothing is left beside");

    // A later revert of the revert brings the change back, and it stays marked.
    world.repo.git(&["pull", "--quiet"]);
    let back = world.repo.revert(&commit);
    assert_eq!(world.repo.git_bare(&["rev-parse", "main:web"]), world.repo.git_bare(&["rev-parse", &format!("{bad}:web")]));
    let now = ended(&world, "web", "refused", "sync.bad-inputs");
    assert!(word(&now, "message").contains(&bad[..10]) && word(&now, "message").contains("`trueup sync web`"), "{now:#}");
    assert_eq!((word(&now, "bad"), world.read("/etc/motd").as_deref()), (&*bad, Some("good\n")));
    world.restart();
    ended(&world, "web", "refused", "sync.bad-inputs");
    assert_eq!((closed(&world, "web", "failed"), tip(&world)), (1, back.clone()), "it is not tried, and Git is left alone");
    // A person says so: it fails again, and no further commit is made because of it.
    let report = world.cli(&["sync", "web", "--json"]).code(1).json();
    assert_eq!(word(&report, "outcome"), "rolled-back", "{report:#}");
    let now = until(&world, "web", "it is told", |now| now["revert"]["stage"] == "refused");
    assert_eq!((word(&now["revert"], "code"), tip(&world)), ("revert.again", back), "{now:#}");
    assert_eq!(events(&world, "web"), ["made", "pushed", "refused"]);
    assert!(world.cli(&["status"]).code(1).stdout.contains("somebody to set main back"));

    world.repo.write("web/check.yaml", check("site", "true"));
    let mended = world.repo.land("mended");
    let now = applied(&world, "web", &mended);
    assert_eq!((&now["revert"], world.read("/etc/motd").as_deref()), (&Value::Null, Some("bad\n")));
    all_is_well(&world, &["web"]);
}
