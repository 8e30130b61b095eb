//! The allow-list: taken only from a file that nobody but root can have written.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::{Config, HostAccess};
use crate::model::{Mistake, Place};

/// Reads the `HostAccess` of a root half from `path`.
///
/// # Errors
/// With every mistake in it; `host.access-unsafe` where someone else could write it, `host.no-access` where it has none.
pub fn load(path: &Path) -> Result<HostAccess, Vec<Mistake>> {
    let place = || Place { file: path.to_string_lossy().into(), line: 0, column: 0 };
    let told = |code: &str, message: String, hint: &str| {
        vec![Mistake { code: code.into(), place: place(), message, hint: Some(hint.into()) }]
    };
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for part in whole.ancestors() {
        if let Some(why) = writable_by_others(part) {
            let message = format!("{} {why}, and the root half takes no orders from others", part.display());
            return Err(told(
                "host.access-unsafe",
                message,
                "chown root:root and chmod go-w, for the file and its folders",
            ));
        }
    }
    let access = Config::load(path)?.config.access;
    access.ok_or_else(|| told("host.no-access", "it declares no HostAccess".into(), "declare one: kind: HostAccess"))
}

/// Returns how someone other than root, or us, could change what a path leads to.
fn writable_by_others(path: &Path) -> Option<&'static str> {
    let Ok(there) = std::fs::symlink_metadata(path) else {
        // Reading it says why.
        return None;
    };
    if there.file_type().is_symlink() {
        return Some("is a link");
    }
    if there.uid() != 0 && there.uid() != rustix::process::geteuid().as_raw() {
        return Some("does not belong to root");
    }
    // In a folder with the sticky bit only the owner of a thing replaces it.
    let sticky = there.is_dir() && there.mode() & 0o1000 != 0;
    (there.mode() & 0o022 != 0 && !sticky).then_some("can be written by others")
}
