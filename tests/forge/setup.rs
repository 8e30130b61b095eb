//! `trueup forge setup` against the Git host.

use super::scene::Scene;
use super::world::{Ran, private};
use std::fmt::Write as _;

fn setup(scene: &Scene, more: &[&str]) -> Ran {
    scene.world.cli(&[&["forge", "setup"], more].concat())
}

#[test]
fn the_webhook_is_registered_once_and_put_right() {
    let Some(mut scene) = Scene::new() else { return };
    scene.forge("");
    let _ = write!(scene.world.declared.daemon, "\n  url: http://{}", scene.listen);
    scene.world.repo.write("web/root/etc/motd", "one\n").land("first");
    scene.world.start();
    scene.world.until_live("/etc/motd", "one\n");
    let hooks =
        |scene: &Scene| scene.host.get(&format!("repos/{}/hooks", scene.repository)).as_array().unwrap().clone();

    let refused = setup(&scene, &[]).code(2);
    assert!(refused.stderr.contains("--owner-token"), "the robot is no owner: {}", refused.stderr);
    let own = scene.host.token(&scene.ada, &["write:repository"]);
    let token = private(&scene.world, "own", &own);
    let by = ["--owner-token", token.as_str()];
    let printed = setup(&scene, &[&by[..], &["--print"]].concat()).code(1);
    assert!(printed.stdout.contains("platform  registered (to be done): there is none") && hooks(&scene).is_empty());
    let done = setup(&scene, &[&by[..], &["--json"]].concat()).code(0).json();
    assert_eq!(
        (done[0]["result"].as_str(), done[0]["url"].as_str()),
        (Some("registered"), Some(scene.hook().as_str()))
    );
    let there = hooks(&scene);
    let kind = if scene.host.is_forgejo() { "forgejo" } else { "gitea" };
    assert!(there.len() == 1 && there[0]["type"] == kind && there[0]["active"] == true, "{there:?}");
    // It is believed.
    scene.world.repo.write("web/root/etc/motd", "two\n").land("second");
    scene.world.until_live("/etc/motd", "two\n");
    // Again, there is nothing to do; what somebody switched off, or made twice, is put right; what leads elsewhere stays.
    assert!(setup(&scene, &by).code(0).stdout.contains("in order"));
    assert_eq!((hooks(&scene).len(), &hooks(&scene)[0]["id"]), (1, &there[0]["id"]));
    let elsewhere =
        scene.host.webhook(&scene.repository, "http://127.0.0.1:1/hooks/platform", "another secret of somebody");
    scene.host.webhook(&scene.repository, &scene.hook(), "a secret that nobody here knows");
    assert!(setup(&scene, &by).code(0).stdout.contains("cleaned up: it is there more than once"));
    let path = format!("repos/{}/hooks/{}", scene.repository, there[0]["id"]);
    scene.host.by(scene.host.admin(), reqwest::Method::PATCH, &path, &serde_json::json!({ "active": false }));
    assert!(setup(&scene, &by).code(0).stdout.contains("registered anew: it is switched off"));
    assert!(setup(&scene, &[&by[..], &["--renew"]].concat()).code(0).stdout.contains("registered anew"));
    let there = hooks(&scene);
    assert!(there.len() == 2 && there.iter().any(|hook| hook["id"] == elsewhere), "{there:?}");
    scene.world.repo.write("web/root/etc/motd", "three\n").land("third");
    scene.world.until_live("/etc/motd", "three\n");

    let unknown = setup(&scene, &["nothing"]).code(2);
    assert!(unknown.stderr.contains("these have: platform"), "{}", unknown.stderr);
    let said = [&done.to_string(), &printed.stdout, &refused.stderr, &unknown.stderr, &scene.world.stderr()]
        .map(String::clone);
    assert!(said.iter().all(|text| !text.contains(&own) && !text.contains(super::scene::SECRET)));
}
