//! What a delivery does: the poller looks, at once, and nothing else happens.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::sender::{Delivery, SOON, application, begin, looks, push, webhook, world};
use super::world::{Fault, eventually, private};

#[test]
fn a_push_is_live_at_once_whichever_git_host_tells_of_it() {
    let (mut world, to) = world();
    begin(&mut world);
    let shapes = [
        Delivery::forgejo("push", "f-1", push()),
        Delivery::gogs("push", "g-1", push()),
        Delivery::github("push", "h-1", push()),
        Delivery::gitlab("Push Hook", "l-1"),
    ];
    for (number, delivery) in shapes.iter().enumerate() {
        let content = format!("change {number}\n");
        world.repo.write("web/root/etc/motd", &content).land("change");
        std::thread::sleep(Duration::from_millis(300));
        assert_ne!(world.read("/etc/motd"), Some(content.clone()), "nobody told the daemon yet");
        let answer = delivery.send(to);
        assert_eq!((answer.status, answer.said()), (202, "look"), "{}", answer.text);
        world.until_live("/etc/motd", &content);
    }
    // None of them is on the trail: what was found is, as ever.
    let trail = world.cli(&["audit", "list", "--json"]).code(0).stdout;
    assert!(!trail.contains("hook") && trail.contains("\"poll\""), "{trail}");
}

#[test]
fn what_is_no_news_or_was_seen_already_is_answered_and_no_look_is_made() {
    let (mut world, to) = world();
    begin(&mut world);
    let before = looks(&world);
    let first = Delivery::forgejo("push", "twice", push()).send(to);
    assert_eq!((first.status, first.said()), (202, "look"));
    eventually("it has looked", SOON, || looks(&world) == before + 1);
    let quiet = [
        ("seen", Delivery::forgejo("push", "twice", push())),
        ("pong", Delivery::github("ping", "p", b"{\"zen\":\"Design for failure.\",\"hook_id\":1}".to_vec())),
        ("ignored", Delivery::forgejo("issues", "i", push())),
        ("ignored", Delivery::gitlab("System Hook", "s")),
        ("ignored", Delivery::forgejo("push", "e", push()).without("-event")),
    ];
    for (result, delivery) in quiet {
        let answer = delivery.send(to);
        assert_eq!((answer.status, answer.said()), (200, result), "{}", answer.text);
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(looks(&world), before + 1);
    let proposed = Delivery::forgejo("pull_request", "r", push()).send(to);
    assert_eq!((proposed.status, proposed.said()), (202, "look"));
    eventually("it has looked", SOON, || looks(&world) == before + 2);
    // One without an id is heard each time.
    for _ in 0..2 {
        assert_eq!(Delivery::forgejo("push", "", push()).without("-delivery").send(to).said(), "look");
        std::thread::sleep(Duration::from_millis(300));
    }
    eventually("it has looked twice", SOON, || looks(&world) == before + 4);
}

#[test]
fn a_hint_rings_within_50_ms() {
    let (mut world, to) = world();
    begin(&mut world);
    let (told, asked) = channel();
    world.server.answer_with(move |request| {
        if request.path.ends_with("/info/refs") {
            let _ = told.send(Instant::now());
        }
        Fault::None
    });
    let mut taken = vec![];
    for number in 0..20 {
        let delivery = Delivery::forgejo("push", &format!("n-{number}"), push());
        let began = Instant::now();
        assert_eq!(delivery.send(to).said(), "look");
        taken.push(asked.recv_timeout(SOON).unwrap().duration_since(began));
        // The look itself has to end.
        std::thread::sleep(Duration::from_millis(100));
    }
    taken.sort();
    println!("from a delivery to the Git server being asked: median {:?}, worst {:?}", taken[10], taken[19]);
    assert!(taken[10] < Duration::from_millis(50), "{taken:?}");
}

#[test]
fn many_deliveries_while_it_looks_make_one_more_look() {
    let (mut world, to) = world();
    begin(&mut world);
    let before = looks(&world);
    world.server.inject(Fault::Delay(Duration::from_secs(2)));
    assert_eq!(Delivery::forgejo("push", "first", push()).send(to).said(), "look");
    std::thread::sleep(Duration::from_millis(300));
    for number in 0..50 {
        assert_eq!(Delivery::forgejo("push", &format!("m-{number}"), push()).send(to).said(), "look");
    }
    eventually("it has looked", SOON, || looks(&world) == before + 2);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(looks(&world), before + 2);
}

#[test]
fn a_hint_wakes_a_poller_that_backs_off() {
    let (mut world, to) = world();
    begin(&mut world);
    world.server.inject(Fault::Status(503));
    assert_eq!(Delivery::forgejo("push", "while-down", push()).send(to).said(), "look");
    eventually("it is told that the server is away", SOON, || world.stderr().contains("could not follow"));
    world.server.inject(Fault::None);
    world.repo.write("web/root/etc/motd", "two\n").land("second");
    assert_eq!(Delivery::forgejo("push", "back", push()).send(to).said(), "look");
    world.until_live("/etc/motd", "two\n");
}

#[test]
fn another_secret_and_other_names_count_from_the_next_reload_and_disturb_nothing() {
    let (mut world, to) = world();
    begin(&mut world);
    let since = application(&world)["since"].clone();
    let other = "another secret of thirty-two characters";
    private(&world, "hook", other);
    world.signal(rustix::process::Signal::HUP);
    // The file is another; the document that names it is not.
    eventually("the new secret counts", SOON, || {
        let token = Delivery::gitlab("Push Hook", "").instead("X-Gitlab-Token", other);
        token.send(to).status == 202
    });
    assert_eq!(Delivery::gitlab("Push Hook", "").send(to).status, 403, "the old one does not");
    assert_eq!(Delivery::forgejo("push", "x", push()).send(to).status, 403);

    let secret = private(&world, "hook", super::sender::SECRET);
    world.declared.repository = webhook(&secret, &["ops/renamed", "ops/platform-old"]);
    world.configure();
    eventually("the new names count", SOON, || Delivery::forgejo("push", "y", push()).send(to).status == 422);
    let renamed = String::from_utf8(push()).unwrap().replace("ops/platform", "ops/renamed").into_bytes();
    assert_eq!(Delivery::forgejo("push", "z", renamed).send(to).said(), "look");

    world.declared.repository = String::new();
    world.configure();
    eventually("no webhook is heard", SOON, || Delivery::forgejo("push", "w", push()).send(to).status == 403);
    assert_eq!(application(&world)["since"], since, "the application goes on");
}
