//! What an undisturbed run comes to, and whether a disturbed one came to the same.

use std::path::Path;

use serde_json::Value;

use crate::place::Place;
use crate::scenario::Scenario;
use crate::world::Snapshot;

/// Records that tell of a restart, or that nothing was to be done.
const RECOVERY: [&str; 4] = ["started", "stopped", "resumed", "quiet"];

/// What an undisturbed run came to.
pub struct Undisturbed {
    live: Snapshot,
    kinds: Vec<String>,
    plan: Value,
}

impl Undisturbed {
    /// Takes down what a run came to whose daemon still answers.
    pub fn of(scenario: &Scenario, place: &Place) -> Self {
        let records = scenario.records(place);
        let closed = closed(&records);
        assert_eq!(closed.len(), 1, "{}", place.story());
        assert_eq!(closed[0]["body"]["outcome"], "applied", "{}", closed[0]);
        for command in scenario.owed {
            assert_eq!(place.runs(command), 1, "{command}\n{}", place.story());
        }
        let undisturbed = Self { live: place.live(), kinds: kinds(&records), plan: closed[0]["plan"].clone() };
        steady(place);
        undisturbed
    }

    /// Judges a run that was disturbed `times`, and whose daemon answers again.
    pub fn judge(&self, scenario: &Scenario, place: &Place, times: usize) {
        self.live.assert_same(&place.live(), &format!("what is live\n{}", place.story()));
        let records = scenario.records(place);
        assert_eq!(kinds(&records), self.kinds, "{}", place.story());
        self.one_sync(&records, place);
        for command in scenario.owed {
            let runs = place.runs(command);
            assert!((1..=1 + times).contains(&runs), "{command} ran {runs} times\n{}", place.story());
        }
        steady(place);
    }

    /// Judges a run in which something failed: there may be more records, and more syncs.
    pub fn healed(&self, scenario: &Scenario, place: &Place) {
        self.live.assert_same(&place.live(), &format!("what is live\n{}", place.story()));
        for command in scenario.owed {
            assert!(place.runs(command) >= 1, "{command} did not run\n{}", place.story());
        }
        let records = scenario.records(place);
        let count =
            |kind: &str| records.iter().filter(|record| record["kind"] == kind && !record["sync"].is_null()).count();
        assert_eq!(count("intent"), count("closed"), "a sync is open\n{}", place.story());
        steady(place);
    }

    /// The intent that was durable is the one that was resumed and closed, under the same plan.
    fn one_sync(&self, records: &[Value], place: &Place) {
        let closed = closed(records);
        assert_eq!(closed[0]["plan"], self.plan, "{}", place.story());
        assert_eq!(closed[0]["body"]["outcome"], "applied", "{}", closed[0]);
        for record in records.iter().filter(|record| !record["sync"].is_null()) {
            assert_eq!(record["sync"], closed[0]["sync"], "{record}\n{}", place.story());
            assert_eq!(record["plan"], self.plan, "{record}\n{}", place.story());
        }
        // A restart between intent and closing takes the execution up, and no other restart does.
        let mut open = false;
        for (number, record) in records.iter().enumerate() {
            match record["kind"].as_str().unwrap() {
                "intent" => open = true,
                "closed" => open = false,
                "started" if open => {
                    let next = records[number + 1..].iter().find(|one| !one["application"].is_null());
                    let resumed = |one: &Value| one["kind"] == "resumed";
                    // Unless the daemon died again before it came to it.
                    let died = records.get(number + 1).is_some_and(|one| one["kind"] == "started");
                    assert!(died || next.is_some_and(resumed), "{next:?}\n{}", place.story());
                }
                "resumed" => assert!(open, "{record}\n{}", place.story()),
                _ => {}
            }
        }
    }
}

/// What an undisturbed run comes to that fails and is taken back.
pub struct TakenBack {
    live: Snapshot,
}

impl TakenBack {
    pub fn of(scenario: &Scenario, place: &Place) -> Self {
        let taken_back = Self { live: place.live() };
        taken_back.judge(scenario, place);
        taken_back
    }

    /// Judges a run that was disturbed: it failed as well, and is back at what was good.
    pub fn judge(&self, scenario: &Scenario, place: &Place) {
        self.live.assert_same(&place.live(), &format!("what is live\n{}", place.story()));
        for command in scenario.owed {
            assert!(place.runs(command) >= 1, "{command} did not run\n{}", place.story());
        }
        let records = scenario.records(place);
        let closed = closed(&records).into_iter().filter(|record| !record["sync"].is_null());
        let outcomes: Vec<_> = closed.map(|record| record["body"]["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["failed", "rolled-back"], "{}", place.story());
        whole(place);
    }
}

/// The trail is whole, and nothing half-made is left.
fn whole(place: &Place) {
    let report = place.post("/v1/audit/verify");
    assert_eq!(report["problems"], Value::Array(vec![]), "{report}");
    let left = half_made(&place.path("data"));
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// The next plan is empty as well.
fn steady(place: &Place) {
    let plan = place.get("/v1/applications/app/plan");
    let none = plan["plan"]["steps"].as_array().is_some_and(Vec::is_empty);
    assert!(none && plan["matched"] == 0, "the next plan is not empty: {plan}");
    whole(place);
}

/// Returns files that only serve to make others.
fn half_made(folder: &Path) -> Vec<String> {
    let data = Snapshot::of(folder);
    let half = |path: &&str| [".tmp", ".new", ".keep"].iter().any(|part| path.contains(part));
    data.paths().into_iter().filter(half).map(str::to_owned).collect()
}

fn closed(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["kind"] == "closed").collect()
}

fn kinds(records: &[Value]) -> Vec<String> {
    let kinds = records.iter().map(|record| record["kind"].as_str().unwrap().to_owned());
    kinds.filter(|kind| !RECOVERY.contains(&kind.as_str())).collect()
}
