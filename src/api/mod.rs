//! HTTP and JSON under `/v1`, over a unix socket: what the command line, and later the pages, ask of a running daemon. And
//! webhooks of Git hosts, at an address of their own, which know nothing of the rest.
//!
//! # Guarantees
//! Who asks is what the kernel says of the other end of the socket. What they may is decided for each request, on what is stored
//! (`access`). Every refusal is a [`crate::model::Problem`] with a stable code. An
//! act that began goes on when its caller goes away.

mod access;
mod answer;
mod audit;
mod conditional;
mod contract;
mod events;
mod health;
mod hooks;
mod limits;
mod listener;
mod login;
mod metrics;
mod once;
mod page;
mod remote;
mod routes;
mod serve;
mod sight;
mod socket;
mod stream;
mod tokens;

pub use crate::agent::{Auditing, Daemon, NoToken, Observing, RecordQuery, Standing, TokenAsked, TokenMade, Tokens};
pub use contract::document;
pub use hooks::hear;
pub use listener::{ListenError, Listening};
pub use serve::{Elsewhere, serve, serve_elsewhere};
pub use socket::{Socket, SocketError};
