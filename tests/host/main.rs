//! trueup on a host as people have it: systemd is PID 1, units are real, and a reboot is one.
//!
//! Each test has machines of its own (`machine`), and Git servers that listen on their loopback.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stderr)]

mod commands;
mod installed;
mod itself;
mod machine;
mod nginx;
mod package;
mod quiet;
mod service;
mod site;
mod units;
mod units_faults;
mod units_kinds;
mod units_others;
mod units_root;
#[path = "../world/mod.rs"]
mod world;
