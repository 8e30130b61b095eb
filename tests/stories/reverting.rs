//! The daemon takes what failed out of Git by a commit of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::failure::shell;
use super::rollback::{beside, lived, pushable, tip};
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

/// Commits, and lets the server have it by the back door: what goes wrong with pushes does not go wrong with this one.
pub(super) fn land(world: &World, message: &str) -> String {
    let commit = world.repo.commit(message);
    world.repo.git_bare(&["fetch", "--quiet", world.repo.work().to_str().unwrap(), "HEAD:refs/heads/main"]);
    commit
}

/// Brings a commit that fails once it is live.
fn bad(world: &World, content: &str) -> String {
    world.repo.write("web/check.yaml", check("site", "exit 1")).write("web/root/etc/motd", content);
    land(world, "a new message")
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
    let head =
        format!("trueup <trueup@localhost>\nRevert \"a new message\"\n\nThis reverts commit {bad},\nand what else");
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
    world.repo.git(&["fetch", "--quiet"]);
    world.repo.reset("origin/main");
    let back = world.repo.revert(&commit);
    assert_eq!(
        world.repo.git_bare(&["rev-parse", "main:web"]),
        world.repo.git_bare(&["rev-parse", &format!("{bad}:web")])
    );
    let now = ended(&world, "web", "refused", "sync.bad-inputs");
    assert!(
        word(&now, "message").contains(&bad[..10]) && word(&now, "message").contains("`trueup sync web`"),
        "{now:#}"
    );
    assert_eq!((word(&now, "bad"), world.read("/etc/motd").as_deref()), (&*bad, Some("good\n")));
    world.restart();
    ended(&world, "web", "refused", "sync.bad-inputs");
    assert_eq!(
        (closed(&world, "web", "failed"), tip(&world)),
        (1, back.clone()),
        "it is not tried, and Git is left alone"
    );
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

/// A commit that fails once the gate is opened: what is arranged until then is found by the way back.
fn gated(world: &World) -> (String, impl Fn() + use<>) {
    let gate = world.path("gate");
    let wait = format!("touch {0}.waits; while [ ! -e {0} ]; do sleep 0.02; done; exit 1", gate.display());
    world.repo.write("web/check.yaml", check("site", &wait)).write("web/root/etc/motd", "bad\n");
    let bad = land(world, "a new message");
    let waits = world.path("gate.waits");
    eventually("the check runs", SOON, || waits.exists());
    (bad, move || fs::write(&gate, "").unwrap())
}

/// Puts a hook into the repository at the server.
fn hook(world: &World, name: &str, script: &str) {
    let path = world.repo.bare().join("hooks").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn unhook(world: &World, name: &str) {
    fs::remove_file(world.repo.bare().join("hooks").join(name)).unwrap();
}

/// Lets go wrong with a push what goes wrong; fetching works.
fn spoil_pushes(world: &World, fault: Fault) {
    world.server.answer_with(move |request| {
        let push = request.path.ends_with("receive-pack") || request.query.contains("git-receive-pack");
        if push { fault.clone() } else { Fault::None }
    });
}

fn stage(world: &World, stage: &str, code: &str) -> Value {
    let holds = |now: &Value| now["revert"]["stage"] == stage && now["revert"]["code"] == code;
    until(world, "web", &format!("the revert is {stage} by {code}"), holds)
}

#[test]
fn it_stands_on_what_others_pushed_meanwhile_and_is_not_made_where_they_took_it_out() {
    let Some((mut world, _)) = reverting(&web(), "") else { return };
    lived(&mut world, &["good\n"]);
    // Before it is made.
    let (_, open) = gated(&world);
    let readme = {
        world.repo.write("README", "meanwhile\n");
        world.repo.land("elsewhere")
    };
    open();
    let commit = reverted(&world, &readme);
    applied(&world, "web", &commit);
    assert_eq!(world.repo.git_bare(&["show", "main:README"]), "meanwhile");
    assert_eq!(events(&world, "web"), ["made", "pushed"]);

    // After it was made: the lease on the tip refuses, and it is made anew.
    world.repo.git(&["fetch", "--quiet"]);
    world.repo.reset("origin/main");
    fs::remove_file(world.path("gate")).unwrap();
    fs::remove_file(world.path("gate.waits")).unwrap();
    world.repo.write("web/root/etc/more", "more\n");
    let (_, open) = gated(&world);
    world.repo.write("README", "in the very moment\n");
    let late = world.repo.commit("in the very moment");
    world.repo.git(&["push", "--quiet", "origin", "HEAD:refs/heads/late"]);
    let (bare, once) = (world.repo.bare(), std::sync::atomic::AtomicBool::new(false));
    let moved = late.clone();
    world.server.answer_with(move |request| {
        let push = request.method == "POST" && request.path.ends_with("git-receive-pack");
        if push && !once.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let mut git = super::world::clean("git", &bare);
            super::world::must(git.arg("--git-dir").arg(&bare).args(["update-ref", "refs/heads/main", &moved]));
        }
        Fault::None
    });
    open();
    eventually("it is pushed on top of that", SOON, || world.repo.git_bare(&["rev-parse", "main^"]) == late);
    applied(&world, "web", &tip(&world));
    assert_eq!(events(&world, "web")[2..], ["made", "made", "pushed"]);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("good\n"));

    // Somebody mends it while it fails: there is nothing to take out.
    world.repo.git(&["fetch", "--quiet"]);
    world.repo.reset("origin/main");
    fs::remove_file(world.path("gate")).unwrap();
    fs::remove_file(world.path("gate.waits")).unwrap();
    world.repo.write("web/root/etc/more", "much more\n");
    let (_, open) = gated(&world);
    world.repo.write("web/check.yaml", check("site", "true"));
    let mended = world.repo.land("mended");
    open();
    applied(&world, "web", &mended);
    assert_eq!((tip(&world), events(&world, "web").pop().as_deref()), (mended, Some("dropped")));
    assert_eq!(status(&world, "web")["revert"], Value::Null);
    all_is_well(&world, &["web"]);
}

#[test]
fn killed_between_the_record_and_the_push_or_the_push_and_its_record_there_is_one_commit() {
    let Some((mut world, _)) = reverting(&web(), "") else { return };
    lived(&mut world, &["good\n"]);
    spoil_pushes(&world, Fault::Hang);
    let first = bad(&world, "bad\n");
    eventually("it is made", SOON, || events(&world, "web") == ["made"]);
    let made = word(&told(&world, "web")[0].1["body"], "commit").to_owned();
    world.kill9();
    assert_eq!(tip(&world), first);
    world.server.inject(Fault::None);
    world.start();
    applied(&world, "web", &made);
    assert_eq!(events(&world, "web"), ["made", "pushed"], "the same commit, not another one");
    assert_eq!((tip(&world), world.repo.git_bare(&["rev-parse", "main^"])), (made, first));

    // The server has it, and the daemon does not know.
    world.repo.git(&["fetch", "--quiet"]);
    world.repo.reset("origin/main");
    hook(&world, "post-receive", "sleep 3");
    world.repo.write("web/check.yaml", check("site", "exit 2")).write("web/root/etc/motd", "worse\n");
    let second = land(&world, "worse");
    let commit = reverted(&world, &second);
    world.kill9();
    unhook(&world, "post-receive");
    world.start();
    applied(&world, "web", &commit);
    eventually("it is written down", SOON, || events(&world, "web")[2..] == ["made", "pushed"]);
    assert_eq!(tip(&world), commit);
    assert_eq!(world.repo.git_bare(&["rev-list", "--count", &format!("{second}..main")]), "1");
    all_is_well(&world, &["web"]);
}

#[test]
fn a_branch_that_does_not_take_it_gets_it_beside_and_what_the_server_says_is_harmless() {
    let Some((mut world, _)) = reverting(&web(), "") else { return };
    let token = "t0ken-c4nary-of-the-hook";
    let file = world.path("home/hook-secret");
    fs::write(&file, token).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let webhook = format!("webhook: {{ names: [ops/platform], secret: {{ file: {} }} }}", file.display());
    world.declared.repository = [&world.declared.repository, &*webhook].join("\n");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    world.declared.daemon = format!("hooks: {{ listen: \"127.0.0.1:{port}\" }}");
    lived(&mut world, &["good\n"]);
    let refuse = format!(
        "while read -r old new ref; do test \"$ref\" = refs/heads/main && git log -1 --format=%an $new | grep -q trueup && \
         {{ printf 'main is protected\\033[2J {token}\\n' >&2; exit 1; }}; done; exit 0"
    );
    hook(&world, "pre-receive", &refuse);
    let bad = bad(&world, "bad\n");
    let now = until(&world, "web", "it lies beside", |now| now["revert"]["stage"] == "proposed");
    let branch = word(&now["revert"], "branch").to_owned();
    assert!(branch.starts_with("trueup/revert-web-"), "{now:#}");
    let commit = world.repo.git_bare(&["rev-parse", &branch]);
    assert_eq!((world.repo.git_bare(&["rev-parse", &format!("{branch}^")]), tip(&world)), (bad.clone(), bad));
    assert_eq!(events(&world, "web"), ["made", "proposed"]);
    let all = [world.cli(&["status"]).stdout, world.cli(&["status", "--json"]).stdout, world.stderr()].concat()
        + &world.cli(&["audit", "export"]).code(0).stdout;
    assert!(all.contains("main is protected") && !all.contains(token) && !all.contains("\u{1b}[2J"), "{all}");
    assert!(all.contains(&format!("a merge of {branch}, which sets Git back")), "{all}");
    // It waits over a restart, and nothing is pushed again.
    world.restart();
    ended(&world, "web", "refused", "sync.bad-inputs");
    assert_eq!((events(&world, "web").len(), &status(&world, "web")["revert"]["stage"]), (2, &"proposed".into()));
    // A person merges it.
    world.repo.git_bare(&["update-ref", "refs/heads/main", &commit]);
    let now = applied(&world, "web", &commit);
    assert_eq!((&now["revert"], &now["bad"]), (&Value::Null, &Value::Null));
    all_is_well(&world, &["web"]);
}

#[test]
fn what_keeps_it_from_being_pushed_is_told_once_and_tried_again() {
    let Some((mut world, _)) = reverting(&web(), "limits: { timeout: 3s }") else { return };
    lived(&mut world, &["good\n"]);
    // Who may not push.
    spoil_pushes(&world, Fault::Status(403));
    let bad = bad(&world, "bad\n");
    let now = stage(&world, "made", "source.unauthorised");
    assert_eq!((word(&now, "outcome"), events(&world, "web")), ("refused", vec!["made".into(), "delayed".into()]));
    // A hook of the server's that hangs.
    hook(&world, "pre-receive", "sleep 30");
    world.server.inject(Fault::None);
    stage(&world, "made", "source.timed-out");
    // A host that is down.
    spoil_pushes(&world, Fault::Status(503));
    unhook(&world, "pre-receive");
    stage(&world, "made", "source.unreachable");
    assert_eq!((tip(&world), events(&world, "web").len()), (bad.clone(), 2), "what passes by itself is told by nobody");
    world.server.inject(Fault::None);
    let commit = reverted(&world, &bad);
    applied(&world, "web", &commit);
    eventually("it is written down", SOON, || events(&world, "web") == ["made", "delayed", "pushed"]);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_branch_that_is_gone_is_waited_for() {
    let Some((mut world, _)) = reverting(&web(), "") else { return };
    lived(&mut world, &["good\n"]);
    let (bad, open) = gated(&world);
    world.repo.set_ref("refs/heads/other", &bad).delete_branch("main");
    open();
    stage(&world, "owed", "source.ref-missing");
    world.repo.set_ref("refs/heads/main", &bad);
    let commit = reverted(&world, &bad);
    applied(&world, "web", &commit);
    assert_eq!(events(&world, "web"), ["delayed", "made", "pushed"]);
    all_is_well(&world, &["web"]);
}

#[test]
fn it_is_signed_by_a_key_that_verify_names_and_vouches_for_nothing_that_nobody_else_does() {
    let Some((mut world, key)) = reverting(&web(), "") else { return };
    let ada = SshKey::new(&world.path("home"), "signer", &["-t", "ed25519"]);
    let who = format!("ada@example.org {}\ndaemon@web-1 namespaces=\"git\" {}\n", ada.public(), key.public());
    let file = trust(&world.path("home/signers"), &who);
    let verify = format!("verify: {{ policy: tip, ssh: {{ allowedSigners: {file} }} }}");
    world.declared.repository = [&world.declared.repository, &*verify].join("\n");
    world.repo.sign_with(&ada.settings());
    lived(&mut world, &["good\n"]);
    let (_, open) = gated(&world);
    world.repo.sign_nothing();
    world.repo.write("other/evil", "unsigned\n");
    let unsigned = world.repo.land("nobody signs this");
    open();
    stage(&world, "owed", "verify.unsigned");
    assert_eq!((tip(&world), events(&world, "web")), (unsigned, vec!["delayed".to_owned()]));
    world.repo.sign_with(&ada.settings());
    world.repo.write("other/good", "signed\n");
    let good = world.repo.land("somebody does");
    let commit = reverted(&world, &good);
    applied(&world, "web", &commit);
    let signer = |one: &Value| {
        one["revision"] == commit.as_str() && word(&one["body"], "signer").starts_with("daemon@web-1 with")
    };
    assert!(records(&world, "web").iter().any(signer));
    all_is_well(&world, &["web"]);
}

#[test]
fn what_other_applications_have_is_left_to_people() {
    let apps = [App::new("web", &["common", "web"]).sync("onFailure: revert")];
    let Some((mut world, _)) = reverting(&apps, "") else { return };
    beside(&mut world, "[common]");
    world.repo.write("common/root/etc/all", "one\n");
    lived(&mut world, &["good\n"]);
    world.repo.write("common/root/etc/all", "two\n");
    let shared = bad(&world, "bad\n");
    let now = stage(&world, "refused", "revert.shared");
    assert!(word(&now["revert"], "message").contains("db (common)"), "{now:#}");
    assert_eq!((tip(&world), events(&world, "web")), (shared, vec!["refused".to_owned()]));
    world.repo.write("web/check.yaml", check("site", "true"));
    let mended = world.repo.land("mended");
    applied(&world, "web", &mended);
    // What is its own goes by itself.
    let own = bad(&world, "worse\n");
    let commit = reverted(&world, &own);
    applied(&world, "web", &commit);
    assert_eq!(world.repo.git_bare(&["show", "main:common/root/etc/all"]), "two");
    all_is_well(&world, &["web", "db"]);
}

#[test]
fn a_folder_that_last_good_does_not_have_is_not_taken_away() {
    let Some((mut world, _)) = reverting(&web(), "") else { return };
    lived(&mut world, &["good\n"]);
    world.repo.git(&["mv", "web", "site"]);
    world.repo.write("site/check.yaml", check("site", "exit 1")).write("site/root/etc/motd", "bad\n");
    let bad = world.repo.land("moved");
    world.declared.apps = vec![App::new("web", &["site"]).sync("onFailure: revert")];
    world.configure();
    let now = until(&world, "web", "it is told", |now| now["revert"]["stage"] == "refused");
    assert_eq!((word(&now["revert"], "code"), tip(&world)), ("revert.paths-changed", bad), "{now:#}");
    assert_eq!(
        (world.read("/etc/motd").as_deref(), events(&world, "web")),
        (Some("good\n"), vec!["refused".to_owned()])
    );
}

#[test]
fn a_revert_that_fails_itself_is_only_told_and_so_is_a_first_revision() {
    let Some((mut world, _)) = reverting(&web(), "") else { return };
    let broken = world.path("broken");
    let judge = format!("test ! -e {}", broken.display());
    world.repo.write("web/check.yaml", check("site", "exit 1")).write("web/root/etc/motd", "never\n");
    let never = world.repo.land("never good");
    world.start();
    stage(&world, "refused", "revert.no-good");
    assert_eq!(tip(&world), never);
    world.repo.write("web/check.yaml", check("site", &judge)).write("web/root/etc/motd", "good\n");
    let good = world.repo.land("good");
    applied(&world, "web", &good);
    world.repo.write("web/root/etc/motd", "bad\n").write("web/check.yaml", check("site", "exit 1"));
    let bad = world.repo.land("bad");
    let commit = reverted(&world, &bad);
    applied(&world, "web", &commit);
    // Another daemon's, as its message tells.
    world.repo.git(&["fetch", "--quiet"]);
    world.repo.reset("origin/main");
    world.repo.write("web/root/etc/motd", "theirs\n").write("web/check.yaml", check("site", "exit 3"));
    let theirs = world.repo.land("Revert \"x\"\n\nThis reverts y.\n\nTrueup-Reverts: web 0000\n");
    stage(&world, "refused", "revert.itself");
    assert_eq!(
        (tip(&world), events(&world, "web")),
        (theirs, ["refused", "made", "pushed", "refused"].map(String::from).into())
    );
    intact(&world);
}

#[test]
fn it_is_pushed_over_ssh_by_a_key_of_its_own_and_a_changed_host_key_is_waited_out() {
    let Some((mut world, _)) = reverting(&web(), "") else { return };
    let Some(ssh) = SshServer::start(&world.path("ssh")) else { return };
    world.declared.url = Some(ssh.url(&world.repo));
    let known = world.path("home/known_hosts");
    fs::copy(ssh.known_hosts(), &known).unwrap();
    let own = world.declared.repository.replace("key:", &format!("push: {{ file: {} }}\n  key:", ssh.key().display()));
    world.declared.repository =
        format!("{own}\ncredentials: {{ file: {} }}\nssh: {{ knownHosts: {} }}", ssh.key().display(), known.display());
    lived(&mut world, &["good\n"]);
    let (bad, open) = gated(&world);
    fs::copy(ssh.other_hosts(), &known).unwrap();
    open();
    let now = stage(&world, "owed", "source.host-key");
    assert_eq!((events(&world, "web"), word(&now, "outcome")), (vec!["delayed".to_owned()], "refused"));
    fs::copy(ssh.known_hosts(), &known).unwrap();
    let commit = reverted(&world, &bad);
    applied(&world, "web", &commit);
    all_is_well(&world, &["web"]);
}
