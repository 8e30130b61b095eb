//! From a commit on the server to a file on the host, by `trueup sync APP`, beside a bare `git fetch` of the same commit.
//! `cargo bench --bench live`.
#![allow(clippy::print_stdout, clippy::expect_used)]

mod table;
#[path = "../world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use table::{ms, quantile, row};
use world::{App, World, clean, must};

const WARM: usize = 5;
const COMMITS: usize = 100;
const FILES: usize = 200;
/// What a sync may take more than the fetch.
const MORE: Duration = Duration::from_millis(50);

fn main() {
    let mut world = World::new();
    world.declared.apps = vec![App::new("site", &["site"]).sync("interval: 1h")];
    // Only `trueup sync` asks the server.
    world.declared.poll = "1h".into();
    for number in 0..FILES {
        world.repo.write(&format!("site/root/etc/site/{number}.conf"), format!("port = {number}\n"));
    }
    world.repo.land("start");
    let url = world.server.url(world.repo.name());
    let mirror = world.path("bare.git");
    must(clean("git", &world.path("home")).args(["clone", "-q", "--bare", &url]).arg(&mirror));
    world.start();
    world.until_live("/etc/site/0.conf", "port = 0\n");
    // The first sync may still be at its last step.
    let _ = world.cli(&["sync", "site"]).code(0);

    let (mut syncs, mut fetches) = (vec![], vec![]);
    for number in 0..WARM + COMMITS {
        let content = format!("change {number}\n");
        world.repo.write("site/root/etc/site/0.conf", &content);
        let commit = world.repo.land("change");
        let sync = || {
            let began = Instant::now();
            let _ = world.cli(&["sync", "site"]).code(0);
            let took = began.elapsed();
            assert_eq!(world.read("/etc/site/0.conf"), Some(content.clone()));
            took
        };
        let fetch = || {
            let began = Instant::now();
            let mut git = clean("git", &world.path("home"));
            must(git.arg("-C").arg(&mirror).args(["fetch", "-q", &url, "+main:main"]));
            let took = began.elapsed();
            let mut git = clean("git", &world.path("home"));
            let head = must(git.arg("-C").arg(&mirror).args(["rev-parse", "main"])).stdout;
            assert_eq!(String::from_utf8_lossy(&head).trim(), commit);
            took
        };
        // Turn about: whoever comes second finds the server warm.
        let (one, other) = if number % 2 == 0 {
            let one = sync();
            (one, fetch())
        } else {
            let other = fetch();
            (sync(), other)
        };
        if number >= WARM {
            syncs.push(one);
            fetches.push(other);
        }
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let (one, other) = (quantile(&syncs, share), quantile(&fetches, share));
        row(&format!("bare `git fetch` of one commit, {name}"), &ms(other), "", None);
        let goal = format!("at most {}", ms(other + MORE));
        row(&format!("commit to live by `trueup sync`, {name}"), &ms(one), &goal, Some(one <= other + MORE));
    }
}
