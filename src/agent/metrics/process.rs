/// What the kernel says of this process; nothing of what it does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    /// Bytes in memory.
    pub(super) resident: Option<u64>,
    pub(super) files: Option<usize>,
}

impl Process {
    pub(super) fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        // The folder that is read is one of them.
        let files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1));
        Self { resident: resident(&status), files }
    }
}

/// Reads `VmRSS:      1234 kB`, as `proc_pid_status(5)` has it.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_some_memory_and_some_files() {
        let now = Process::read();
        assert!(now.resident.unwrap() > 1024 * 1024 && now.files.unwrap() >= 3, "{now:?}");
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2 kB\n"), Some(2048));
        assert_eq!(resident("VmRSS: many\n"), None);
    }
}
