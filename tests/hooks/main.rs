//! Webhooks: the real daemon, a real Git server, and deliveries that a plain client sends byte by byte, signed by code of the
//! tests' own.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod alike;
mod flood;
mod hints;
mod hostile;
mod listening;
mod sender;
