//! What a front half that was taken over cannot do: it speaks raw JSON lines here, to a root half that listens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // Tests say what went wrong by failing.

#[path = "../contract/bed.rs"]
mod bed;
#[path = "../clock/mod.rs"]
mod clock;
#[path = "../contract/host.rs"]
mod host;
#[path = "../contract/rootside.rs"]
mod rootside;

#[path = "../faults/mod.rs"]
mod faults;
#[path = "../parts/mod.rs"]
mod parts;

mod flood;
mod front;
mod idle;
mod killed;
mod lies;
mod peers;
