//! The page of the adapter protocol, held against the code, and an adapter in another language that was written from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // Tests say what went wrong by failing.

#[path = "contract/bed.rs"]
mod bed;
#[path = "protocol/page.rs"]
mod page;
#[path = "parts/mod.rs"]
mod parts;
#[path = "protocol/stdio.rs"]
mod stdio;
