//! What a person does who is logged in on the machine as root.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Machine;
use crate::world::Ran;

/// What a login shell of root finds.
const SEARCHED: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Machine {
    /// Returns a command that runs on the machine, as root, with an environment of its own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.pid().to_string());
        command.args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd", "--"]);
        command.args(["env", "-i", SEARCHED, "HOME=/root", "LC_ALL=C.UTF-8", "NO_COLOR=1", "SYSTEMD_COLORS=0"]);
        command.arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a command on the machine to its end.
    pub fn run(&self, line: &[&str]) -> Ran {
        let (program, arguments) = line.split_first().expect("a command has a name");
        Ran::from(self.command(program).args(arguments).output().expect("nsenter can be started"))
    }

    /// Runs a command, and returns what it printed, trimmed.
    ///
    /// # Panics
    /// Where it fails, with all that it said.
    pub fn ok(&self, line: &[&str]) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line:?} on {}\n{}{}", self.name(), ran.stdout, ran.stderr);
        ran.stdout.trim().to_owned()
    }

    /// Runs a line of shell, and returns what it printed, trimmed.
    ///
    /// # Panics
    /// Where it fails, with all that it said.
    pub fn sh(&self, line: &str) -> String {
        self.ok(&["/bin/sh", "-euc", line])
    }

    /// Writes a file (mode 0644, owned by root) and the folders that it needs.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let mut command = self.command("install");
        command.args(["-D", "-m", "0644", "/dev/stdin", path]).stdin(Stdio::piped());
        let mut child = command.spawn().expect("nsenter can be started");
        let mut input = child.stdin.take().expect("its input is piped");
        input.write_all(content.as_ref()).expect("install takes the content");
        drop(input);
        let status = child.wait().expect("install ends");
        assert!(status.success(), "could not write {path} on {}", self.name());
        self
    }

    /// Copies a file of the test's own host in, with its permissions, owned by root.
    pub fn copy_in(&self, file: &Path, path: &str) -> &Self {
        let source = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mode = source.metadata().expect("an open file has one").permissions().mode() & 0o7777;
        let mut command = self.command("install");
        let done = command.args(["-D", "-m", &format!("{mode:o}"), "/dev/stdin", path]).stdin(source).status();
        assert!(done.expect("nsenter can be started").success(), "could not copy {} in", file.display());
        self
    }

    /// Returns what a file holds, `None` where there is none.
    ///
    /// # Panics
    /// Where it cannot be read for another reason.
    pub fn read(&self, path: &str) -> Option<String> {
        let ran = self.run(&["cat", "--", path]);
        if ran.code != 0 && ran.stderr.contains("No such file") {
            return None;
        }
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        Some(ran.stdout)
    }

    /// Returns where a path of the machine lies for this process. Links in it that start with `/` lead astray.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid())).join(path.trim_start_matches('/'))
    }

    /// Returns the messages of the journal that `journalctl` selects by these arguments, one a line.
    pub fn journal(&self, selected: &[&str]) -> String {
        self.ok(&[&["journalctl", "--no-pager", "--quiet", "-o", "cat"], selected].concat())
    }

    /// Returns a property of a unit, as `systemctl show` prints it.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.ok(&["systemctl", "show", "--property", name, "--value", unit])
    }

    /// Returns the main process of a unit, as the machine counts; 0 where it has none.
    pub fn pid_of(&self, unit: &str) -> u32 {
        self.property(unit, "MainPID").parse().expect("a number")
    }

    /// Returns whether a unit is active.
    pub fn is_active(&self, unit: &str) -> bool {
        self.property(unit, "ActiveState") == "active"
    }
}
