//! What trueup promises, told as stories: the real daemon, a real Git server, a scratch host. Each story ends where the
//! next plan is empty and the trail is intact.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../clock/mod.rs"]
mod clock;
#[path = "../faults/mod.rs"]
mod faults;
#[path = "../world/mod.rs"]
mod world;

mod archive;
mod beginnings;
mod branches;
mod by_hand;
mod checkpoints;
mod declared;
mod destroyed;
mod drift;
mod failure;
mod four_eyes;
mod full;
mod glass;
mod governance;
mod guards;
mod halves;
mod neighbours;
mod no_way_back;
mod others;
mod people;
mod push;
mod queued;
mod reload;
mod renamed;
mod restore;
mod reverting;
mod rollback;
mod rounds;
mod secrets;
mod signed;
mod sorts;
mod stop;
mod takeover;
mod telling;
mod upgrade;
