//! A stranger who knows the description alone, against a real daemon: schemathesis.
//!
//! `TRUEUP_FUZZ=10000` asks so many questions; without it they are few enough for every run.

use std::time::Instant;
use std::{env, fs};

use serde_json::{Value, json};

use super::estate::{ask, carried_out, estate, waiting};
use super::world::{World, clean, parts};

const QUESTIONS: u64 = 2_500;
/// What the description enumerates, and chains of questions: at least so many come beside the random ones.
const BESIDE: u64 = 800;
/// Random questions go to so many operations.
const OPERATIONS: u64 = 28;

#[test]
fn a_stranger_finds_no_fault() {
    let Some(schemathesis) = parts::schemathesis() else { return };
    let estate = estate();
    let world = &estate.world;
    let base = &estate.base;
    let folder = world.path("home");
    fs::write(folder.join("schemathesis.toml"), settings(world)).unwrap();
    let wanted = env::var("TRUEUP_FUZZ").ok().map_or(QUESTIONS, |wanted| wanted.parse().expect("a number"));
    let mut command = clean(&schemathesis, &folder);
    command.current_dir(&folder).args(["--config-file", "schemathesis.toml", "run", "--seed", "6", "--workers", "2"]);
    command.args(["--max-examples", &(wanted.saturating_sub(BESIDE) / OPERATIONS + 1).to_string(), "--url", base]);
    command.args(["-H", &format!("Authorization: Bearer {}", estate.token())]);
    // One would end the token that it comes with, the other never ends its answer.
    command.args(["--exclude-operation-id", "revokeToken", "--exclude-operation-id", "followEvents"]);
    command.args(["--continue-on-failure", "--report", "json", "--report-json-path", "report.json"]);
    let started = Instant::now();
    let output = command.arg(format!("{base}/v1/openapi.json")).output().unwrap();
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    let count = report["test_cases"]["generated"].as_u64().unwrap();
    parts::say(&format!("schemathesis asked {count} questions in {took:.0?}"));
    assert!(count >= wanted, "so few questions find nothing: {count}");
    assert_eq!(report["operations"]["tested"].as_u64(), report["operations"]["selected"].as_u64());
    assert_eq!(ask(world, "GET", "/v1/status", &[], None).status, 200);
    assert!(!world.stderr().contains("panicked"), "{}", world.stderr());
}

/// What the description cannot say: names that there are, and good data that is refused for what it means.
fn settings(world: &World) -> String {
    let asked = json!({ "applications": ["api"], "liveEdit": ["x"], "reason": "to be found", "seconds": 600 });
    let glass = ask(world, "POST", "/v1/break-glass", &[], Some(&asked)).json();
    let settings = r#"
[dictionaries]
names = { values = ["web", "api", "old"] }
plans = { values = ["WAITING", "PAST"] }
glasses = { values = ["GLASS"] }
first = { values = [0] }

[parameters]
"path.name" = { dictionary = "names", probability = 0.5 }
"path.plan" = { dictionary = "plans", probability = 0.5 }
"path.id" = { dictionary = "glasses", probability = 0.5 }
"path.number" = { dictionary = "first", probability = 0.5 }

[generation]
# Whoever brings many wrong tokens is let in with none; `tests/remote` asks without.
with-security-parameters = false

[checks]
ignored_auth.enabled = false
# 412 is a condition that does not hold, 422 a revision that is not there, or a key that was used for something else.
positive_data_acceptance.expected-statuses = ["2xx", "304", "403", "404", "409", "412", "422"]

# Of several fields that do not go together, notes and names that nobody made, lengths of time that nobody can count.
[[operations]]
include-operation-id = ["archive", "createToken", "openBreakGlass", "proveGrowth", "verifyTrail"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "412", "422"]
"#;
    let settings = settings.replace("WAITING", &waiting(world).unwrap()).replace("PAST", &carried_out(world));
    settings.replace("GLASS", glass["id"].as_str().unwrap())
}
