use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cgroup;
use crate::world::must;

/// How the folders and the control groups of machines are named.
const PREFIX: &str = "trueup-machine-";

/// Where a machine keeps what it wrote. Its lock says that whoever started it still lives.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes one, and removes those of tests that were killed, with their machines.
    pub(super) fn new(cgroups: &Path) -> Self {
        let all = std::env::temp_dir();
        // One at a time: a folder that is made and not yet locked would be taken for a left one.
        let turn = File::create(all.join("trueup-machines.lock")).expect("a lock can be made");
        turn.lock().expect("a lock can be waited for");
        remove_left(&all, cgroups);
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&all).expect("a folder can be made");
        let path = made.keep();
        let lock = File::create(path.join("lock")).expect("a lock can be made");
        lock.lock().expect("nobody else has it");
        Self { path, _lock: lock }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).expect("a name of letters")
    }

    pub(super) fn abandon(&mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.path.is_absolute() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes room for the files of a machine: an overlay over `base`, or a copy of it where this file system bears none.
pub(super) fn prepare(folder: &Path, base: &Path) {
    for name in ["upper", "work", "root"] {
        fs::create_dir(folder.join(name)).expect("a folder can be made");
    }
    let options = format!("lowerdir={},upperdir=upper,workdir=work", base.display());
    let mut tried = Command::new("unshare");
    tried.args(["--mount", "mount", "-t", "overlay", "overlay", "-o", &options, "root"]).current_dir(folder);
    if !tried.output().is_ok_and(|output| output.status.success()) {
        fs::remove_dir(folder.join("root")).expect("an empty folder can be removed");
        must(Command::new("cp").args(["-a", "--reflink=auto"]).arg(base).arg(folder.join("root")));
        fs::write(folder.join("copied"), "").expect("a file can be written");
    }
}

fn remove_left(all: &Path, cgroups: &Path) {
    for entry in fs::read_dir(all).expect("the folder of temporary files can be listed").flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if File::open(entry.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_err()) {
            continue;
        }
        cgroup::remove(&cgroups.join(name));
        let _ = fs::remove_dir_all(entry.path());
    }
}
