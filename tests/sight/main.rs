//! How the daemon is seen from outside: health, metrics, traces, live events. The real daemon, and real readers of what it says.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod asking;
mod events;
mod health;
mod liar;
mod login;
mod metrics;
mod terminal;
mod traces;
