//! As many deliveries as two cores send.

use std::collections::BTreeMap;
use std::time::Instant;

use super::sender::{Delivery, SOON, application, begin, looks, push, world};
use super::world::{World, eventually};

const DELIVERIES: usize = 10_000;
const SENDERS: usize = 2;
/// In KiB.
const GROWTH: u64 = 16 * 1024;

/// In KiB.
fn rss(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn k7_ten_thousand_deliveries_make_two_syncs_at_most() {
    let (mut world, to) = world();
    begin(&mut world);
    for number in 0..200 {
        Delivery::forgejo("push", &format!("warm {number}"), push()).send(to);
    }
    let (syncs, looked, before) = (application(&world)["syncs"].as_u64().unwrap(), looks(&world), rss(&world));
    world.repo.write("web/root/etc/motd", "two\n").land("second");
    let began = Instant::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            std::thread::spawn(move || {
                let mut answers = BTreeMap::<u16, usize>::new();
                for number in 0..DELIVERIES / SENDERS {
                    let id = format!("flood {sender} {number}");
                    *answers.entry(Delivery::forgejo("push", &id, push()).send(to).status).or_default() += 1;
                }
                answers
            })
        })
        .collect();
    let mut answers = BTreeMap::<u16, usize>::new();
    for (status, count) in senders.into_iter().flat_map(|sender| sender.join().unwrap()) {
        *answers.entry(status).or_default() += count;
    }
    let took = began.elapsed();
    world.until_live("/etc/motd", "two\n");
    eventually("the sync has ended", SOON, || application(&world)["syncing"] == false);
    let grown = rss(&world).saturating_sub(before);
    let (syncs, looked) = (application(&world)["syncs"].as_u64().unwrap() - syncs, looks(&world) - looked);
    #[allow(clippy::cast_precision_loss)]
    let rate = DELIVERIES as f64 / took.as_secs_f64();
    println!(
        "{DELIVERIES} deliveries in {took:.1?} ({rate:.0}/s): {answers:?}; {looked} looks, {syncs} syncs, RSS +{grown} KiB"
    );
    assert!(answers.keys().all(|status| [202, 429].contains(status)), "{answers:?}");
    assert!((1..=2).contains(&syncs), "{syncs} syncs");
    assert!(grown <= GROWTH, "{grown} KiB");

    // And names that nobody declared: they are not remembered, and the log is not filled.
    let (before, lines) = (rss(&world), world.stderr().lines().count());
    let began = Instant::now();
    for number in 0..DELIVERIES {
        let answer = Delivery::plain(b"{}".to_vec()).to(&format!("name-{number}")).send(to);
        assert!([403, 429].contains(&answer.status), "{}", answer.text);
    }
    let (grown, lines) = (rss(&world).saturating_sub(before), world.stderr().lines().count() - lines);
    let most = began.elapsed().as_secs() / 10 + 2;
    println!("{DELIVERIES} names in {:.1?}: RSS +{grown} KiB, {lines} lines in the log", began.elapsed());
    assert!(grown <= GROWTH && lines as u64 <= most, "{grown} KiB, {lines} lines");
}
