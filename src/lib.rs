//! trueup keeps live systems true to Git.
//!
//! ```text
//!  git ─▶ source ─▶ render ─▶ Desired ─┐
//!                                      ├─▶ preview ─▶ plan ─▶ policy ─▶ execute ─▶ target
//!  target ────── live ─────────────────┘                       │ intent, outcome      │
//!                                                              ▼                      ▼
//!   people ◀ api, cli, notify, forge ◀ audit trail ◀──────────────────────────────── health
//! ```
//!
//! The rooms stand in data order. A room may use the rooms declared above it, never those below; `tests/layers.rs` holds
//! that rule, and `docs/design.md` gives the reasons.

pub mod model;
pub mod yaml;
pub mod schedule;
pub mod expression;
pub mod template;
pub mod config;
pub mod store;
pub mod source;
pub mod render;
pub mod target;
pub mod plan;
pub mod policy;
pub mod audit;
pub mod notify;
pub mod forge;
pub mod health;
pub mod execute;
pub mod sync;
pub mod agent;
pub mod api;
pub mod cli;
