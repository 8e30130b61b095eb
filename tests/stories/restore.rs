//! What a plan took away is given back as a branch.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use super::telling::{SOON, all_is_well, applied, file, records, word, world};
use super::world::{Ran, World, eventually};

/// A file of which the document names the source.
const SOURCED: &str = "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: { name: /etc/app/conf }\n\
                       spec: { source: files/conf, mode: \"0640\" }\n";

fn settled(world: &mut World) -> String {
    world.repo.git(&["config", "user.name", "Ada"]);
    world.repo.git(&["config", "user.email", "ada@example.org"]);
    world.repo.write("web/root/etc/motd", "from git\n").write("web/root/etc/tool", "#!/bin/sh\n");
    world.repo.mode("web/root/etc/tool", 0o755);
    world.repo.write("web/conf.yaml", SOURCED).write("web/files/conf", "from git\n");
    world.repo.write("web/inline.yaml", file("/etc/inline", "from git\n", ""));
    let first = world.repo.land("first");
    world.start();
    applied(world, "web", &first);
    first
}

/// Returns the newest plan that was carried out with such an act on this path.
fn plan_that(world: &World, action: &str, path: &str) -> String {
    let acts = |record: &Value| {
        record["kind"] == "planned"
            && record["body"]["steps"].as_array().is_some_and(|steps| {
                steps.iter().any(|step| step["action"] == action && step["object"]["name"] == path)
            })
    };
    let mut found = String::new();
    eventually(&format!("{action} {path}"), SOON, || {
        found = records(world, "web")
            .iter()
            .find(|record| acts(record))
            .map_or_else(String::new, |record| word(record, "plan").to_owned());
        !found.is_empty()
    });
    found
}

fn restore(world: &World, plan: &str, more: &[&str]) -> Ran {
    let clone = world.repo.work().display().to_string();
    world.cli(&[&["restore", plan, "--repository", &clone], more].concat())
}

fn merge(world: &World, branch: &str) -> String {
    world.repo.git(&["merge", "-q", "--no-edit", branch]);
    world.repo.push();
    world.repo.head()
}

#[test]
fn a_hand_edit_that_was_healed_comes_back_as_a_branch() {
    let mut world = world();
    let first = settled(&mut world);
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "from git\n");
    let plan = plan_that(&world, "update", "/etc/motd");
    let (head, status) = (world.repo.head(), world.repo.git(&["status", "--porcelain"]));

    let told = restore(&world, &plan, &["--json"]).code(0).json();
    let branch = format!("restore/{}", &plan[..12]);
    assert_eq!(told["branch"], branch.as_str(), "{told:#}");
    assert_eq!(told["restored"][0]["file"], "web/root/etc/motd");
    assert_eq!(world.repo.git(&["show", &format!("{branch}:web/root/etc/motd")]), "by hand");
    assert_eq!(world.repo.git(&["rev-parse", &format!("{branch}^")]), first, "it begins where the plan went");
    assert_eq!(world.repo.git(&["diff", "--name-only", &first, &branch]), "web/root/etc/motd", "and nothing else");
    assert_eq!((world.repo.head(), world.repo.git(&["status", "--porcelain"])), (head, status), "nothing else moved");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("from git\n"), "nothing live changed");
    let left: Vec<_> = fs::read_dir(world.repo.work().join(".git")).unwrap().flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().contains("trueup")), "{left:?}");

    let again = restore(&world, &plan, &[]).code(2);
    assert!(again.stderr.contains("--branch"), "{}", again.stderr);
    let _ = restore(&world, &plan[..8], &["--branch", "mine"]).code(0);
    let looked: Vec<_> = records(&world, "web").into_iter().filter(|one| one["body"]["act"] == "read").collect();
    assert_eq!(looked.len(), 1, "told once, however often it is read within the hour: {looked:#?}");
    assert_eq!((&looked[0]["plan"], looked[0]["actor"]["kind"].as_str()), (&plan.as_str().into(), Some("unix-user")));
    let merged = merge(&world, "mine");
    applied(&world, "web", &merged);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("by hand\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn deleted_files_come_back_with_their_mode_and_what_is_private_only_when_told() {
    let mut world = world();
    settled(&mut world);
    world.repo.remove("web/root/etc/tool").remove("web/conf.yaml").remove("web/files/conf");
    let second = world.repo.land("remove");
    applied(&world, "web", &second);
    assert_eq!((world.read("/etc/tool"), world.read("/etc/app/conf")), (None, None));
    let plan = plan_that(&world, "delete", "/etc/tool");

    let told = restore(&world, &plan, &[]).code(0);
    assert!(told.stdout.contains("/etc/app/conf  left out: not everyone may read it"), "{}", told.stdout);
    let told = restore(&world, &plan, &["--branch", "all", "--include-hidden", "--json"]).code(0).json();
    assert_eq!(told["leftOut"], Value::Array(vec![]), "{told:#}");
    let message = world.repo.git(&["log", "-1", "--format=%B", "all"]);
    assert!(message.contains("/etc/app/conf: as found on the host, mode 0640, owner "), "{message}");
    let merged = merge(&world, "all");
    applied(&world, "web", &merged);
    assert_eq!(world.read("/etc/app/conf").as_deref(), Some("from git\n"));
    assert_eq!(fs::metadata(world.live("/etc/tool")).unwrap().permissions().mode() & 0o777, 0o755);
    all_is_well(&world, &["web"]);
}

#[test]
fn what_a_document_declares_goes_where_the_document_says_or_is_left_out_with_the_reason() {
    let mut world = world();
    settled(&mut world);
    for path in ["/etc/app/conf", "/etc/inline"] {
        world.edit(path, "by hand\n");
        world.until_live(path, "from git\n");
    }
    let plan = plan_that(&world, "update", "/etc/app/conf");
    let told = restore(&world, &plan, &["--include-hidden", "--json"]).code(0).json();
    assert_eq!(told["restored"][0]["file"], "web/files/conf", "{told:#}");
    let told = restore(&world, &plan_that(&world, "update", "/etc/inline"), &["--branch", "inline"]).code(0);
    assert!(told.stdout.contains("web/inline.yaml holds its content itself"), "{}", told.stdout);
    let merged = merge(&world, &format!("restore/{}", &plan[..12]));
    applied(&world, "web", &merged);
    assert_eq!(world.read("/etc/app/conf").as_deref(), Some("by hand\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_plan_that_took_nothing_away_and_one_that_never_was_are_told_apart() {
    let mut world = world();
    settled(&mut world);
    let plan = plan_that(&world, "create", "/etc/motd");
    assert!(restore(&world, &plan, &[]).code(0).stdout.contains("nothing to restore"));
    assert!(restore(&world, "0123456789abcdef", &[]).code(2).stderr.contains("plan.unknown"));
    assert!(restore(&world, "short", &[]).code(2).stderr.contains("8 or more"));
    world.edit("/etc/motd", "by hand\n");
    let plan = plan_that(&world, "update", "/etc/motd");
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    world.repo.git(&["init", "-q", elsewhere.to_str().unwrap()]);
    let told = world.cli(&["restore", &plan, "--repository", elsewhere.to_str().unwrap()]).code(2);
    assert!(told.stderr.contains("does not have the commit") && told.stderr.contains("--repository"), "{told:?}");
    world.restart();
    eventually("pre-images outlive a restart", Duration::from_secs(5), || restore(&world, &plan, &[]).code == 0);
    all_is_well(&world, &["web"]);
}
