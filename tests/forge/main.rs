//! The Git host: the real daemon, and a real Gitea (or the Forgejo that the environment names, see `tests/world/gitea.rs`).

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, unreachable_pub)]

#[path = "../world/mod.rs"]
mod world;

mod client;
mod hooks;
mod pulls;
mod reverts;
mod scene;
mod setup;
mod statuses;
mod whole;
