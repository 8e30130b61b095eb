//! The daemon is killed at every durable call of a sync, and at everything in between that has a name; whatever the moment,
//! the same plan is resumed and comes to the same end.

// A test says what went wrong by failing, and how much it tried by printing.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, unreachable_pub)]

#[path = "../faults/mod.rs"]
mod faults;
mod judge;
mod place;
mod scenario;
#[path = "../world/mod.rs"]
mod world;

use faults::{Counted, Fault, tally};
use judge::Undisturbed;
use scenario::Scenario;

/// Lets a copy run without any fault, and returns what it came to and the durable calls that it made.
fn undisturbed(scenario: &Scenario) -> (Undisturbed, Vec<Counted>) {
    let mut place = scenario.place();
    let faults = scenario.faults(&place, Fault::None);
    place.start(faults.environment());
    assert_eq!(scenario.go(&mut place, &faults), place::Seen::Settled, "{}", place.story());
    let undisturbed = Undisturbed::of(scenario, &place);
    place.terminate();
    place.until_dead();
    (undisturbed, faults.calls())
}

/// Kills a copy at each durable call of an undisturbed run, and judges what becomes of it.
fn kill_at_every_call(scenario: &Scenario, fault: fn(usize) -> Fault) {
    let (undisturbed, calls) = undisturbed(scenario);
    println!("{} calls: {:?}", calls.len(), tally(&calls));
    for number in 1..=calls.len() {
        let mut place = scenario.place();
        let faults = scenario.faults(&place, fault(number));
        let began = std::time::Instant::now();
        scenario.live(&mut place, &faults);
        assert_eq!(faults.calls().len(), number, "{:?} was not reached\n{}", fault(number), place.story());
        let died = began.elapsed();
        scenario.recover(&mut place);
        undisturbed.judge(scenario, &place, 1);
        println!("{number} {:?} {died:?} {:?}", calls[number - 1], began.elapsed());
    }
}

#[test]
fn a_sync_that_is_killed_before_any_durable_call_is_resumed() {
    kill_at_every_call(&Scenario::update(), Fault::KillBefore);
}
