//! A file's `source`: a path of the layer, through links of the tree, never out of it.

use super::Document;
use crate::render::RenderError;
use crate::render::error::Mistakes;
use crate::render::files::{Leads, below, join};
use crate::source::Entry;
use crate::yaml::{nearest, quoted};

impl Document<'_> {
    /// Returns the file that `source` names. Mistakes name paths, never what lies there.
    pub(super) fn source(&self, source: &str, mistakes: &mut Mistakes) -> Result<Option<&Entry>, RenderError> {
        let place = self.place_at("/spec/source");
        let Some(path) = self.in_layer(source) else {
            let message =
                format!("expected a path inside this layer, relative to this document, found {}", quoted(source));
            mistakes.add(&place, &message, Some("a file of another layer is laid over by declaring it there"));
            return Ok(None);
        };
        let (wrong, hint) = match self.files.follow(&path)? {
            Leads::ToFile(entry) => return Ok(Some(entry)),
            Leads::ToFolder => ("is a folder: expected a file", None),
            Leads::Nowhere => ("does not exist", mistakes.few().then(|| self.meant(source)).flatten()),
            Leads::Elsewhere => (
                "leads to a folder that is none of the application's paths",
                Some("add that folder to the application's paths, below this layer".into()),
            ),
            Leads::Out => ("leads out of the repository", Some("put the file itself into the repository".into())),
            Leads::Round => ("leads from link to link, more than 40 times", None),
        };
        mistakes.add(&place, &format!("the source {} {wrong}", quoted(source)), hint.as_deref());
        Ok(None)
    }

    /// Returns the path in the repository that a path relative to the document means, where it stays in the layer.
    fn in_layer(&self, source: &str) -> Option<String> {
        if source.is_empty() || source.starts_with('/') || source.chars().any(char::is_control) {
            return None;
        }
        let mut path: Vec<_> = self.folder().split('/').filter(|segment| !segment.is_empty()).collect();
        for segment in source.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(path.pop()?),
                name => path.push(name),
            }
        }
        Some(join(self.layer, &path.join("/")))
    }

    /// Returns the folder of this document, relative to its layer.
    fn folder(&self) -> &str {
        let path = below(self.layer, &self.file).unwrap_or(&self.file);
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    fn meant(&self, source: &str) -> Option<String> {
        let candidates = self.files.of_layer(self.layer).filter_map(|(path, _)| below(self.folder(), path));
        nearest(source, candidates).map(|path| format!("did you mean {}?", quoted(path)))
    }
}
