use crate::model::host::{Attributes, FileSpec, HostSpec};
use crate::model::{ObjectId, Place};
use crate::source::{Entry, EntryKind};

use super::RenderError;
use super::error::Mistakes;
use super::files::Files;
use super::identity;
use super::merge::Declared;
use super::secret::Content;

/// The folder of a layer that is laid over the host.
pub(super) const FOLDER: &str = "root";

/// Keeps an otherwise empty folder in Git; it means nothing on a host.
const PLACEHOLDER: &str = ".gitkeep";

/// Renders one file or link of an overlay: `path` is relative to the overlay's folder. Folders are made where they are
/// missing, and are nobody's.
pub(super) fn object(
    files: &Files<'_>,
    path: &str,
    entry: &Entry,
    place: &Place,
    mistakes: &mut Mistakes,
) -> Result<Option<(ObjectId, Declared)>, RenderError> {
    if path.rsplit('/').next() == Some(PLACEHOLDER) {
        return Ok(None);
    }
    let path = format!("/{path}");
    let id = match identity::path(&path) {
        Ok(id) => id,
        Err(wrong) => {
            mistakes.add(place, &format!("the path `{path}` {wrong}"), None);
            return Ok(None);
        }
    };
    let declared = match entry.kind {
        EntryKind::File | EntryKind::Executable => match file(files, entry, place, mistakes)? {
            Some(declared) => declared,
            None => return Ok(None),
        },
        EntryKind::Symlink => {
            let Some(to) = files.link(entry)? else {
                let hint = "a link points to a path of 1 to 4095 bytes of UTF-8 without control characters";
                mistakes.add(place, &format!("the link `{path}` points to what is no path"), Some(hint));
                return Ok(None);
            };
            Declared::new(HostSpec::Symlink { to, calls: vec![] }, place.clone())
        }
    };
    Ok(Some((id, declared)))
}

fn file(
    files: &Files<'_>,
    entry: &Entry,
    place: &Place,
    mistakes: &mut Mistakes,
) -> Result<Option<Declared>, RenderError> {
    let Some(Content { origin, blob, secret, default_mode }) = files.content(&place.file, entry, place, mistakes)?
    else {
        return Ok(None);
    };
    let mode = secret.map(|_| default_mode);
    let attributes = Attributes { mode, default_mode, ..Attributes::default() };
    let spec = FileSpec { content: blob.digest, size: blob.size, attributes, validate: None, show: false, secret };
    Ok(Some(Declared { content: Some(origin), ..Declared::new(HostSpec::File(spec), place.clone()) }))
}
