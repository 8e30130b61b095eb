//! The whole story with a Git host, told once from its beginning.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::pulls::{comment, plan_id, propose, ran, status};
use super::scene::{Scene, private};
use super::statuses::until;
use super::world::eventually;

#[test]
fn from_the_first_push_to_a_merge_that_does_what_was_shown() {
    let Some(mut scene) = Scene::new() else { return };
    let robot = scene.forge("");
    scene.world.declared.commands = vec!["/bin/false".into()];
    let _ = write!(scene.world.declared.daemon, "\n  url: http://{}", scene.listen);
    let first = scene.world.repo.write("web/root/etc/motd", "one\n").land("first");
    scene.world.start();
    scene.world.until_live("/etc/motd", "one\n");

    // The daemon tells the Git host of itself, with a person's token.
    let own = private(&scene.world, "own", &scene.host.token(&scene.ada, &["write:repository"]));
    let _ = scene.world.cli(&["forge", "setup", "--owner-token", &own]).code(0);
    until(&scene, &first, "trueup/web", "success: live: 1 step");

    // push → webhook → live, and the commit says so.
    let second = scene.world.repo.write("web/root/etc/motd", "two\n").commit("second");
    let pushed = Instant::now();
    scene.world.repo.push();
    scene.world.until_live("/etc/motd", "two\n");
    println!("from the push to live: {:?}", pushed.elapsed());
    until(&scene, &second, "trueup/web", "success: live: 1 step");

    // Nobody merges what was not planned.
    scene.host.protect(&scene.repository, "main", &["trueup/plan"]);
    let number = propose(&scene, "next", &[("web/root/etc/motd", "three\n")]);
    status(&scene, number, "success: 1 application would change");
    let plan = plan_id(&comment(&scene, number, &robot, "+three"));
    assert_eq!(scene.world.read("/etc/motd").as_deref(), Some("two\n"));

    // merge → live, by the very plan.
    let merged = scene.host.merge(&scene.ada, &scene.repository, number);
    scene.world.until_live("/etc/motd", "three\n");
    until(&scene, &merged, "trueup/web", "success: live: 1 step");
    assert_eq!(ran(&scene, &merged), plan, "the plan that ran is the one that was shown");

    catch_up(&scene);
    // What breaks is taken back, and is red on its commit.
    let check =
        "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: { name: no }\nspec: { command: [/bin/false] }\n";
    let bad = propose(&scene, "bad", &[("web/root/etc/motd", "broken\n"), ("web/host.yaml", check)]);
    status(&scene, bad, "success: 1 application would change");
    let bad = scene.host.merge(&scene.ada, &scene.repository, bad);
    until(&scene, &bad, "trueup/web", "failure: rolled back: ");
    eventually("it is live as it was", Duration::from_secs(10), || {
        scene.world.read("/etc/motd").as_deref() == Some("three\n")
    });
    // Another one is about nothing that runs here.
    catch_up(&scene);
    let number = propose(&scene, "aside", &[("docs/x", "x\n")]);
    status(&scene, number, "success: nothing changes");
}

/// Brings the work clone to what the Git host merged.
fn catch_up(scene: &Scene) {
    scene.world.repo.git(&["fetch", "--quiet", "origin", "main"]);
    scene.world.repo.git(&["reset", "--quiet", "--hard", "origin/main"]);
}
