//! How much memory the daemon takes for one repository and 1,000 applications of 4 files each. `cargo bench --bench memory`;
//! arguments of the form `NAME=VALUE` go into the daemon's environment.
#![allow(clippy::print_stdout, clippy::expect_used)]

mod table;
#[path = "../world/mod.rs"]
mod world;

use std::time::Duration;

use table::row;
use world::{App, World, eventually};

const APPLICATIONS: usize = 1_000;
const FILES: usize = 4;
const ROUNDS: u64 = 10;
/// In KiB.
const GOAL: u64 = 48 * 1024;

fn main() {
    let mut world = World::new();
    let given = std::env::args().skip(1);
    let given = given.filter_map(|one| one.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    world.environment.extend(given);
    world.declared.poll = "5s".into();
    for number in 0..APPLICATIONS {
        let folder = format!("apps/{number}");
        for file in 0..FILES {
            let content = format!("# application {number}, file {file}\nlisten = {number}\n");
            world.repo.write(&format!("{folder}/root/etc/app-{number}/{file}.conf"), content);
        }
        world.declared.apps.push(App::new(&format!("app-{number}"), &[&folder]).sync("interval: 5s"));
    }
    world.repo.land("a thousand applications");
    world.start();
    eventually("every application has had its first sync", Duration::from_mins(5), || least(&world) >= 1);
    let first = world.cli(&["status", "--json"]).json();
    let objects = first["applications"].as_array().expect("applications").iter();
    let objects: u64 = objects.map(|application| application["objects"].as_u64().unwrap_or(0)).sum();
    assert_eq!(objects, (APPLICATIONS * FILES) as u64);
    let begun = memory(world.pid());
    eventually("ten rounds", Duration::from_mins(5), || least(&world) > ROUNDS);
    let end = memory(world.pid());

    let name = |what: &str| format!("{APPLICATIONS} applications, 1 repository: {what}");
    row(&name("RSS after the first round"), &mib(begun.rss), "", None);
    row(&name("RSS after 10 more"), &mib(end.rss), "at most 48 MiB", Some(end.rss <= GOAL));
    row(&name("of that its own memory"), &mib(end.anonymous), "", None);
    row(&name("of that the program's file"), &mib(end.file), "", None);
    row(&name("peak RSS"), &mib(end.peak), "", None);
}

/// Returns how many syncs the application has that has fewest.
fn least(world: &World) -> u64 {
    // Looking costs the daemon too: not more often than a few times a round.
    std::thread::sleep(Duration::from_secs(1));
    let status = world.cli(&["status", "--json"]).json();
    let applications = status["applications"].as_array().expect("applications").iter();
    applications.map(|application| application["syncs"].as_u64().unwrap_or(0)).min().unwrap_or(0)
}

/// In KiB.
struct Memory {
    rss: u64,
    anonymous: u64,
    file: u64,
    peak: u64,
}

fn memory(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon is running");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Memory { rss: field("VmRSS"), anonymous: field("RssAnon"), file: field("RssFile"), peak: field("VmHWM") }
}

#[allow(clippy::cast_precision_loss)]
fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}
