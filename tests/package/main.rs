//! The service and its package: what systemd says of the units, what the daemon says to systemd, what is in the package.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod built;
mod notified;
mod units;

use std::path::{Path, PathBuf};

/// Returns a path of the source.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
