//! What became of each commit, as the Git host shows it.

use std::fmt::Write as _;
use std::time::Duration;

use super::scene::{SOON, Scene};
use super::world::{App, eventually};

/// Waits until the newest status of a context on a commit begins so.
pub fn until(scene: &Scene, commit: &str, context: &str, wanted: &str) {
    let mut last = String::new();
    let start = std::time::Instant::now();
    while !last.starts_with(wanted) {
        assert!(start.elapsed() < SOON, "{context} on {commit} is {last:?}, not {wanted:?}\n{}", scene.world.stderr());
        std::thread::sleep(Duration::from_millis(50));
        last = scene.host.history(&scene.repository, commit, context).pop().unwrap_or_default();
    }
}

#[test]
fn each_commit_shows_how_every_application_fared() {
    let Some(mut scene) = Scene::new() else { return };
    scene.forge("");
    let api = super::world::free();
    let _ = write!(scene.world.declared.daemon, "\napi:\n  listen: {api}\n  url: https://trueup.example.org");
    scene.world.declared.apps.push(App::new("db", &["db"]).sync("interval: 1h"));
    scene.world.declared.commands = vec!["/bin/false".into(), "/bin/true".into()];
    scene.world.repo.write("db/root/etc/db", "one\n");
    scene.begin();
    let first = scene.world.repo.head();
    until(&scene, &first, "trueup/web", "success: live: 1 step");
    until(&scene, &first, "trueup/db", "success: live: 1 step");
    let shown = scene.host.statuses(&scene.repository, &first);
    let link = |name: &str| format!("https://trueup.example.org/v1/applications/{name}/plan");
    assert!(shown.iter().any(|one| one[0] == "trueup/web" && one[3] == link("web")), "{shown:?}");

    // Drift that is put right says nothing of the commit.
    let before = scene.host.history(&scene.repository, &first, "trueup/web");
    scene.world.edit("/etc/motd", "by hand\n");
    scene.world.until_live("/etc/motd", "one\n");
    eventually("it is written down", SOON, || scene.world.stderr().matches("applied in").count() == 3);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(scene.host.history(&scene.repository, &first, "trueup/web"), before);

    // Only what a commit is about shows anything on it.
    let second = scene.world.repo.write("web/root/etc/motd", "two\n").land("second");
    until(&scene, &second, "trueup/web", "success: live: 1 step");
    assert_eq!(scene.host.statuses(&scene.repository, &second).len(), 1);

    // Held: somebody has such a file already.
    scene.world.edit("/etc/other", "by hand\n");
    let held = scene.world.repo.write("web/root/etc/other", "x\n").land("another");
    until(&scene, &held, "trueup/web", "pending: held: ");
    let plan = scene.world.cli(&["status", "--json"]).json();
    let plan =
        plan["applications"].as_array().unwrap().iter().find(|app| app["name"] == "web").unwrap()["plan"].clone();
    let _ = scene.world.cli(&["approve", plan.as_str().unwrap()]).code(0);
    until(&scene, &held, "trueup/web", "success: live: ");

    // Refused: it cannot be rendered.
    let refused = scene.world.repo.write("web/host.yaml", "kind: [\n").land("broken");
    until(&scene, &refused, "trueup/web", "failure: refused: ");

    // Rolled back: a check says no after the file was written.
    let check =
        "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: { name: no }\nspec: { command: [/bin/false] }\n";
    scene.world.repo.write("web/host.yaml", check).write("web/root/etc/other", "bad\n");
    let bad = scene.world.repo.land("bad");
    until(&scene, &bad, "trueup/web", "failure: rolled back: ");
    std::thread::sleep(Duration::from_secs(1));
    let story = scene.host.history(&scene.repository, &bad, "trueup/web");
    assert_eq!(scene.world.read("/etc/other").as_deref(), Some("x\n"));
    let mut once = story.clone();
    once.dedup();
    assert_eq!(once, story, "each state is told once");
    assert!(story.last().unwrap().starts_with("failure: rolled back: "), "{story:?}");
}

#[test]
fn nothing_is_lost_while_the_git_host_is_down_and_nothing_is_told_twice() {
    let Some(mut scene) = Scene::new() else { return };
    if !scene.host.is_ours() {
        return super::world::parts::skip("somebody else's Git host is not taken down");
    }
    scene.forge("plans: false");
    scene.begin();
    let first = scene.world.repo.head();
    until(&scene, &first, "trueup/web", "success: live: 1 step");
    let second = scene.world.repo.write("web/root/etc/motd", "two\n").commit("second");
    // The daemon gets it elsewhere, for the host goes down as soon as it has it.
    scene.world.declared.daemon += "\n";
    scene.world.repo.push();
    scene.world.until_live("/etc/motd", "two\n");
    scene.host.stop();
    // Drift is put right, which says nothing of a commit; and the daemon is killed.
    scene.world.edit("/etc/motd", "by hand\n");
    scene.world.until_live("/etc/motd", "two\n");
    scene.world.kill9();
    scene.host.resume();
    scene.world.start();
    until(&scene, &second, "trueup/web", "success: live: 1 step");
    std::thread::sleep(Duration::from_secs(2));
    for commit in [&first, &second] {
        let story = scene.host.history(&scene.repository, commit, "trueup/web");
        let states: Vec<_> = story.iter().filter(|one| one.starts_with("success")).collect();
        assert!(states.len() == 1 && story.len() <= 2, "{story:?}");
    }
}

#[test]
fn a_token_that_may_not_is_told_once_and_is_no_word_in_any_log() {
    let Some(mut scene) = Scene::new() else { return };
    scene.forge("plans: false");
    let token = super::world::private(&scene.world, "token", "0123456789abcdef0123456789abcdef01234567");
    scene.begin();
    let said = |scene: &Scene| scene.world.stderr().matches("forge.denied").count();
    eventually("the refusal is told", SOON, || said(&scene) > 0);
    let before = said(&scene);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(said(&scene), before, "and not at each try\n{}", scene.world.stderr());
    let text = std::fs::read_to_string(&token).unwrap();
    assert!(!scene.world.stderr().contains(&text));
    // Mended, without a restart: what was recorded meanwhile is told.
    let (_, lines) = super::scene::forge_again(&scene);
    std::fs::write(&token, lines).unwrap();
    let head = scene.world.repo.head();
    until(&scene, &head, "trueup/web", "success: live: 1 step");
}
