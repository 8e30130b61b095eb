//! What the Git host tells the daemon.

use std::time::Instant;

use super::scene::{SECRET, Scene};

#[test]
fn a_push_to_the_git_host_is_live_by_its_webhook() {
    let Some(mut scene) = Scene::new() else { return };
    scene.begin();
    for number in 0..3 {
        let content = format!("change {number}\n");
        scene.world.repo.write("web/root/etc/motd", &content).land("change");
        let pushed = Instant::now();
        scene.world.until_live("/etc/motd", &content);
        println!("from the end of the push to live: {:?}", pushed.elapsed());
    }
}

#[test]
fn the_git_host_is_refused_where_it_has_another_secret() {
    let Some(mut scene) = Scene::new() else { return };
    scene.world.repo.write("web/root/etc/motd", "one\n").land("first");
    scene.world.start();
    scene.world.until_live("/etc/motd", "one\n");
    let other = scene.host.webhook(&scene.repository, &scene.hook(), "another secret of thirty-two characters");
    scene.world.repo.write("web/root/etc/motd", "two\n").land("second");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(scene.world.read("/etc/motd").as_deref(), Some("one\n"), "nobody was believed");
    // The same event, from a hook that knows the secret.
    let hook = scene.host.webhook(&scene.repository, &scene.hook(), SECRET);
    assert_ne!(hook, other);
    scene.host.post(&format!("repos/{}/hooks/{hook}/tests", scene.repository), &serde_json::json!({}));
    scene.world.until_live("/etc/motd", "two\n");
}
