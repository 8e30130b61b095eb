//! What lies at a path, whole: for whoever keeps it before it is overwritten or deleted.

use rustix::fs::{OFlags, fstat};

use super::HostTarget;
use super::paths::folder;
use super::shape::Shape;
use crate::model::{Digest, ObjectId};
use crate::target::TargetError;

/// What lay at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::target) struct Kept {
    pub(in crate::target) sort: &'static str,
    /// Mode, user and group; `None` for a link.
    pub(in crate::target) access: Option<(u32, u32, u32)>,
    /// Where a link leads.
    pub(in crate::target) to: Option<Vec<u8>>,
    /// A file's content; `None` where it is too large to be kept.
    pub(in crate::target) content: Option<Vec<u8>>,
    /// In bytes.
    pub(in crate::target) size: u64,
}

impl HostTarget {
    /// Returns what lies at a path, if it is in the state that a step was planned for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(in crate::target) fn keep(&self, id: &ObjectId, before: Digest) -> Result<Option<Kept>, TargetError> {
        let place = self.roots.locate(&id.name)?;
        let at = folder(self.roots.base()?, place.folder, OFlags::RDONLY)
            .map_err(|errno| super::errors::refused("reach", place.path, errno))?;
        let Some(at) = at else { return Ok(None) };
        let found = self.reader.find(&at, place.leaf).map_err(|unknown| unknown.stops(place.path))?;
        let Some(found) = found.filter(|found| found.shape.digest(&self.key) == before) else { return Ok(None) };
        let access = found.shape.access().map(|access| (access.mode, access.uid, access.gid));
        let sort = found.shape.sort();
        let (to, size) = match found.shape {
            Shape::Symlink { to } => (Some(to), 0),
            Shape::File { size, .. } => (None, size),
            _ => (None, 0),
        };
        Ok(Some(Kept { sort, access, to, content: found.content, size }))
    }

    /// Tells whether every folder on the way to a path lets everyone through.
    pub(in crate::target) fn everyone_reaches(&self, path: &str) -> bool {
        let (Ok(place), Ok(base)) = (self.roots.locate(path), self.roots.base()) else { return false };
        let ends = place.folder.match_indices('/').map(|(at, _)| at).chain([place.folder.len()]);
        for end in ends {
            match folder(&base, &place.folder[..end], OFlags::PATH) {
                Ok(Some(open)) if fstat(&open).is_ok_and(|stat| stat.st_mode & 0o001 != 0) => {}
                // Nothing lies below what is not there.
                Ok(None) => return true,
                Ok(Some(_)) | Err(_) => return false,
            }
        }
        true
    }
}
