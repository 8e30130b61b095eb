//! People are told: the real daemon, and at the other end a real HTTP server whose deliveries an independent program verifies, a real
//! mail server, a real Matrix homeserver. Slack itself cannot be had; a server that is as strict as its documentation stands in.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod chat;
mod down;
mod email;
mod glass;
mod hostile;
mod receiver;
mod reload;
mod webhook;
