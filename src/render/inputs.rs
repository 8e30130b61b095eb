use crate::config::Application;
use crate::model::Digest;
use crate::source::{SourceError, Tree};

use super::files::normal;

/// Grows when the same tree would render to something else than before.
const RENDER_VERSION: u32 = 2;

/// Everything that decides what an application renders to, as one digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    pub digest: Digest,
    /// Paths that the tree does not have: there is nothing to render.
    pub missing: Vec<String>,
}

/// Returns the inputs of an application in a tree: the object ids of its paths, and what of its definition changes what is
/// rendered or planned. How often it is looked at does not, nor who must say yes.
///
/// # Errors
/// When the tree cannot be read.
pub fn inputs(tree: &dyn Tree, application: &Application) -> Result<Inputs, SourceError> {
    let mut missing = Vec::new();
    let mut layers = Vec::new();
    for path in application.source.layers() {
        let path = normal(path);
        let id = tree.id_of(path)?;
        if id.is_none() {
            missing.push(path.to_owned());
        }
        layers.push((path.to_owned(), id));
    }
    let definition = (&application.source.repository, &application.target, application.sync.prune);
    let digest = Digest::of_json("trueup/inputs/v1", &(RENDER_VERSION, layers, definition));
    Ok(Inputs { digest, missing })
}
