//! Removes what a crash left half-way.

use std::collections::BTreeSet;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, fsync, unlinkat};
use rustix::process::geteuid;

use super::errors::refused;
use super::found::look;
use super::paths::{Roots, folder};
use super::preview::still_wanted;
use super::stage::is_temporary;
use crate::model::ObjectId;
use crate::model::host::PATH;
use crate::target::{Call, TargetError};

/// Removes temporaries from the folders of `owned` paths, and from nowhere else.
pub(super) fn recover(roots: &Roots, call: &Call, owned: &[ObjectId]) -> Result<(), TargetError> {
    let paths = owned.iter().filter(|id| id.kind == PATH);
    // A path that is not allowed any more is none of ours.
    let folders: BTreeSet<_> = paths.filter_map(|id| roots.locate(&id.name).ok()).map(|place| place.folder).collect();
    let base = roots.base()?;
    for name in folders {
        still_wanted(call)?;
        match folder(&base, name, OFlags::RDONLY) {
            Ok(Some(open)) => tidy(name, &open)?,
            Ok(None) => {}
            // A folder that we may not enter is no reason to leave the others untidy.
            Err(errno) => tracing::warn!(folder = name, %errno, "could not look for temporary files"),
        }
    }
    Ok(())
}

fn tidy(name: &str, open: &OwnedFd) -> Result<(), TargetError> {
    let failed = |errno| refused("tidy", &format!("/{name}"), errno);
    let mut removed = false;
    for entry in Dir::read_from(open).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(leaf) = entry.file_name().to_str() else { continue };
        if !is_temporary(leaf) {
            continue;
        }
        let Some(stat) = look(open, leaf).map_err(failed)? else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        // A crash may fall between the change of owner and the rename: such a file has a name of ours, and root made it, or
        // the daemon could not have given it away.
        let ours = stat.st_uid == geteuid().as_raw() || geteuid().is_root();
        if ours && stat.st_nlink == 1 && matches!(kind, FileType::RegularFile | FileType::Symlink) {
            unlinkat(open, leaf, AtFlags::empty()).map_err(failed)?;
            removed = true;
        }
    }
    if removed { fsync(open).map_err(failed) } else { Ok(()) }
}
