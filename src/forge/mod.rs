//! Talks to the Git host, Forgejo or Gitea, by its REST API (`/api/v1`): commit statuses, pull requests, comments, webhooks.
//!
//! It asks the host and tells it; nothing that the host answers decides what goes live. What is fetched is checked by `source`,
//! what is planned is judged by `policy`, as if nobody had proposed it.

mod client;
mod comment;
mod error;
mod host;
mod markdown;
mod proposed;
mod setup;
mod tale;
mod teller;

pub use client::Forge;
pub use error::{ForgeError, ForgeErrorKind};
pub use host::{Base, Branch, Comment, Hook, HookConfig, NewHook, NewPull, Protection, Pull, Pulls, State, Status};
pub use proposed::{Fate, NotPlanned, Proposed};
pub use setup::{Mending, Webhook, mending};
pub use teller::Teller;
