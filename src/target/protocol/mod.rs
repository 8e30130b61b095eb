//! Targets in other processes: JSON lines over a stream. `docs/adapter-protocol.md` is the whole of it, for whoever writes an
//! adapter; the types of [`message`] are that page in Rust.

mod client;
mod connect;
mod content;
mod convert;
mod fault;
mod line;
mod link;
pub mod message;
mod request;
mod server;

pub use client::Remote;
pub use connect::{Connect, Program, Socket};
pub(super) use convert::is_secret;
pub use fault::ProtocolError;
pub use server::{Adapter, Limits, serve};

/// The versions that this program speaks, as an adapter and to one.
pub const VERSIONS: message::Range = message::Range { min: 1, max: 1 };

/// Longest line, its end included, in bytes.
pub const LONGEST_LINE: usize = 1024 * 1024;

/// Most bytes of content in one chunk, before base64.
pub const LARGEST_CHUNK: usize = 512 * 1024;

/// Largest content, in bytes.
pub const LARGEST_CONTENT: u64 = 64 * 1024 * 1024;

/// Most items of one request or one answer.
pub const MOST_ITEMS: u64 = 100_000;

/// Most requests that are open on one connection.
pub const MOST_REQUESTS: usize = 64;

/// Most objects that one ring names; more ring several times.
pub const MOST_RUNG: usize = 500;
