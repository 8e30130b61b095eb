//! The command line and the API, against a daemon that answers from fixed structs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test says what went wrong by failing")]

mod api;
mod command;
mod demo;
mod fake;
mod samples;
mod text;
