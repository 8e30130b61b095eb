//! What trueup promises, told as stories: the real daemon, a real Git server, a scratch host. Each story ends where the
//! next plan is empty and the trail is intact.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod archive;
mod beginnings;
mod branches;
mod checkpoints;
mod drift;
mod failure;
mod full;
mod guards;
mod halves;
mod neighbours;
mod people;
mod push;
mod reload;
mod renamed;
mod restore;
mod rounds;
mod secrets;
mod signed;
mod stop;
mod takeover;
mod telling;
