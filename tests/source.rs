//! The source against real git: real repositories, `git http-backend`, `git daemon`, sshd, and servers that lie.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy takes the functions beside the tests for ordinary code"
)]

#[path = "source/content.rs"]
mod content;
#[path = "source/lying.rs"]
mod lying;
#[path = "source/merges.rs"]
mod merges;
#[path = "parts/mod.rs"]
mod parts;
#[path = "source/repo.rs"]
mod repo;
#[path = "source/servers.rs"]
mod servers;
#[path = "source/signatures.rs"]
mod signatures;
#[path = "world/signing.rs"]
#[allow(unreachable_pub, dead_code)]
mod signing;
#[path = "source/stories.rs"]
mod stories;
#[path = "source/transports.rs"]
mod transports;
