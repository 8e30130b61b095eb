//! Counts what a program makes durable, and ends it at any such call: `shim.c`, built and handed to it by the environment.

// Each test binary uses a part of this, and says what went wrong by failing.
#![allow(dead_code, unreachable_pub, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = include_str!("shim.c");

/// The calls that are counted, by their names in the kernel.
pub const CALLS: [&str; 9] =
    ["fsync", "fdatasync", "sync_file_range", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"];

/// What happens at which call of a run. Made for one run: the log counts from 1.
#[derive(Clone, Debug)]
pub struct Faults {
    folder: PathBuf,
    program: String,
    fault: Fault,
    wait: bool,
    writes_below: Vec<PathBuf>,
    clock: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// SIGKILL right before the Nth call, counted from 1.
    KillBefore(usize),
    /// SIGKILL right after it.
    KillAfter(usize),
    /// The Nth call fails with this errno (`ENOSPC`, `EIO`, …) and does nothing.
    Errno(usize, &'static str),
}

/// One counted call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub number: usize,
    pub name: String,
    /// What it was made on; `from -> to` for a rename.
    pub path: String,
}

impl Faults {
    /// Makes the plan of one run of `trueup`. `folder` takes the log and the marker.
    pub fn new(folder: &Path, fault: Fault) -> Self {
        fs::create_dir_all(folder).expect("the folder of the fault log can be made");
        let faults = Self {
            folder: folder.to_owned(),
            program: "trueup".into(),
            fault,
            wait: false,
            writes_below: vec![],
            clock: false,
        };
        for file in [faults.log(), faults.marker()] {
            let _ = fs::remove_file(file);
        }
        faults
    }

    /// Counts in the process of this name instead of `trueup`.
    #[must_use]
    pub fn program(mut self, name: &str) -> Self {
        // The kernel keeps 15 bytes of it.
        name.get(..15.min(name.len())).unwrap_or(name).clone_into(&mut self.program);
        self
    }

    /// Counts only from [`Faults::arm`] on.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        self.wait = true;
        self
    }

    /// Counts the writes to files below these folders, and nothing else.
    #[must_use]
    pub fn writes_below(mut self, folders: &[PathBuf]) -> Self {
        folders.clone_into(&mut self.writes_below);
        self
    }

    /// The wall clock can be set: [`Faults::set_clock`].
    #[must_use]
    pub fn clock(mut self) -> Self {
        self.clock = true;
        self
    }

    /// Sets the wall clock this far from the right time, in seconds. No other clock moves.
    pub fn set_clock(&self, seconds: i64) {
        // As a whole: half a number is another one.
        let next = self.folder.join("clock.next");
        fs::write(&next, seconds.to_string()).expect("the clock can be written");
        fs::rename(next, self.folder.join("clock")).expect("the clock can be set");
    }

    /// Lets the counting begin.
    pub fn arm(&self) {
        fs::write(self.marker(), "").expect("the marker can be written");
    }

    /// Returns the environment that a process is started with.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("a UTF-8 path").to_owned();
        let mut pairs = vec![
            ("LD_PRELOAD".to_owned(), text(library())),
            ("TRUEUP_FAULT_COMM".to_owned(), self.program.clone()),
            ("TRUEUP_FAULT_LOG".to_owned(), text(&self.log())),
        ];
        if self.wait {
            pairs.push(("TRUEUP_FAULT_ARM".to_owned(), text(&self.marker())));
        }
        if self.clock {
            pairs.push(("TRUEUP_FAULT_CLOCK".to_owned(), text(&self.folder.join("clock"))));
        }
        if !self.writes_below.is_empty() {
            let folders: Vec<_> = self.writes_below.iter().map(|folder| text(folder)).collect();
            pairs.push(("TRUEUP_FAULT_WRITES".to_owned(), folders.join(":")));
        }
        match self.fault {
            Fault::None => {}
            Fault::KillBefore(number) => pairs.push(("TRUEUP_FAULT_KILL".to_owned(), number.to_string())),
            Fault::KillAfter(number) => pairs.push(("TRUEUP_FAULT_KILL_AFTER".to_owned(), number.to_string())),
            Fault::Errno(number, errno) => {
                pairs.push(("TRUEUP_FAULT_ERRNO".to_owned(), format!("{number}:{errno}")));
            }
        }
        pairs
    }

    /// Returns the calls counted so far, in order.
    pub fn calls(&self) -> Vec<Counted> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().map(|line| Counted::read(line).unwrap_or_else(|| panic!("the fault log holds {line:?}"))).collect()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("calls")
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("armed")
    }
}

impl Counted {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ' ');
        let number = parts.next()?.parse().ok()?;
        Some(Self { number, name: parts.next()?.to_owned(), path: parts.next()?.to_owned() })
    }
}

/// Returns how often each call was made.
pub fn tally(calls: &[Counted]) -> BTreeMap<String, usize> {
    calls.iter().fold(BTreeMap::new(), |mut tally, call| {
        *tally.entry(call.name.clone()).or_default() += 1;
        tally
    })
}

/// Returns a command that runs `program` under strace, the second witness; its trace goes to `trace`.
pub fn under_strace(strace: &Path, trace: &Path, program: &Path, faults: &Faults) -> Command {
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-s", "256", "-o"]).arg(trace).arg(format!("-etrace={}", CALLS.join(",")));
    for (name, value) in faults.environment() {
        // Given to the program alone: strace itself is not to be preloaded.
        command.arg("-E").arg(format!("{name}={value}"));
    }
    command.arg(program);
    command
}

/// Returns how often each call stands in a trace. A call that another thread interrupted is counted once.
pub fn tally_of_strace(trace: &Path) -> BTreeMap<String, usize> {
    let trace = fs::read_to_string(trace).expect("strace wrote a trace");
    let mut tally = BTreeMap::new();
    for line in trace.lines() {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        if let Some((name, _)) = call.split_once('(')
            && CALLS.contains(&name)
        {
            *tally.entry(name.to_owned()).or_default() += 1;
        }
    }
    tally
}

/// Returns the shim, built once for all test binaries.
///
/// # Panics
/// Where there is no C compiler: without one trueup cannot be built either.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut hasher = DefaultHasher::new();
        SOURCE.hash(&mut hasher);
        let library = folder.join(format!("shim-{:016x}.so", hasher.finish()));
        if !library.exists() {
            fs::create_dir_all(folder).expect("the folder of the build can be made");
            // Under a name of our own first: another test binary may be at it too.
            let unfinished = folder.join(format!("shim-{}.so", std::process::id()));
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
            let built = Command::new("cc")
                .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
                .args([&unfinished, &source])
                .output()
                .expect("cc is there");
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            fs::rename(&unfinished, &library).expect("the shim can be put in its place");
        }
        library
    })
}
