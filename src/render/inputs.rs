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
    let (layers, missing) = layers(tree, application)?;
    Ok(Inputs { digest: digest(RENDER_VERSION, &layers, application), missing })
}

/// Returns whether an application in a tree renders from what had this digest of inputs, whichever version of trueup it was that
/// rendered it.
///
/// # Errors
/// When the tree cannot be read.
pub fn renders(tree: &dyn Tree, application: &Application, inputs: Digest) -> Result<bool, SourceError> {
    let (layers, _) = layers(tree, application)?;
    Ok((0..=RENDER_VERSION).any(|version| digest(version, &layers, application) == inputs))
}

/// Layers by path, each with its object id where the tree has it.
type Layers = Vec<(String, Option<String>)>;

fn layers(tree: &dyn Tree, application: &Application) -> Result<(Layers, Vec<String>), SourceError> {
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
    Ok((layers, missing))
}

fn digest(version: u32, layers: &Layers, application: &Application) -> Digest {
    let definition = (&application.source.repository, &application.target, application.sync.prune);
    Digest::of_json("trueup/inputs/v1", &(version, layers, definition))
}
