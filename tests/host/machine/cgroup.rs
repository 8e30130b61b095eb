use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The control group of one machine: the one name under which all its processes are found.
pub(super) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Returns where cgroup2 is mounted, `None` where it is not: alone, or beside the older hierarchies.
    pub(super) fn mounted() -> Option<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let place = |line: &str| {
            let (mount, kind) = line.split_once(" - ")?;
            kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).map(PathBuf::from))?
        };
        mounts.lines().find_map(place)
    }

    pub(super) fn new(mounted: &Path, name: &str) -> Self {
        let path = mounted.join(name);
        fs::create_dir(&path).expect("a control group can be made");
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Ends every process in it and below it.
    pub(super) fn kill(&self) {
        kill(&self.path);
    }

    pub(super) fn abandon(&mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.path.is_absolute() {
            remove(&self.path);
        }
    }
}

/// Ends what is left in a control group that may be gone already, and removes it.
pub(super) fn remove(path: &Path) {
    kill(path);
    remove_below(path);
}

/// A group is removed when those below it are.
fn remove_below(path: &Path) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

fn kill(path: &Path) {
    let populated = || fs::read_to_string(path.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"));
    let start = Instant::now();
    while populated() && start.elapsed() < Duration::from_secs(20) {
        let _ = fs::write(path.join("cgroup.kill"), "1");
        std::thread::sleep(Duration::from_millis(2));
    }
}
