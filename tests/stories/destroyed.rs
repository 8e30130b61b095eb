//! What was made for an application that is declared no more is taken away by its own plan.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::declared::{app, declaring, document, orphans};
use super::telling::{SOON, all_is_well, applied, intact, records, status, until, word, world, world_of};
use super::world::{App, World, eventually};

/// Returns a world in which `web` was applied and is declared no more.
fn orphaned(files: &[(&str, &str)]) -> World {
    let mut world = world();
    for (path, content) in files {
        world.repo.write(&format!("web/root{path}"), content);
    }
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    forget(&mut world);
    world
}

fn forget(world: &mut World) {
    world.declared.apps.clear();
    world.configure();
    eventually("web is declared no more", SOON, || status(world, "web").is_null() && !orphans(world).is_empty());
}

fn destroy(world: &World, name: &str) -> Value {
    world.cli(&["destroy", name, "--json"]).json()
}

/// Returns the plan that waits to destroy `web`.
fn waiting(world: &World) -> String {
    let report = destroy(world, "web");
    assert_eq!((word(&report, "outcome"), word(&report, "code")), ("held", "guard.destroy"), "{report:#}");
    word(&report, "plan").to_owned()
}

#[test]
fn it_waits_for_a_person_and_takes_away_what_is_still_as_it_was_left() {
    let mut world = world();
    world.configure();
    world.edit("/etc/found", "found\n");
    world.repo.write("web/root/etc/one", "1\n").write("web/root/etc/deep/er/two", "2\n");
    world.repo.write("web/root/etc/edited", "from git\n").write("web/root/etc/found", "found\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let declared = world.cli(&["destroy", "web"]).code(2);
    assert!(
        declared.stderr.contains("application.declared") && declared.stderr.contains("take its document away first")
    );
    forget(&mut world);
    world.edit("/etc/edited", "by hand\n");

    let shown = world.cli(&["plan", "web"]).code(1).stdout;
    assert!(shown.contains("2 to delete, 2 to release") && shown.contains("held: destroy"), "{shown}");
    let plan = waiting(&world);
    assert_eq!(world.cli(&["plan", "web", "--json"]).json()["plan"]["id"], plan.as_str());
    assert_eq!(word(&destroy(&world, "web"), "plan"), plan, "it is the same plan again");
    let shown = world.cli(&["status"]).code(1).stdout;
    assert!(shown.contains("DECLARED NO MORE") && shown.contains(&plan[..12]), "{shown}");
    assert_eq!(world.read("/etc/one").as_deref(), Some("1\n"));
    world.restart();

    let report = world.cli(&["approve", &plan, "--json"]).code(0).json();
    assert_eq!(report["outcome"], "applied", "{report:#}");
    assert_eq!((world.read("/etc/one"), world.read("/etc/deep/er/two")), (None, None));
    assert_eq!(world.read("/etc/edited").as_deref(), Some("by hand\n"), "not as it was left");
    assert_eq!(world.read("/etc/found").as_deref(), Some("found\n"), "it was there before");
    assert_eq!(orphans(&world), []);
    let _ = world.cli(&["approve", &plan]).code(2);
    let gone = world.cli(&["destroy", "web"]).code(2);
    assert!(gone.stderr.contains("application.unknown"), "{}", gone.stderr);
    let acts: Vec<_> = records(&world, "web")
        .iter()
        .filter(|one| one["kind"] == "act")
        .map(|one| one["body"]["act"].clone())
        .collect();
    assert_eq!(acts, ["approve", "destroy", "destroy"]);

    // It comes back as it was by `restore`, and by its document.
    world.repo.git(&["config", "user.name", "Ada"]);
    world.repo.git(&["config", "user.email", "ada@example.org"]);
    let clone = world.repo.work().display().to_string();
    let restored = world.cli(&["restore", &plan, "--repository", &clone, "--json"]).code(0).json();
    assert_eq!(restored["leftOut"], Value::Array(vec![]), "{restored:#}");
    world.declared.apps.push(App::new("web", &["web"]));
    world.configure();
    let plan = super::telling::held(&world, "web", "adoption");
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &first);
    assert_eq!(world.read("/etc/one").as_deref(), Some("1\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn one_that_is_declared_again_meanwhile_is_not_destroyed() {
    let mut world = orphaned(&[("/etc/one", "1\n")]);
    let plan = waiting(&world);
    let no = world.cli(&["reject", &plan, "--reason", "keep it", "--json"]).code(0).json();
    assert_eq!(word(&no, "code"), "guard.rejected", "{no:#}");
    let _ = world.cli(&["approve", &plan]).code(2);
    let shown = world.cli(&["status"]).code(0).stdout;
    assert!(shown.contains("DECLARED NO MORE") && !shown.contains(&plan[..12]), "{shown}");
    // Who asks again is asked again.
    assert_eq!(waiting(&world), plan);
    world.declared.apps.push(App::new("web", &["web"]));
    world.configure();
    until(&world, "web", "it is kept true again", |status| status["objects"] == 1 && status["outcome"] == "unchanged");
    let refused = world.cli(&["approve", &plan]).code(2);
    assert!(refused.stderr.contains("application.declared"), "{}", refused.stderr);
    assert_eq!((world.read("/etc/one").as_deref(), orphans(&world).len()), (Some("1\n"), 0));
    all_is_well(&world, &["web"]);
}

#[test]
fn what_another_application_wants_is_handed_over_and_not_deleted() {
    let mut world = world_of(&[App::new("web", &["web"]), App::new("site", &["site"])]);
    world.repo.write("web/root/etc/shared", "s\n").write("web/root/etc/own", "o\n").write("site/root/etc/site", "s\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "site", &first);
    // `site` wants what `web` holds, and cannot have it.
    world.repo.write("site/root/etc/shared", "s\n");
    world.repo.land("both want it");
    until(&world, "site", "it is held", |status| status["code"] == "guard.claim");
    world.declared.apps.remove(0);
    world.configure();
    eventually("site takes it over", SOON, || orphans(&world) == [("web".to_owned(), 1)]);
    let plan = waiting(&world);
    let _ = world.cli(&["approve", &plan]).code(0);
    assert_eq!((world.read("/etc/shared").as_deref(), world.read("/etc/own")), (Some("s\n"), None));
    assert_eq!(orphans(&world), []);
    all_is_well(&world, &["site"]);
}

#[test]
fn the_rules_that_bound_it_bind_its_end() {
    let mut world = declaring("");
    let rule = "{ match: { labels: { team: edge } }, deny: { when: \"step.action == 'delete'\", message: edge is not deleted } }";
    world.declared.more = format!("---\n{}", document("Policy", "edge", rule));
    let labelled = "apiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: { name: web, labels: { team: edge } }\n\
                    spec: { source: { repository: platform, path: web }, target: host }\n";
    world.repo.write("trueup/web.yaml", labelled).write("web/root/etc/web", "web\n");
    app(&world, "mail");
    let first = world.repo.land("both");
    world.start();
    applied(&world, "web", &first);
    world.repo.remove("trueup/web.yaml");
    let second = world.repo.land("no more web");
    applied(&world, "declarations", &second);
    eventually("web is left alone", SOON, || orphans(&world) == [("web".to_owned(), 1)]);
    world.restart();
    let plan = waiting(&world);
    let report = world.cli(&["approve", &plan, "--json"]).code(1).json();
    assert_eq!((word(&report, "outcome"), word(&report, "code")), ("held", "policy.deny"), "{report:#}");
    assert_eq!(world.read("/etc/web").as_deref(), Some("web\n"));
    world.declared.more = String::new();
    world.configure();
    eventually("nothing binds it any more", SOON, || {
        world.cli(&["approve", &plan, "--json"]).json()["outcome"] == "applied"
    });
    assert_eq!(world.read("/etc/web"), None);
    all_is_well(&world, &["declarations", "mail"]);
}

#[test]
fn one_whose_target_is_gone_waits_for_its_target() {
    let world = orphaned(&[("/etc/one", "1\n")]);
    let text = fs::read_to_string(world.configure()).unwrap();
    let without: Vec<_> = text.split("---\n").filter(|document| !document.contains("kind: Target")).collect();
    fs::write(world.path("config.yaml"), without.join("---\n")).unwrap();
    eventually("the target is gone", SOON, || world.cli(&["destroy", "web"]).stderr.contains("target.unknown"));
    assert_eq!(world.read("/etc/one").as_deref(), Some("1\n"));
    world.configure();
    eventually("it is there again", SOON, || !world.cli(&["destroy", "web"]).stderr.contains("target.unknown"));
    let plan = waiting(&world);
    let _ = world.cli(&["approve", &plan]).code(0);
    assert_eq!(world.read("/etc/one"), None);
    intact(&world);
}

#[test]
fn what_cannot_be_examined_stays_and_is_taken_away_another_time() {
    let world = orphaned(&[("/etc/one", "1\n"), ("/etc/locked/two", "2\n")]);
    if rustix::process::geteuid().is_root() {
        // A link where a folder was: it is not followed, whoever looks.
        fs::rename(world.live("/etc/locked"), world.live("/etc/elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", world.live("/etc/locked")).unwrap();
    } else {
        fs::set_permissions(world.live("/etc/locked"), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let report = destroy(&world, "web");
    assert_eq!((word(&report, "outcome"), word(&report, "code")), ("degraded", "guard.unknown"), "{report:#}");
    assert_eq!((world.read("/etc/one").as_deref(), orphans(&world)), (Some("1\n"), vec![("web".to_owned(), 2)]));
    if rustix::process::geteuid().is_root() {
        fs::remove_file(world.live("/etc/locked")).unwrap();
        fs::rename(world.live("/etc/elsewhere"), world.live("/etc/locked")).unwrap();
    } else {
        fs::set_permissions(world.live("/etc/locked"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let plan = waiting(&world);
    let _ = world.cli(&["approve", &plan]).code(0);
    assert_eq!((world.read("/etc/one"), world.read("/etc/locked/two"), orphans(&world)), (None, None, vec![]));
    intact(&world);
}
