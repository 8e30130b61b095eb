//! The API as it is from elsewhere: the real daemon over TLS, its own command line with tokens, and strangers byte by byte.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod alike;
mod commands;
mod hostile;
mod roles;
mod there;
mod tokens;
