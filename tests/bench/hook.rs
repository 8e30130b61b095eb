//! From a push to a file on the host, by a webhook alone: the poll comes once an hour. `cargo bench --bench hook`.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used)]

#[path = "../hooks/sender.rs"]
mod sender;
mod table;
#[path = "../world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use sender::{Delivery, begin, push, world as hearing};
use table::{ms, quantile, row};

const WARM: usize = 5;
const PUSHES: usize = 50;
const GOAL: Duration = Duration::from_secs(1);

fn main() {
    let (mut world, to) = hearing();
    begin(&mut world);
    let (mut whole, mut told) = (vec![], vec![]);
    for number in 0..WARM + PUSHES {
        let content = format!("change {number}\n");
        world.repo.write("web/root/etc/motd", &content);
        let began = Instant::now();
        world.repo.land("change");
        let pushed = Instant::now();
        let answer = Delivery::forgejo("push", &format!("push {number}"), push()).send(to);
        assert_eq!(answer.said(), "look");
        while world.read("/etc/motd").as_deref() != Some(content.as_str()) {
            assert!(pushed.elapsed() < Duration::from_secs(30), "it does not become live");
            std::thread::sleep(Duration::from_millis(1));
        }
        if number >= WARM {
            whole.push(began.elapsed());
            told.push(pushed.elapsed());
        }
        // Within what one sender may send.
        std::thread::sleep(Duration::from_millis(100));
    }
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let taken = quantile(&whole, share);
        row(&format!("commit, push, webhook, live, {name}"), &ms(taken), "at most 1 s", Some(taken <= GOAL));
        row(&format!("of that from the webhook on, {name}"), &ms(quantile(&told, share)), "", None);
    }
}
