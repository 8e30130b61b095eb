//! Tells people what the trail records: one more reader of it.
//!
//! ```text
//!   trail ──▶ tale (which records tell what) ──▶ notice (in words) ──▶ sink (one a task) ──▶ webhook, slack, matrix, email
//!                                                                        │ how far it was told
//!                                                                        ▼
//!                                                                      store
//! ```
//!
//! The trail is the outbox. All that a sink keeps is the number of the last record that it is done with, written after the
//! other side has taken what there was to tell of it. So nothing that was recorded is lost while a sink, or the daemon, is down,
//! all comes in order, and what came twice bears the same id.

mod attempt;
mod email;
mod fault;
mod http;
mod matrix;
mod message;
mod notice;
mod past;
mod queue;
mod secrets;
mod sink;
mod slack;
mod surroundings;
mod tale;
mod teller;
mod wanted;
mod webhook;
mod words;

pub(crate) use http::asked_wait;
pub(crate) use notice::planned;
pub use secrets::secrets;
pub use sink::Sink;
pub use surroundings::{Known, Surroundings};

#[cfg(test)]
mod tests;
