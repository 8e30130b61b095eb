//! Where an application cannot be set back, nothing is pushed, and it is said what can be done instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::rollback::{arguments, lived, pushable, rollback, tip};
use super::telling::{all_is_well, applied, world};
use super::world::{clean, must, parts};

fn script(path: &Path, line: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn on_a_terminal_it_asks_and_a_branch_that_moved_meanwhile_is_left_as_it_is() {
    if parts::program("script").is_none() {
        return;
    }
    let mut world = pushable(world());
    let all = lived(&mut world, &["one\n", "two\n"]);
    let clone = world.repo.work().display().to_string();
    let asked = arguments(&clone, &["--to", &all[0]]);
    let no = world.cli_asked(&asked, || {}, "n").code(1);
    assert!(no.stdout.contains("Push this to main at origin?") && no.stdout.contains("nothing was pushed"), "{no:?}");
    assert_eq!(tip(&world), all[1]);

    let move_on = || {
        world.repo.write("web/root/etc/other", "of somebody else\n").land("somebody else's");
    };
    let moved = world.cli_asked(&asked, move_on, "y").code(2);
    assert!(
        moved.stdout.contains("main at origin moved meanwhile: it is at ") && moved.stdout.contains("run this again"),
        "{moved:?}"
    );
    let others = tip(&world);
    assert_eq!(others, world.repo.head(), "what others pushed is still there");

    // Set back by force: a plain push would bring back what was taken away.
    applied(&world, "web", &others);
    let rewind = || {
        world.repo.set_ref("refs/heads/main", &all[1]);
    };
    let moved = world.cli_asked(&asked, rewind, "y").code(2);
    assert!(moved.stdout.contains("moved meanwhile"), "{moved:?}");
    assert_eq!(tip(&world), all[1]);
    world.repo.set_ref("refs/heads/main", &others);

    // Moved between the first and the last word of the push itself, by a hook that knows nothing of our index.
    let hook = world.repo.work().join(".git/hooks/pre-push");
    let set = format!("git --git-dir={} update-ref refs/heads/main {}", world.repo.bare().display(), all[1]);
    script(&hook, &format!("test -z \"$GIT_INDEX_FILE\" && {set}"));
    let moved = rollback(&world, &["--to", &all[0], "--yes"]).code(2);
    assert!(moved.stderr.contains("moved meanwhile"), "{moved:?}");
    fs::remove_file(hook).unwrap();
    world.repo.set_ref("refs/heads/main", &others);

    let yes = world.cli_asked(&asked, || {}, "y").code(0);
    assert!(yes.stdout.contains("pushed "), "{yes:?}");
    applied(&world, "web", &tip(&world));
    assert_eq!((world.read("/etc/motd").as_deref(), world.read("/etc/other")), (Some("one\n"), None));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_protected_branch_says_so_and_another_branch_is_pushed_for_a_merge_request() {
    let mut world = pushable(world());
    let all = lived(&mut world, &["one\n", "two\n"]);
    let hook = world.repo.bare().join("hooks/pre-receive");
    let refuse = "{ printf 'GH006: main is \\033[2Jprotected\\n' >&2; exit 1; }";
    let line = format!("test \"$ref\" = refs/heads/main && {refuse}");
    script(&hook, &format!("while read old new ref; do {line}; done; echo 'open it here' >&2; exit 0"));

    let told = rollback(&world, &["--to", &all[0], "--yes"]).code(2);
    let said = [r"GH006: main is \u{1b}[2Jprotected", "--branch NAME"];
    assert!(said.iter().all(|said| told.stderr.contains(said)), "{told:?}");
    assert_eq!(tip(&world), all[1]);
    // No shell ever sees it.
    let name = "$(touch${IFS}x)/-f";
    let told = rollback(&world, &["--to", &all[0], "--yes", "--branch", name]).code(0);
    assert!(told.stderr.contains("open it here") && told.stderr.contains("open a merge request from"), "{told:?}");
    let again = rollback(&world, &["--to", &all[0], "--yes", "--branch", name]).code(2);
    assert!(again.stderr.contains("already"), "{again:?}");
    assert_eq!((tip(&world), world.read("/etc/motd").as_deref()), (all[1].clone(), Some("two\n")), "nothing is live");
    fs::remove_file(hook).unwrap();
    world.repo.set_ref("refs/heads/main", &format!("refs/heads/{name}"));
    applied(&world, "web", &tip(&world));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn an_older_revision_is_named_as_git_names_it_and_one_that_is_no_way_back_is_refused() {
    let mut world = pushable(world());
    let all = lived(&mut world, &["one\n", "two\n", "three\n"]);
    world.repo.git(&["tag", "v1", &all[0]]);
    world.repo.branch("side").write("web/root/etc/motd", "aside\n").commit("aside");
    world.repo.branch("main");
    let refused = |more: &[&str], why: &str| {
        let told = rollback(&world, more).code(2);
        assert!(told.stderr.contains(why) && told.stdout.is_empty(), "{more:?}: {told:?}");
    };
    refused(&["--to", "side", "--yes"], "is not behind main at origin");
    for odd in ["--to=--all", "--to=nothing", "--to=", "--to=HEAD:web", "--to=:/x\u{1b}"] {
        refused(&[odd, "--yes"], "names no commit in ");
    }
    refused(&["--to", "v1", "--branch", "a..b"], "no branch can be named 'a..b'");
    refused(&["--to", "v1", "--remote", "nowhere"], "--remote");
    refused(&["--to", "v1", "--remote=--upload-pack=touch x"], "--remote");
    refused(&["--to", "v1", "--repository", "/"], "--repository");
    let unknown = world.cli(&["rollback", "nope", "--repository", world.repo.work().to_str().unwrap()]).code(2);
    assert!(
        unknown.stderr.contains("there is no application nope") && unknown.stderr.contains("applications here: web"),
        "{unknown:?}"
    );
    // A fork that lags behind is another repository.
    let fork = world.path("fork.git");
    must(clean("git", &world.path("home")).args(["clone", "-q", "--bare"]).arg(world.repo.bare()).arg(&fork));
    must(clean("git", &world.path("home")).arg("-C").arg(&fork).args(["update-ref", "refs/heads/main", &all[1]]));
    refused(&["--to", "v1", "--yes", "--remote", fork.to_str().unwrap()], "is not in that of");
    assert_eq!(tip(&world), all[2]);

    let _ = rollback(&world, &["--to", "v1", "--yes"]).code(0);
    applied(&world, "web", &tip(&world));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    let _ = rollback(&world, &["--to", &all[1][..8], "--yes"]).code(0);
    applied(&world, "web", &tip(&world));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("two\n"), "and on again");
    all_is_well(&world, &["web"]);
}

#[test]
fn what_is_pinned_is_set_back_by_no_push() {
    let mut world = pushable(world());
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.repo.tag("v1");
    world.declared.follow = "tag: v1".into();
    world.start();
    applied(&world, "web", &first);
    let told = rollback(&world, &["--to", &first, "--yes"]).code(2);
    assert!(told.stderr.contains("follows no branch but refs/tags/v1") && told.stderr.contains("platform"), "{told:?}");
    world.declared.follow = format!("commit: {first}");
    world.restart();
    applied(&world, "web", &first);
    let told = rollback(&world, &["--to", &first, "--print"]).code(2);
    assert!(told.stderr.contains("follows no branch but") && told.stdout.is_empty(), "{told:?}");
    all_is_well(&world, &["web"]);
}
