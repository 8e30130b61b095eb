//! An application is set back in Git by one command, and the commit goes live as any other.

use std::fs;

use serde_json::{Value, json};

use super::failure::shell;
use super::telling::{all_is_well, applied, check, records, unchanged_at, until, word, world, world_of};
use super::world::signing::{SshKey, trust};
use super::world::{App, Ran, World, parts};

/// Returns a world whose repository is pushed to over HTTP, by somebody with a name.
pub(super) fn pushable(world: World) -> World {
    world.repo.git(&["config", "user.name", "Ada"]);
    world.repo.git(&["config", "user.email", "ada@example.org"]);
    world.repo.git_bare(&["config", "http.receivepack", "true"]);
    world.repo.git(&["remote", "set-url", "origin", &world.server.url("platform")]);
    world
}

/// Lands these contents of the message of the day, one after the other; each goes live.
pub(super) fn lived(world: &mut World, contents: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for content in contents {
        world.repo.write("web/root/etc/motd", *content);
        all.push(world.repo.land(content.trim()));
        if all.len() == 1 {
            world.start();
        }
        applied(world, "web", &all[all.len() - 1]);
    }
    all
}

/// Declares `db`, of these paths, on a host beside.
pub(super) fn beside(world: &mut World, paths: &str) {
    let root = world.path("root2");
    fs::create_dir_all(root.join("etc")).unwrap();
    let head = "---\napiVersion: trueup.dev/v1alpha1\nkind:";
    let root = root.display();
    world.declared.more = format!(
        "{head} Target\nmetadata: {{ name: second }}\nspec: {{ host: {{ root: {root}, allow: [/etc] }} }}\n\
         {head} Application\nmetadata: {{ name: db }}\nspec: {{ target: second, source: {{ repository: platform, paths: {paths} }} }}\n"
    );
}

pub(super) fn arguments<'a>(clone: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["rollback", "web", "--repository", clone], more].concat()
}

pub(super) fn rollback(world: &World, more: &[&str]) -> Ran {
    world.cli(&arguments(&world.repo.work().display().to_string(), more))
}

/// Returns where the followed branch is at the server.
pub(super) fn tip(world: &World) -> String {
    world.repo.git_bare(&["rev-parse", "refs/heads/main"])
}

#[test]
fn a_bad_commit_that_went_live_is_set_back_by_one_command_and_what_else_it_did_stays() {
    let mut world = pushable(world());
    let first = lived(&mut world, &["good\n"]).remove(0);
    world.repo.write("web/root/etc/motd", "bad\n").write("web/root/etc/more/new", "new\n").write("README", "better\n");
    let bad = world.repo.land("bad");
    applied(&world, "web", &bad);
    // What the person is in the middle of.
    world.repo.write("README", "staged\n").git(&["add", "README"]);
    world.repo.write("README", "not staged\n");
    let before = |world: &World| {
        [&["status", "--porcelain"][..], &["diff"], &["diff", "--cached"], &["rev-parse", "HEAD", "main"]]
            .map(|ask| world.repo.git(ask))
    };
    let mine = before(&world);

    let told = rollback(&world, &["--to", "HEAD~1", "--yes", "--json"]).code(0).json();
    assert_eq!((word(&told, "from"), word(&told, "to"), word(&told, "pushed")), (&*bad, &*first, "main"), "{told:#}");
    assert_eq!(
        (&told["files"], &told["paths"]),
        (&json!(["web/root/etc/more/new", "web/root/etc/motd"]), &json!(["web"]))
    );
    assert_eq!((&told["shared"], told.get("patch")), (&json!([]), None));
    let lasting: Vec<_> = told["lasting"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (word(one, "action"), word(&one["object"], "name")))
        .collect();
    assert_eq!(lasting, [("delete", "/etc/more/new")], "{told:#}");
    let commit = word(&told, "commit");
    assert_eq!((tip(&world), before(&world)), (commit.to_owned(), mine), "nothing of the person's moved");
    let left: Vec<_> = fs::read_dir(world.repo.work().join(".git")).unwrap().flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().contains("trueup")), "{left:?}");
    assert!(!world.repo.work().join(".git/FETCH_HEAD").exists());

    applied(&world, "web", commit);
    assert_eq!((world.read("/etc/motd").as_deref(), world.read("/etc/more/new")), (Some("good\n"), None));
    assert_eq!(world.repo.git_bare(&["diff", "--name-only", &first, "main"]), "README", "only its paths are set back");
    assert_eq!(world.repo.git_bare(&["rev-parse", "main^"]), bad);
    let message = world.repo.git_bare(&["log", "-1", "--format=%an %B", "main"]);
    let expected = format!(
        "Ada Roll back web to {}\n\nThis sets these paths of web back to their tree at commit\n{first}:\n\n    web\n\nThey were at commit {bad}.",
        &first[..10]
    );
    assert_eq!(message, expected);
    let ran: Vec<_> =
        records(&world, "web").into_iter().filter(|one| one["revision"] == commit && one["kind"] == "closed").collect();
    assert_eq!(
        (ran.len(), &ran[0]["plan"]),
        (1, &told["plan"]["plan"]["id"]),
        "the plan that was shown is the one that ran: {ran:#?}"
    );
    all_is_well(&world, &["web"]);
}

#[test]
fn what_failed_is_set_back_to_last_good_and_nothing_is_pushed_without_a_yes() {
    let mut world = pushable(world());
    shell(&mut world);
    lived(&mut world, &["good\n"]);
    world.repo.write("web/check.yaml", check("site", "exit 1")).write("web/root/etc/motd", "bad\n");
    let bad = world.repo.land("bad");
    until(&world, "web", "the daemon took it back", |now| now["bad"] == bad.as_str() && now["outcome"] != "failed");

    let asked = rollback(&world, &[]).code(1);
    assert!(asked.stderr.contains("--yes") && asked.stdout.ends_with("\nnothing was pushed\n"), "{asked:?}");
    assert!(asked.stdout.contains("web/check.yaml\n  web/root/etc/motd\n"), "{asked:?}");
    let asked = rollback(&world, &["--json"]).code(1).json();
    assert_eq!((&asked["commit"], &asked["pushed"]), (&Value::Null, &Value::Null));
    assert_eq!(tip(&world), bad);

    let told = rollback(&world, &["-y"]).code(0);
    assert!(told.stdout.contains("nothing to do") && told.stdout.contains("pushed "), "it is live already: {told:?}");
    let commit = tip(&world);
    let now = applied(&world, "web", &commit);
    assert_eq!(now["bad"], Value::Null, "the daemon goes with Git again: {now:#}");
    let again = rollback(&world, &["-y"]).code(0);
    let printed = rollback(&world, &["--print"]).code(0);
    assert!(again.stdout.starts_with("nothing to do: web is in main as it was at "), "{again:?}");
    assert_eq!((printed.stdout.as_str(), printed.stderr.contains("nothing to do")), ("", true));
    assert_eq!(tip(&world), commit);
    all_is_well(&world, &["web"]);
}

#[test]
fn who_else_has_a_layer_is_named() {
    let mut world = pushable(world_of(&[App::new("web", &["common", "web"]), App::new("mail", &["mail"])]));
    beside(&mut world, "[common, db]");
    world
        .repo
        .write("common/root/etc/motd", "one\n")
        .write("db/root/etc/db", "db\n")
        .write("mail/root/etc/mail", "mail\n");
    world.repo.write("web/root/etc/web", "one\n");
    let first = world.repo.land("one");
    world.start();
    applied(&world, "web", &first);
    world.repo.write("web/root/etc/web", "two\n");
    let second = world.repo.land("two");
    applied(&world, "web", &second);
    let told = rollback(&world, &["--to", &first, "--json"]).code(1).json();
    assert_eq!(told["shared"], json!([]), "what changes is its own: {told:#}");

    world.repo.write("common/root/etc/motd", "three\n");
    let third = world.repo.land("three");
    applied(&world, "web", &third);
    applied(&world, "db", &third);
    let told = rollback(&world, &["--to", &second, "--json"]).code(1).json();
    assert_eq!(told["shared"], json!([{ "application": "db", "paths": ["common"] }]), "{told:#}");
    let told = rollback(&world, &["--to", &first, "-y"]).code(0).stdout;
    assert!(told.contains("these applications have some of the files too\n  db: common\n"), "{told}");
    let commit = tip(&world);
    applied(&world, "web", &commit);
    applied(&world, "db", &commit);
    assert_eq!((world.read("/etc/motd").as_deref(), world.read("/etc/web").as_deref()), (Some("one\n"), Some("one\n")));
    assert_eq!(fs::read_to_string(world.path("root2/etc/motd")).unwrap(), "one\n");
    unchanged_at(&world, "mail", &commit);
    all_is_well(&world, &["web", "db", "mail"]);
}

#[test]
fn printed_it_is_a_patch_for_git_am_and_nothing_is_pushed() {
    let mut world = pushable(world());
    world.repo.write("web/root/etc/blob", [0, 159, 146, 150, 10]);
    let all = lived(&mut world, &["one\n", "two\n"]);
    world.repo.write("web/root/etc/blob", [1, 0, 255]).mode("web/root/etc/motd", 0o755);
    let third = world.repo.land("three");
    applied(&world, "web", &third);
    // What would make another patch of it.
    for [name, value] in
        [["diff.noprefix", "true"], ["format.attach", "x"], ["color.ui", "always"], ["diff.renames", "copies"]]
    {
        world.repo.git(&["config", name, value]);
    }
    let told = rollback(&world, &["--to", &all[0], "--print"]).code(0);
    assert!(told.stdout.starts_with("From ") && told.stderr.contains("set back in Git"), "{told:?}");
    let document = rollback(&world, &["--to", &all[0], "--print", "--json"]).code(0).json();
    assert!(word(&document, "patch").starts_with("From ") && document["pushed"].is_null(), "{document:#}");
    assert_eq!(tip(&world), third);
    for name in ["diff.noprefix", "format.attach", "color.ui", "diff.renames"] {
        world.repo.git(&["config", "--unset", name]);
    }
    let file = world.path("rollback.patch");
    fs::write(&file, told.stdout).unwrap();
    world.repo.git(&["am", "--quiet", file.to_str().unwrap()]);
    assert_eq!(world.repo.git(&["rev-parse", "HEAD:web"]), world.repo.git(&["rev-parse", &format!("{}:web", all[0])]));
    applied(&world, "web", &world.repo.push().head());
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn it_is_signed_where_the_person_signs() {
    if parts::program("ssh-keygen").is_none() {
        return;
    }
    let mut world = pushable(world());
    let key = SshKey::new(&world.path("home"), "signer", &["-t", "ed25519"]);
    let file = trust(&world.path("home/signers"), &format!("ada@example.org namespaces=\"git\" {}\n", key.public()));
    world.declared.repository = format!("verify: {{ policy: range, ssh: {{ allowedSigners: {file} }} }}");
    world.repo.sign_with(&key.settings());
    let all = lived(&mut world, &["one\n", "two\n"]);
    let _ = rollback(&world, &["--to", &all[0], "--yes"]).code(0);
    let commit = tip(&world);
    assert!(world.repo.git_bare(&["cat-file", "commit", "main"]).contains("\ngpgsig "));
    applied(&world, "web", &commit);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    let signer = |one: &Value| {
        one["revision"] == commit.as_str() && word(&one["body"], "signer").starts_with("ada@example.org with")
    };
    assert!(records(&world, "web").iter().any(signer));
    all_is_well(&world, &["web"]);
}

#[test]
fn folders_are_what_they_are_called_and_never_an_option_or_a_pattern() {
    let odd = ["--all", ":(glob)**"];
    let mut world = pushable(world_of(&[App::new("web", &odd)]));
    for folder in odd {
        world.repo.write(&format!("{folder}/root/etc/{}", folder.len()), "one\n");
    }
    world.repo.write("--all/files/one", "one\n").write("--all/files/more/deep", "one\n").write("elsewhere", "one\n");
    let first = world.repo.land("one");
    world.start();
    applied(&world, "web", &first);
    for folder in odd {
        world.repo.write(&format!("{folder}/root/etc/{}", folder.len()), "two\n");
    }
    // Where a file was lies a folder, and the other way round.
    world.repo.remove("--all/files").write("--all/files/one/two", "two\n").write("--all/files/more", "two\n");
    world.repo.write("elsewhere", "two\n");
    let second = world.repo.land("two");
    applied(&world, "web", &second);
    // From a folder of the clone, too.
    let clone = world.repo.work().join("--all");
    let told = world.cli(&["rollback", "web", "--repository", clone.to_str().unwrap(), "--to", &first, "-y", "--json"]);
    let told = told.code(0).json();
    applied(&world, "web", word(&told, "commit"));
    assert_eq!(world.repo.git_bare(&["diff", "--name-only", &first, "main"]), "elsewhere");
    assert_eq!(world.read("/etc/5").as_deref(), Some("one\n"));
    all_is_well(&world, &["web"]);
}
