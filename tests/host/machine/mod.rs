//! A machine: a small Debian with systemd as PID 1, started in half a second from a cached root that it never changes.
//!
//! It has its own processes, mounts, host name, machine id, control groups and network (loopback only), and the kernel, clock and
//! memory of whoever starts it. What it writes lies in a folder of its own and outlives a [reboot](Machine::reboot). All of it ends
//! with the value, after a panic too; what a killed test left behind ends with the next start of any machine.
//!
//! Only root can start one, from the root that `tests/host/root` makes (`tests/setup` calls it).

#![allow(dead_code, unreachable_pub)]

mod cgroup;
mod folder;
mod inside;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::world::parts;
use cgroup::Cgroup;
use folder::Folder;

/// A machine starts, or stops, within this; it takes a second or two where nobody else needs the processors.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running machine, or one that is switched off.
pub struct Machine {
    name: String,
    /// The root that all machines start from.
    base: PathBuf,
    /// Its network, which a reboot does not end: servers of the test that listen in it go on.
    network: Option<File>,
    running: Option<Running>,
    cgroup: Cgroup,
    folder: Folder,
}

struct Running {
    /// Waits for PID 1, and ends with it.
    guard: Child,
    /// The number of its PID 1, as this process counts.
    pid: u32,
}

impl Machine {
    /// Starts a fresh machine and waits until all its units are up. Says SKIP and returns `None` where there can be none.
    pub fn start() -> Option<Self> {
        Self::named("web-1")
    }

    /// Starts one with this host name.
    ///
    /// # Panics
    /// Where a unit fails or nothing comes up in time, with what it said.
    pub fn named(name: &str) -> Option<Self> {
        let base = base()?;
        let Some(cgroups) = Cgroup::mounted() else {
            parts::skip("no cgroup2 file system is mounted, and a machine needs one");
            return None;
        };
        let folder = Folder::new(&cgroups);
        let cgroup = Cgroup::new(&cgroups, folder.name());
        let mut machine = Self { name: name.to_owned(), base, network: None, running: None, cgroup, folder };
        folder::prepare(machine.folder.path(), &machine.base);
        machine.switch_on();
        let state = machine.settled();
        assert_eq!(state, "running", "\n{}", machine.ok(&["systemctl", "--failed", "--no-legend"]));
        Some(machine)
    }

    /// Starts a machine that is switched off. It may still be starting when this returns.
    pub fn switch_on(&mut self) {
        assert!(self.running.is_none(), "the machine is on");
        let number = self.folder.path().join("pid");
        let _ = fs::remove_file(&number);
        let console = self.folder.path().join("console");
        let said = File::options().create(true).append(true).open(&console).expect("a console can be written");
        let network = self.network.as_ref().map_or_else(|| "new".into(), of_this_process);
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/boot"));
        command.arg(self.cgroup.path()).arg(network).arg(&self.base).arg(self.folder.path()).arg(&self.name);
        let copy = said.try_clone().expect("a file can be opened twice");
        let mut guard = command.stdin(Stdio::null()).stdout(said).stderr(copy).spawn().expect("bash can be started");
        let start = Instant::now();
        let pid = loop {
            if let Ok(text) = fs::read_to_string(&number) {
                break text.trim().parse().expect("boot writes a number");
            }
            let ended = guard.try_wait().expect("a child can be waited for");
            let told = || fs::read_to_string(&console).unwrap_or_default();
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "the machine does not start: {ended:?}\n{}", told());
            std::thread::sleep(Duration::from_millis(5));
        };
        self.running = Some(Running { guard, pid });
        if self.network.is_none() {
            self.network = Some(File::open(format!("/proc/{pid}/ns/net")).expect("a network can be opened"));
        }
    }

    /// Waits until everything that starts at boot has started or failed, and returns `running` or `degraded`.
    pub fn settled(&self) -> String {
        let start = Instant::now();
        loop {
            // Before PID 1 listens, this fails at once.
            let state = self.run(&["systemctl", "is-system-running", "--wait"]);
            if matches!(state.stdout.trim(), "running" | "degraded") {
                return state.stdout.trim().to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "the machine is not up: {state:?}\n{}", self.console());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Shuts the machine down as a person would, every unit in order, starts it again, and waits until it is up.
    pub fn reboot(&mut self) {
        let asked = self.run(&["systemctl", "reboot"]);
        let running = self.running.as_mut().expect("the machine is on");
        let start = Instant::now();
        while running.guard.try_wait().expect("a child can be waited for").is_none() {
            assert!(start.elapsed() < PATIENCE, "the machine does not shut down: {asked:?}\n{}", self.console());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.switch_off();
        self.switch_on();
        self.settled();
    }

    /// Takes the machine's power away, starts it again, and waits until it is up. (What was written and not synced is still there:
    /// the kernel that holds it goes on.)
    pub fn power_cycle(&mut self) {
        self.switch_off();
        self.switch_on();
        self.settled();
    }

    /// Ends every process of the machine at this moment.
    pub fn switch_off(&mut self) {
        self.cgroup.kill();
        if let Some(mut running) = self.running.take() {
            let _ = running.guard.wait();
        }
    }

    /// Returns a socket that listens on a free port of the *machine's* loopback, for a server that runs in the test.
    pub fn listen(&self) -> TcpListener {
        let network =
            self.network.as_ref().expect("the machine was on").try_clone().expect("a file can be opened twice");
        // A socket stays in the network that it was made in; the thread that went there ends.
        let bound = std::thread::spawn(move || {
            use std::os::fd::AsFd as _;
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind("127.0.0.1:0")
        });
        bound.join().expect("nothing in there panics").expect("the machine's loopback has a free port")
    }

    /// Returns its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of its PID 1, as this process counts.
    ///
    /// # Panics
    /// Where it is switched off.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the machine is on").pid
    }

    /// Leaves the machine running, as a test does that is killed. The next start of any machine ends it.
    pub fn abandon(mut self) {
        self.running = None;
        self.folder.abandon();
        self.cgroup.abandon();
    }

    /// Returns what was said before the journal began.
    fn console(&self) -> String {
        fs::read_to_string(self.folder.path().join("console")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.running.is_some() {
            let journal = self.run(&["journalctl", "--no-pager", "-n", "80", "-o", "short-precise"]);
            eprintln!("-- {}'s journal\n{}{}--", self.name, self.console(), journal.stdout);
        }
        self.switch_off();
    }
}

/// Returns the root that machines start from, or says why there is none.
fn base() -> Option<PathBuf> {
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/root")).output();
    let output = output.expect("bash can be started");
    if !output.status.success() {
        parts::skip(String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// Returns the path under which another process finds an open file of this one.
fn of_this_process(file: &File) -> String {
    use std::os::fd::AsRawFd as _;
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}
