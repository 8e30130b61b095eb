//! The programs that tests run against. `tests/setup` installs them.

// Each test binary uses a part of this.
#![allow(dead_code, unreachable_pub, clippy::print_stdout)]

use std::io::Write as _;
use std::path::PathBuf;

/// Returns where a program is, or `None` with a SKIP line where it is missing.
///
/// # Panics
/// Where `TRUEUP_REQUIRE_PARTS=1` and the program is missing: in CI nothing is skipped in silence.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        skip(&format!("{name} is missing; tests/setup installs it"));
    }
    found
}

/// Returns where a program is that `tests/setup` builds, or `None` with a SKIP line where it was not built.
///
/// # Panics
/// Where `TRUEUP_REQUIRE_PARTS=1` and it is missing.
pub fn built(name: &str) -> Option<PathBuf> {
    cached("bin", name)
}

/// Returns a Python that has the servers of `tests/parts/python`, or `None` with a SKIP line where they were not installed.
///
/// # Panics
/// As [`built`].
pub fn python() -> Option<PathBuf> {
    // Written last: without it, half of them may be there.
    cached("python", "version").map(|version| version.with_file_name("bin/python3"))
}

/// Returns schemathesis, or `None` with a SKIP line where it was not installed.
///
/// # Panics
/// As [`built`].
pub fn schemathesis() -> Option<PathBuf> {
    cached("schemathesis", "version").map(|version| version.with_file_name("bin/schemathesis"))
}

fn cached(folder: &str, name: &str) -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default();
    let found = Some(cache.join("trueup-tests").join(folder).join(name)).filter(|path| path.is_file());
    if found.is_none() {
        skip(&format!("{folder}/{name} is missing; tests/setup makes it"));
    }
    found
}

/// Says that a test, or a part of one, is left out.
///
/// # Panics
/// Where `TRUEUP_REQUIRE_PARTS=1`.
pub fn skip(reason: &str) {
    assert!(!required(), "TRUEUP_REQUIRE_PARTS=1, and {reason}");
    say(&format!("SKIP: {reason}"));
}

/// Prints a line that is to be seen when the test passes, too: what goes through `println` the harness keeps to itself.
pub fn say(line: &str) {
    // Nobody to print to is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Returns whether a missing part is a failure.
pub fn required() -> bool {
    std::env::var("TRUEUP_REQUIRE_PARTS").is_ok_and(|value| value == "1")
}
