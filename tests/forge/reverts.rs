//! The daemon takes what failed out of Git at a real Git host: by a push, and by a pull request where the branch is protected.

use std::fs;

use serde_json::Value;

use super::scene::{SOON, Scene};
use super::world::{App, World, eventually};

const CHECK: &str = "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: { name: site }\nspec: { command: ";

fn web(world: &World) -> Value {
    world.cli(&["status", "--json"]).json()["applications"][0].clone()
}

fn applied(world: &World, revision: &str) {
    let good = |now: &Value| now["outcome"] == "applied" || now["outcome"] == "unchanged";
    eventually("it is live", SOON, || web(world)["applied"] == revision && good(&web(world)));
}

/// Pushes a commit that fails once the gate is opened, and returns it.
fn gated(scene: &Scene, content: &str) -> String {
    let (gate, world) = (scene.world.path("gate"), &scene.world);
    let _ = fs::remove_file(&gate);
    let waits = scene.world.path("gate.waits");
    let _ = fs::remove_file(&waits);
    let wait = format!("touch {}; while [ ! -e {} ]; do sleep 0.02; done; exit 1", waits.display(), gate.display());
    let check = format!("{CHECK}[/bin/sh, -c, {}] }}\n", Value::from(wait));
    let bad = world.repo.write("web/check.yaml", check).write("web/root/etc/motd", content).land("a new message");
    eventually("the check runs", SOON, || waits.exists());
    bad
}

#[test]
fn what_failed_is_pushed_back_and_proposed_where_the_branch_is_protected() {
    let Some(mut scene) = Scene::new() else { return };
    let robot = scene.forge("");
    let Some(_front) = scene.reverts(&robot) else { return };
    scene.world.declared.commands = vec!["/bin/sh".into()];
    scene.world.declared.apps = vec![App::new("web", &["web"]).sync("interval: 1h\nonFailure: revert")];
    scene.begin();

    // Whoever may push pushes; the webhook rings for it as for any other push.
    let bad = gated(&scene, "bad\n");
    fs::write(scene.world.path("gate"), "").unwrap();
    eventually("main is set back", SOON, || scene.main() != bad);
    let commit = scene.main();
    applied(&scene.world, &commit);
    scene.world.until_live("/etc/motd", "one\n");
    let shown = scene.host.get(&format!("repos/{}/git/commits/{commit}", scene.repository));
    assert_eq!((&shown["parents"][0]["sha"], &shown["commit"]["author"]["name"]), (&bad.into(), &"trueup".into()));
    assert!(shown["commit"]["message"].as_str().unwrap().starts_with("Revert \"a new message\"\n"), "{shown:#}");

    // A protected branch takes no push: a pull request waits for whoever may merge.
    scene.world.repo.git(&["fetch", "--quiet"]);
    scene.world.repo.reset("origin/main");
    let worse = gated(&scene, "worse\n");
    scene.host.protect(&scene.repository, "main", &[]);
    fs::write(scene.world.path("gate"), "").unwrap();
    eventually("it is proposed", SOON, || web(&scene.world)["revert"]["stage"] == "proposed");
    assert_eq!(scene.main(), worse);
    let now = web(&scene.world);
    let pulls = scene.host.get(&format!("repos/{}/pulls?state=open", scene.repository));
    let pull = &pulls[0];
    assert_eq!((pulls.as_array().unwrap().len(), &pull["html_url"]), (1, &now["revert"]["link"]), "{now:#}");
    assert_eq!((&pull["head"]["ref"], &pull["base"]["ref"]), (&now["revert"]["branch"], &"main".into()));
    assert!(pull["title"].as_str().unwrap().starts_with("Revert \"a new message\""), "{pull:#}");
    assert!(pull["body"].as_str().unwrap().contains(&worse), "{pull:#}");
    let merged = scene.host.merge(&scene.ada, &scene.repository, pull["number"].as_u64().unwrap());
    applied(&scene.world, &merged);
    scene.world.until_live("/etc/motd", "one\n");
    assert_eq!((&web(&scene.world)["revert"], &web(&scene.world)["bad"]), (&Value::Null, &Value::Null));
    drop(scene.world.cli(&["audit", "verify"]).code(0));
}
