//! What a process holds, as the kernel counts it.

use std::fs;
use std::time::{Duration, Instant};

/// What the daemon holds at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) resident_kib: u64,
    pub(crate) files: usize,
    pub(crate) threads: u64,
    pub(crate) children: usize,
}

impl Held {
    pub(crate) fn of(pid: u32) -> Self {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Self { resident_kib: field(pid, "VmRSS"), files, threads: field(pid, "Threads"), children: children(pid) }
    }

    /// Waits until it holds no more files and children than before, and returns what is still over.
    pub(crate) fn settles(self, pid: u32, limit: Duration) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let now = Self::of(pid);
            if now.files <= self.files && now.children <= self.children {
                return Ok(());
            }
            if start.elapsed() > limit {
                return Err(format!("I3: it held {self:?}, and holds {now:?}"));
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }
}

/// Lets the peak begin anew.
pub(crate) fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak of an own process can be set back");
}

pub(crate) fn peak_kib(pid: u32) -> u64 {
    field(pid, "VmHWM")
}

fn field(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("/proc tells of a living process")
}

fn children(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.map(of_task).map(|children| children.split_whitespace().count()).sum()
}
