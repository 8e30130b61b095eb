//! The fixed order of a host's acts within a wave: lower first, ties by identity, so that parents come before children.

use super::shape::Shape;
use crate::model::host::Verb;

/// Units that go are stopped while their files are still there.
pub(super) const STOP: u32 = 50;
/// What makes room for a folder goes before anything is written into that.
pub(super) const MAKES_ROOM: u32 = 90;
pub(super) const FOLDER: u32 = 100;
pub(super) const FILE: u32 = 200;
const DELETE_FILE: u32 = 300;
const DELETE_FOLDER: u32 = 400;
/// A file in the place of a folder comes after the deletes that empty the folder.
const FILE_FOR_FOLDER: u32 = 499;
pub(super) const CHECK: u32 = 500;
/// Once every file is in place and was judged, and before anything is started from it.
pub(super) const DAEMON_RELOAD: u32 = 550;
pub(super) const UNIT: u32 = 600;
/// What is to run comes after what is to stop: one may have the other's port.
pub(super) const UNIT_UP: u32 = 610;
pub(super) const HANDLER: u32 = 700;

/// A restart makes a reload of the same unit needless, and our own unit is last: it ends who does this.
pub(super) const fn signal(verb: Verb, own: bool) -> u32 {
    match (own, verb) {
        (false, Verb::Restart) => 710,
        (false, Verb::Reload) => 720,
        (true, _) => 800,
    }
}

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
