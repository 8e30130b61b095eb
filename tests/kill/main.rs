//! The daemon is killed at every durable call of a sync, and at everything in between that has a name; whatever the moment,
//! the same plan is resumed and comes to the same end.

// A test says what went wrong by failing, and how much it tried by printing.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, unreachable_pub)]

#[path = "../faults/mod.rs"]
mod faults;
mod governed;
mod judge;
mod place;
mod scenario;
#[path = "../world/mod.rs"]
mod world;

use std::collections::BTreeMap;

use faults::{Counted, Fault, Faults, tally, tally_of_strace, under_strace};
use judge::{TakenBack, Undisturbed};
use place::{Place, Seen};
use scenario::Scenario;
use world::parts::say;

/// Lets a copy run without any fault, and returns what it came to and the durable calls that this took.
fn undisturbed(scenario: &Scenario) -> (Undisturbed, Vec<Counted>) {
    undisturbed_with(scenario, Place::faults)
}

fn undisturbed_with(scenario: &Scenario, faults: fn(&Place, Fault) -> Faults) -> (Undisturbed, Vec<Counted>) {
    let mut place = scenario.place();
    let faults = faults(&place, Fault::None);
    place.start(faults.environment());
    assert_eq!(scenario.go(&mut place), Seen::Settled, "{}", place.story());
    (Undisturbed::of(scenario, &place), faults.calls())
}

/// Kills a copy at each durable call, from its start to its stop, and judges what becomes of it.
fn kill_at_every_call(what: &str, scenario: &Scenario, fault: fn(usize) -> Fault) {
    let (undisturbed, calls) = undisturbed(scenario);
    let mut points = 0;
    loop {
        let mut place = scenario.place();
        let faults = place.faults(fault(points + 1));
        scenario.live(&mut place, &faults);
        if place.came_to_its_end() {
            break;
        }
        points += 1;
        assert_eq!(faults.calls().len(), points, "it went on after {:?}\n{}", fault(points), place.story());
        scenario.recover(&mut place);
        undisturbed.judge(scenario, &place, 1);
    }
    say(&format!("{what}: {} durable calls until it is live, {points} kill points until it is stopped", calls.len()));
    assert!(points >= calls.len(), "{points} kill points, and {:?}", tally(&calls));
}

#[test]
fn an_update_killed_before_any_durable_call_is_resumed() {
    kill_at_every_call("an update, killed before", &Scenario::update(), Fault::KillBefore);
}

#[test]
fn an_update_killed_after_any_durable_call_is_resumed() {
    kill_at_every_call("an update, killed after", &Scenario::update(), Fault::KillAfter);
}

#[test]
fn an_approved_mass_deletion_killed_before_any_durable_call_is_resumed() {
    kill_at_every_call("an approved mass deletion, killed before", &Scenario::mass_deletion(), Fault::KillBefore);
}

#[test]
fn an_approved_mass_deletion_killed_after_any_durable_call_is_resumed() {
    kill_at_every_call("an approved mass deletion, killed after", &Scenario::mass_deletion(), Fault::KillAfter);
}

/// Nothing durable happens that the kill points do not know of.
#[test]
fn strace_sees_the_calls_that_are_counted_and_no_other() {
    let Some(strace) = world::parts::program("strace") else { return };
    for (what, scenario) in [("an update", Scenario::update()), ("a mass deletion", Scenario::mass_deletion())] {
        let mut place = scenario.place();
        let faults = place.faults(Fault::None);
        let trace = place.path("trace");
        let mut command = under_strace(&strace, &trace, env!("CARGO_BIN_EXE_trueup").as_ref(), &faults);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", place.path("home"));
        place.start_as(command);
        assert_eq!(scenario.go(&mut place), Seen::Settled, "{}", place.story());
        let sum = |tally: &BTreeMap<String, usize>| tally.values().sum::<usize>();
        let live = (faults.calls().len(), sum(&tally_of_strace(&trace)));
        place.end();
        let (ours, theirs) = (tally(&faults.calls()), tally_of_strace(&trace));
        say(&format!("{what}: until it is live {} durable calls counted, {} seen by strace", live.0, live.1));
        say(&format!("{what}: until it is stopped {} counted, {} seen: {theirs:?}", sum(&ours), sum(&theirs)));
        assert_eq!(live.0, live.1, "{what}");
        assert_eq!(ours, theirs, "{what}");
    }
}

/// The second crash comes while the first one is recovered from.
#[test]
fn a_recovery_that_is_killed_before_any_durable_call_is_taken_up_again() {
    let scenario = Scenario::update();
    let (undisturbed, calls) = undisturbed(&scenario);
    // In the middle of the writes: some steps are done, one is half done, the rest is not begun.
    let middle = calls.iter().rfind(|call| call.name == "renameat2").unwrap().number;
    let mut crashed = scenario.place();
    let faults = crashed.faults(Fault::KillBefore(middle));
    scenario.live(&mut crashed, &faults);
    let mut points = 0;
    loop {
        let mut place = scenario.copy_of(crashed.folder());
        let faults = place.faults(Fault::KillBefore(points + 1));
        scenario.live(&mut place, &faults);
        if place.came_to_its_end() {
            break;
        }
        points += 1;
        scenario.recover(&mut place);
        undisturbed.judge(&scenario, &place, 2);
    }
    say(&format!("a recovery, killed before: {points} kill points"));
    assert!(points > 20, "{points}");
}

/// No durable call is being made while a handler runs.
#[test]
fn a_handler_that_was_running_when_the_daemon_was_killed_runs_again() {
    let scenario = Scenario::update();
    let (undisturbed, _) = undisturbed(&scenario);
    for command in scenario.owed {
        let mut place = scenario.place();
        std::fs::write(place.path(&format!("slow-{command}")), "").unwrap();
        place.start(vec![]);
        place.until("it has begun", |place| place.path("begun").exists().then_some(()));
        place.kill9();
        std::fs::remove_file(place.path(&format!("slow-{command}"))).unwrap();
        assert_eq!(place.runs(command), 0, "{command} was still running");
        scenario.recover(&mut place);
        undisturbed.judge(&scenario, &place, 1);
    }
}

/// A disk that fails once, at each durable call in turn: the error has a code, and the next round heals.
fn fail_at_every_call(what: &str, errno: &'static str, made: fn(&Place, Fault) -> Faults) {
    let scenario = &Scenario::update();
    let (undisturbed, calls) = undisturbed_with(scenario, made);
    let (mut points, mut troubled, mut ended) = (0, 0, 0);
    loop {
        let mut place = scenario.place();
        let faults = made(&place, Fault::Errno(points + 1, errno));
        place.start(faults.environment());
        match scenario.go(&mut place) {
            Seen::Settled => {}
            Seen::Dead => {
                let (code, words) = place.last_words();
                assert!(code == Some(2) && words.contains("could not"), "call {}: {code:?} {words}", points + 1);
                ended += 1;
                scenario.recover(&mut place);
            }
            Seen::Held(plan) => panic!("plan {plan} is held\n{}", place.story()),
            Seen::Troubled(trouble) => {
                assert!(!trouble.contains("null"), "no code or no message: {trouble}");
                troubled += 1;
                let answer = place.ask("POST", "/v1/applications/app/sync");
                let seen = place.until_still(&scenario.revision);
                assert_eq!(seen, Seen::Settled, "{errno} at call {}: {answer:?}\n{}", points + 1, place.story());
            }
        }
        undisturbed.healed(scenario, &place);
        let before = faults.calls().len();
        place.end();
        if before <= points {
            // It failed while the daemon stopped, if at all.
            scenario.recover(&mut place);
            undisturbed.healed(scenario, &place);
            if faults.calls().len() <= points {
                break;
            }
        }
        points += 1;
    }
    say(&format!("{what}: {points} calls failed, {troubled} of them the sync, {ended} the start; all healed"));
    // Most of what fails once heals before anyone could see it in trouble; what does not shows that the faults bite.
    assert!(points >= calls.len() && troubled > 2, "{points} of {}, {troubled}", calls.len());
}

#[test]
fn a_full_disk_is_told_and_healed() {
    fail_at_every_call("ENOSPC", "ENOSPC", Place::faults);
}

#[test]
fn a_broken_disk_is_told_and_healed() {
    fail_at_every_call("EIO", "EIO", Place::faults);
}

/// Where the bytes themselves find no room: in the store, in the mirror and on the target.
#[test]
fn a_write_without_room_is_told_and_healed() {
    fail_at_every_call("ENOSPC in a write", "ENOSPC", |place, fault| {
        place.faults(fault).writes_below(&[place.path("data"), place.path("root")])
    });
}

/// Between the failure and the way back, too.
#[test]
fn a_failing_revision_killed_before_any_durable_call_is_taken_back() {
    let scenario = Scenario::failing();
    let mut place = scenario.place();
    let faults = place.faults(Fault::None);
    place.start(faults.environment());
    let seen = scenario.go(&mut place);
    assert!(scenario.is_end(&seen), "{seen:?}");
    let (taken_back, calls) = (TakenBack::of(&scenario, &place), faults.calls());
    let mut points = 0;
    loop {
        let mut place = scenario.place();
        let faults = place.faults(Fault::KillBefore(points + 1));
        scenario.live(&mut place, &faults);
        if place.came_to_its_end() {
            break;
        }
        points += 1;
        scenario.recover(&mut place);
        taken_back.judge(&scenario, &place);
    }
    say(&format!(
        "a failing revision, killed before: {points} kill points, {} calls until it is taken back",
        calls.len()
    ));
    assert!(points >= calls.len(), "{points} of {}", calls.len());
}

#[test]
fn a_newer_revision_waits_until_the_open_plan_is_closed_and_comes_right_after_it() {
    let mut scenario = Scenario::update();
    let (_, calls) = undisturbed(&scenario);
    let middle = calls.iter().rfind(|call| call.name == "renameat2").unwrap().number;
    let mut place = scenario.place();
    let faults = place.faults(Fault::KillBefore(middle));
    scenario.live(&mut place, &faults);
    scenario.push("app/root/etc/motd", "three\n");
    scenario.recover(&mut place);
    let records = scenario.records(&place);
    let told: Vec<_> =
        records.iter().filter(|one| !one["sync"].is_null()).map(|one| one["kind"].as_str().unwrap()).collect();
    let (first, second) =
        (["planned", "intent", "resumed", "outcome", "closed"], ["planned", "intent", "outcome", "closed"]);
    assert_eq!(told, [&first[..], &second[..]].concat(), "{}", place.story());
    assert_eq!(std::fs::read_to_string(place.path("root/etc/motd")).unwrap(), "three\n");
}
