//! The fixed order of a host's acts within a wave: lower first, ties by identity, so that parents come before children.

use super::shape::Shape;

pub(super) const FOLDER: u32 = 100;
pub(super) const FILE: u32 = 200;
const DELETE_FILE: u32 = 300;
const DELETE_FOLDER: u32 = 400;
/// A file in the place of a folder comes after the deletes that empty the folder.
const FILE_FOR_FOLDER: u32 = 499;
pub(super) const CHECK: u32 = 500;
pub(super) const HANDLER: u32 = 700;

pub(super) const fn write(wanted: &Shape, live: Option<&Shape>) -> u32 {
    match (wanted, live) {
        (Shape::Directory { .. }, _) => FOLDER,
        (_, Some(Shape::Directory { .. })) => FILE_FOR_FOLDER,
        _ => FILE,
    }
}

/// Files before folders, the deepest folder first.
pub(super) fn delete(path: &str, live: Option<&Shape>) -> u32 {
    let depth = u32::try_from(path.split('/').count()).unwrap_or(u32::MAX).min(98);
    if matches!(live, Some(Shape::Directory { .. })) { DELETE_FOLDER + 98 - depth } else { DELETE_FILE }
}
