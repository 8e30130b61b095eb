//! The whole story with a Git host, told once from its beginning.

use std::fmt::Write as _;
use std::time::Instant;

use super::pulls::{comment, plan_id, propose, ran, status};
use super::scene::{SOON, Scene};
use super::statuses::until;
use super::world::parts::say;
use super::world::{App, Browser, ended, eventually, free, login, private};

#[test]
fn from_the_first_push_to_a_revert_by_the_daemon_and_a_login() {
    let Some(mut scene) = Scene::new() else { return };
    let (robot, mut browser) = (scene.forge(""), Browser::new());
    let Some(_front) = scene.reverts(&robot) else { return };
    scene.world.declared.apps = vec![App::new("web", &["web"]).sync("interval: 1h\nonFailure: revert")];
    scene.world.declared.commands = vec!["/bin/false".into()];
    let _ = write!(scene.world.declared.daemon, "\n  url: http://{}", scene.listen);
    let server = logins(&mut scene, &mut browser);
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
    say(&format!("from the push to live: {:.0?}", pushed.elapsed()));
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

    // What breaks is taken back, live and in Git, and is red on its commit.
    scene.unprotect();
    catch_up(&scene);
    let check =
        "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: { name: no }\nspec: { command: [/bin/false] }\n";
    let bad = propose(&scene, "bad", &[("web/root/etc/motd", "broken\n"), ("web/host.yaml", check)]);
    status(&scene, bad, "success: 1 application would change");
    let bad = scene.host.merge(&scene.ada, &scene.repository, bad);
    until(&scene, &bad, "trueup/web", "failure: rolled back: ");
    scene.world.until_live("/etc/motd", "three\n");
    eventually("Git is set back", SOON, || scene.main() != bad);
    let reverted = scene.main();
    until(&scene, &reverted, "trueup/web", "success: ");
    catch_up(&scene);
    let message = scene.world.repo.git(&["log", "-1", "--format=%an: %s"]);
    assert!(message.starts_with("trueup: Revert "), "{message}");
    assert_eq!(scene.world.read("/etc/motd").as_deref(), Some("three\n"));
    // Another one is about nothing that runs here.
    let number = propose(&scene, "aside", &[("docs/x", "x\n")]);
    status(&scene, number, "success: nothing changes");

    // And a person comes with the account that they have there.
    let (child, address) = login(&scene.world, &server);
    let page = browser.log_in(&scene.ada, &address);
    let (code, said) = ended(child);
    assert_eq!(code, 0, "{said}\n{}", page.body);
    let seen = scene.world.cli(&["--server", &server, "status", "--json"]).json();
    assert_eq!(seen["applications"][0]["applied"], reverted.as_str());
    assert_eq!(scene.world.cli(&["--server", &server, "sync", "web"]).code, 2, "a viewer may not");
    drop(scene.world.cli(&["audit", "verify"]).code(0));
}

/// Lets people log in with their accounts at the Git host, lets Ada see everything, and returns where.
fn logins(scene: &mut Scene, browser: &mut Browser) -> String {
    let server = format!("http://{}", free());
    let (client, secret) = scene.host.oauth(&scene.ada, &format!("{server}/v1/login/callback"), true);
    let (issuer, secret) = (browser.issuer(&scene.host), private(&scene.world, "client", &secret));
    let id = &scene.host.get(&format!("users/{}", scene.ada.name))["id"];
    let account = format!("{}/{id}", issuer.trim_end_matches('/'));
    let listen = server.trim_start_matches("http://");
    let _ = write!(
        scene.world.declared.daemon,
        "\napi:\n  listen: {listen}\n  url: {server}\n  login: {{ issuer: {issuer}, clientId: {client}, clientSecret: {{ file: {secret} }} }}"
    );
    let head = "---\napiVersion: trueup.dev/v1alpha1\nkind";
    scene.world.declared.more = format!(
        "{head}: Person\nmetadata: {{ name: ada }}\nspec: {{ login: '{account}' }}\n\
         {head}: Role\nmetadata: {{ name: readers }}\nspec: {{ role: viewer, people: [ada] }}\n"
    );
    server
}

/// Brings the work clone to what the Git host merged.
fn catch_up(scene: &Scene) {
    scene.world.repo.git(&["fetch", "--quiet", "origin", "main"]);
    scene.world.repo.git(&["reset", "--quiet", "--hard", "origin/main"]);
}
