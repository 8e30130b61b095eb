//! As many deliveries as two cores send.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use super::sender::{Delivery, SOON, application, begin, looks, push, world};
use super::world::parts::say;
use super::world::{World, eventually};

const DELIVERIES: u32 = 10_000;
const SENDERS: u32 = 2;
/// In KiB.
const GROWTH: u64 = 16 * 1024;

/// In KiB.
fn rss(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// What became of deliveries that came as fast as two cores send them.
struct Flood {
    answers: BTreeMap<u16, usize>,
    syncs: u64,
}

/// Pushes `content`, and sends deliveries from so many addresses in turn; how that went is printed.
fn flood(world: &mut World, to: SocketAddr, content: &str, addresses: u32) -> Flood {
    let (syncs, looked, before) = (application(world)["syncs"].as_u64().unwrap(), looks(world), rss(world));
    world.repo.write("web/root/etc/motd", content).land("news");
    let began = Instant::now();
    let share = DELIVERIES / SENDERS;
    let send = move |sender: u32| {
        let each = move |number: u32| {
            let id = format!("{addresses} {sender} {number}");
            // None that another flood has used up.
            let from = Ipv4Addr::from(0x7f00_0001 + (addresses << 8) + number % addresses);
            Delivery::forgejo("push", &id, push()).send_from(from, to).status
        };
        (0..share).map(each).fold(BTreeMap::new(), counted)
    };
    let senders: Vec<_> = (0..SENDERS).map(|sender| std::thread::spawn(move || send(sender))).collect();
    let answers = senders.into_iter().flat_map(|sender| sender.join().unwrap());
    let answers = answers.fold(BTreeMap::new(), |all, (status, count)| add(all, status, count));
    let took = began.elapsed();
    world.until_live("/etc/motd", content);
    eventually("the sync has ended", SOON, || application(world)["syncing"] == false);
    let grown = rss(world).saturating_sub(before);
    let (syncs, looked) = (application(world)["syncs"].as_u64().unwrap() - syncs, looks(world) - looked);
    let rate = f64::from(DELIVERIES) / took.as_secs_f64();
    say(&format!(
        "{DELIVERIES} deliveries from {addresses} addresses in {took:.1?} ({rate:.0}/s): {answers:?}; {looked} looks, {syncs} syncs, RSS \
         +{grown} KiB"
    ));
    assert!(grown <= GROWTH, "{grown} KiB");
    Flood { answers, syncs }
}

fn counted(answers: BTreeMap<u16, usize>, status: u16) -> BTreeMap<u16, usize> {
    add(answers, status, 1)
}

fn add(mut answers: BTreeMap<u16, usize>, status: u16, count: usize) -> BTreeMap<u16, usize> {
    *answers.entry(status).or_default() += count;
    answers
}

#[test]
fn k7_ten_thousand_deliveries_make_two_syncs_at_most() {
    let (mut world, to) = world();
    begin(&mut world);
    for number in 0..200 {
        Delivery::forgejo("push", &format!("warm {number}"), push()).send(to);
    }
    // From one address, most are told to come later; from a hundred, each is within its share, and all are heard.
    let one = flood(&mut world, to, "two\n", 1);
    assert!(one.answers.keys().all(|status| [202, 429].contains(status)), "{:?}", one.answers);
    let many = flood(&mut world, to, "three\n", 100);
    assert_eq!(many.answers, BTreeMap::from([(202, DELIVERIES as usize)]));
    for flood in [one, many] {
        assert!((1..=2).contains(&flood.syncs), "{} syncs", flood.syncs);
    }

    // And names that nobody declared: they are not remembered, and the log is not filled.
    let (before, lines) = (rss(&world), world.stderr().lines().count());
    let began = Instant::now();
    for number in 0..DELIVERIES {
        let answer = Delivery::plain(b"{}".to_vec()).to(&format!("name-{number}")).send(to);
        assert!([403, 429].contains(&answer.status), "{}", answer.text);
    }
    let (grown, lines) = (rss(&world).saturating_sub(before), world.stderr().lines().count() - lines);
    let most = began.elapsed().as_secs() / 10 + 2;
    say(&format!("{DELIVERIES} names in {:.1?}: RSS +{grown} KiB, {lines} lines in the log", began.elapsed()));
    assert!(grown <= GROWTH && lines as u64 <= most, "{grown} KiB, {lines} lines");
}
