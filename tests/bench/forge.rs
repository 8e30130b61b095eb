//! From a push to a real Git host to a file on this one, by its webhook alone. `cargo bench --bench forge`.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used, unreachable_pub)]

#[path = "../forge/scene.rs"]
mod scene;
mod table;
#[path = "../world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use scene::Scene;
use table::{ms, quantile, row};

const WARM: usize = 3;
const PUSHES: usize = 30;
const GOAL: Duration = Duration::from_secs(1);

fn main() {
    let Some(mut scene) = Scene::new() else { return };
    scene.begin();
    let (mut whole, mut told) = (vec![], vec![]);
    for number in 0..WARM + PUSHES {
        let content = format!("change {number}\n");
        scene.world.repo.write("web/root/etc/motd", &content).commit("change");
        let began = Instant::now();
        scene.world.repo.push();
        let pushed = Instant::now();
        while scene.world.read("/etc/motd").as_deref() != Some(content.as_str()) {
            assert!(pushed.elapsed() < Duration::from_secs(30), "it does not become live");
            std::thread::sleep(Duration::from_millis(1));
        }
        if number >= WARM {
            whole.push(began.elapsed());
            told.push(pushed.elapsed());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let taken = quantile(&whole, share);
        row(&format!("push to Gitea, webhook, live, {name}"), &ms(taken), "at most 1 s", Some(taken <= GOAL));
        row(&format!("of that from the end of the push on, {name}"), &ms(quantile(&told, share)), "", None);
    }
}
