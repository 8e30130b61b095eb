//! A sink, or the daemon, is away for a while.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::receiver::{
    Receiver, SOON, answer, body, declare, header, land, ok, start, status, told, until, verifies, webhook, world,
};
use super::world::{Fault, eventually};

/// Returns the summaries of deliveries, without what comes before the revision.
fn revisions(requests: &[super::world::Request]) -> Vec<String> {
    requests.iter().map(|request| body(request)["revision"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_was_recorded_while_a_sink_was_down_is_told_in_order_once_it_is_back() {
    let (mut world, mut receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    let mut landed = vec![start(&mut world)];
    receiver.until(1);
    receiver.down();
    landed.extend(["two", "three", "four"].map(|text| land(&world, text)));
    let failing = until(&world, "ops", "three wait", |status| status["waiting"] == 3 && status["state"] != "ok");
    assert_eq!(failing["state"], "notify.unreachable", "{failing:#}");
    // The daemon goes, too, and more happens when it is back.
    world.restart();
    landed.push(land(&world, "five"));
    until(&world, "ops", "four wait", |status| status["waiting"] == 4);
    assert!(world.cli(&["status"]).stdout.contains("notify.unreachable"));
    let warned = world.stderr().matches("could not notify").count();
    assert_eq!(warned, 2, "said once by each daemon, not for each try:\n{}", world.stderr());
    receiver.up();
    let taken = receiver.until(5);
    assert_eq!(revisions(&taken), landed);
    let ids: BTreeSet<_> = taken.iter().map(|request| header(request, "webhook-id")).collect();
    assert_eq!(ids.len(), 5, "each once");
    assert!(taken.iter().all(verifies));
    let well = until(&world, "ops", "nothing waits", |status| status["waiting"] == 0);
    assert_eq!((&well["state"], &well["dropped"]), (&"ok".into(), &0.into()));
}

#[test]
fn what_is_killed_between_delivery_and_cursor_is_told_again_by_the_same_id() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    start(&mut world);
    receiver.until(1);
    // It is taken, and the daemon does not live to hear so.
    let seen = Arc::new(AtomicUsize::new(0));
    let ids = Arc::new(std::sync::Mutex::new(vec![]));
    let (counts, noted) = (seen.clone(), ids.clone());
    receiver.server().answer_with(move |request| {
        noted.lock().unwrap().push(header(request, "webhook-id").to_owned());
        if counts.fetch_add(1, Ordering::SeqCst) == 0 { Fault::Hang } else { ok() }
    });
    world.repo.write("web/root/etc/motd", "two\n").land("two");
    eventually("it is being told", SOON, || seen.load(Ordering::SeqCst) == 1);
    world.kill9();
    world.start();
    let third = land(&world, "three");
    let taken = receiver.until(3);
    let ids = ids.lock().unwrap();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0], ids[1], "told again, it is the same");
    assert_ne!(ids[1], ids[2]);
    assert_eq!(revisions(&taken)[2], third);
}

#[test]
fn an_orderly_stop_waits_for_the_answer_and_tells_nothing_twice() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    start(&mut world);
    receiver.until(1);
    let begun = Arc::new(AtomicBool::new(false));
    let seen = begun.clone();
    receiver.server().answer_with(move |_| {
        seen.store(true, Ordering::SeqCst);
        // The hook runs before the answer: this is how long it takes.
        std::thread::sleep(Duration::from_millis(700));
        ok()
    });
    world.repo.write("web/root/etc/motd", "two\n").land("two");
    eventually("it is being told", SOON, || begun.load(Ordering::SeqCst));
    assert!(world.stop().success());
    world.start();
    let third = land(&world, "three");
    let taken = receiver.until(3);
    assert_eq!(revisions(&taken)[2], third);
    assert_ne!(header(&taken[1], "webhook-id"), header(&taken[2], "webhook-id"));
}

#[test]
fn one_that_hangs_holds_up_neither_others_nor_a_sync_nor_the_stop() {
    let (mut world, slow, quick) = (world(), Receiver::new(), Receiver::new());
    declare(&mut world, "slow", &webhook(&slow));
    declare(&mut world, "quick", &webhook(&quick));
    slow.server().inject(Fault::Hang);
    start(&mut world);
    quick.until(1);
    for (count, text) in ["two", "three"].into_iter().enumerate() {
        land(&world, text);
        quick.until(count + 2);
    }
    assert!(status(&world, "slow")["waiting"].as_u64() >= Some(1));
    let begun = Instant::now();
    assert!(world.stop().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    slow.server().inject(ok());
    world.start();
    assert_eq!(told(&slow.until(3)), ["web changed"; 3]);
}

#[test]
fn one_that_asks_for_patience_gets_it() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    let times = Arc::new(std::sync::Mutex::new(vec![]));
    let noted = times.clone();
    receiver.server().answer_with(move |_| {
        let mut times = noted.lock().unwrap();
        times.push(Instant::now());
        if times.len() == 1 { answer(429, &[("retry-after", "4")], "slow down") } else { ok() }
    });
    start(&mut world);
    let busy = until(&world, "ops", "it is busy", |status| status["state"] == "notify.busy");
    assert!(busy["message"].as_str().unwrap().contains("slow down"), "{busy:#}");
    receiver.until(1);
    let times = times.lock().unwrap();
    assert!(times[1] - times[0] >= Duration::from_secs(4), "{:?}", times[1] - times[0]);
}
