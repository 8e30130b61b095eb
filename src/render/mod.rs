//! A tree → [`Desired`](crate::model::Desired). A render either reaches its end or is an error: nothing in between.
//!
//! # Guarantees
//! Nothing is read but the tree, and of the tree nothing but the application's own paths: so the ids of those paths decide
//! the outcome, and [`inputs`] covers all of it. Each file is read once to digest it, and not kept.

mod contents;
mod declared;
mod documents;
mod error;
mod escape;
mod files;
mod folder;
mod identity;
mod inputs;
mod layer;
mod merge;
mod overlay;
mod print;
mod secret;
mod sops;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::SourceLimits;
use crate::model::Complete;
use crate::source::Tree;

pub use contents::{Blob, BlobCache, MemoryCache};
pub use declared::{accepted, declarations};
pub use error::RenderError;
pub use folder::Folder;
pub use inputs::{Inputs, inputs, renders};
pub use print::to_yaml;
pub use secret::{DeclaredKeys, Keys};
pub use sops::{Fault, Identities, Keyring};

/// What to render: the folders of one application in one tree.
pub struct Request<'a> {
    pub tree: &'a Arc<dyn Tree>,
    /// Folders of the repository, lowest layer first; empty or `.` is the whole of it.
    pub layers: &'a [&'a str],
    pub limits: &'a SourceLimits,
    /// Spares a later render the blobs that this one read.
    pub cache: &'a dyn BlobCache,
    /// What becomes of encrypted files.
    pub keys: Keys<'a>,
}

/// Renders a host application: every document and overlay file of its layers, later layers over earlier ones.
///
/// # Errors
/// Every mistake of every document at once, or the one thing that kept it from reading them all.
pub fn host(request: &Request<'_>) -> Result<Complete, RenderError> {
    let files = files::Files::list(request)?;
    let mut mistakes = error::Mistakes::default();
    let layers = files
        .layers()
        .iter()
        .map(|folder| layer::read(&files, folder, &mut mistakes))
        .collect::<Result<Vec<_>, _>>()?;
    let merged = merge::merge(layers, &mut mistakes);
    mistakes.into_result()?;
    Ok(merged.complete(request.tree))
}
