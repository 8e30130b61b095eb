//! The table of guardrails fits the code: what is to be taken out is there, and so is the test that must fail then. That it does
//! fail is shown by `tests/guards/run`, which builds the crate anew for each of them.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::print_stderr)]

#[path = "parts/mod.rs"]
mod parts;

use std::path::Path;
use std::process::Command;

#[test]
fn the_table_of_guardrails_fits_the_code() {
    // Python reads TOML by itself from 3.11 on.
    let python = Command::new("python3").args(["-c", "import tomllib"]).output();
    if !python.is_ok_and(|python| python.status.success()) {
        parts::skip("python3 is missing, or older than 3.11");
        return;
    }
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guards/run");
    let checked = Command::new(run).arg("--check").output().expect("the script can be started");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
