use super::RenderError;
use super::documents;
use super::error::Mistakes;
use super::files::{Files, Leads, join, whole};
use super::merge::Objects;
use super::overlay;
use crate::source::{Entry, EntryKind};

/// Folders of this name, at any depth, hold what documents take as `source`, YAML included: nothing in them is a document.
const SOURCES: &str = "files";

/// What an entry of a layer is there for.
#[derive(Debug, PartialEq, Eq)]
enum Use<'p> {
    /// By its path below the overlay's folder.
    Overlay(&'p str),
    Document,
    /// A document may name it.
    Source,
}

/// Renders one layer by itself.
pub(super) fn read(files: &Files<'_>, layer: &str, mistakes: &mut Mistakes) -> Result<Objects, RenderError> {
    let mut objects = Objects::default();
    for (path, entry) in files.of_layer(layer) {
        let full = join(layer, path);
        let place = whole(&full);
        match use_of(path) {
            Use::Overlay(below) => {
                if let Some((id, declared)) = overlay::object(files, below, entry, &place, mistakes)? {
                    objects.declare(id, declared, mistakes);
                }
            }
            used => {
                if entry.kind == EntryKind::Symlink && !leads_inside(files, &full, mistakes)? {
                    continue;
                }
                if path == overlay::FOLDER {
                    let message = "`root` is the overlay of a layer: expected a folder";
                    mistakes.add(&place, message, Some("rename it, or make it a folder"));
                } else if used == Use::Document
                    && let Some(entry) = document(files, &full, entry, mistakes)?
                {
                    documents::read(files, layer, (&full, entry), (&mut objects, mistakes))?;
                }
            }
        }
    }
    Ok(objects)
}

fn use_of(path: &str) -> Use<'_> {
    if let Some(below) = path.strip_prefix(overlay::FOLDER).and_then(|rest| rest.strip_prefix('/')) {
        return Use::Overlay(below);
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let yaml = name.rsplit_once('.').is_some_and(|(_, extension)| matches!(extension, "yaml" | "yml"));
    if yaml && !folder.split('/').any(|name| name == SOURCES) { Use::Document } else { Use::Source }
}

/// Returns whether a link of a layer stays in the repository. Whatever it is used for, one that does not is a mistake: on
/// the machine where the repository is checked out it reads what the repository does not hold.
pub(super) fn leads_inside(files: &Files<'_>, path: &str, mistakes: &mut Mistakes) -> Result<bool, RenderError> {
    let wrong = match files.follow(path)? {
        Leads::Out => "the link leads out of the repository",
        Leads::Round => "the link leads from link to link, more than 40 times",
        Leads::ToFile(_) | Leads::ToFolder | Leads::Nowhere | Leads::Elsewhere => return Ok(true),
    };
    let hint = "put the file itself here; a link for the host belongs below `root/` or into a Symlink document";
    mistakes.add(&whole(path), wrong, Some(hint));
    Ok(false)
}

/// Returns the file behind a document that may be a link. One that leads nowhere is a mistake: to leave out what it
/// declares would be to ask for its deletion.
pub(super) fn document<'f>(
    files: &'f Files<'_>,
    path: &str,
    entry: &'f Entry,
    mistakes: &mut Mistakes,
) -> Result<Option<&'f Entry>, RenderError> {
    if entry.kind != EntryKind::Symlink {
        return Ok(Some(entry));
    }
    if let Leads::ToFile(entry) = files.follow(path)? {
        return Ok(Some(entry));
    }
    let message = "the link leads to no file of the application's paths: expected a document";
    mistakes.add(&whole(path), message, Some("add the folder that it leads to to the application's paths"));
    Ok(None)
}
