use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Told, expect, failed, untrue};

/// How long the daemon may take to stop, in tenths of a second.
const PATIENCE: usize = 100;

/// This program as a person would call it: `trueup run` as a child process, and the other commands beside it.
pub(super) struct Daemon {
    pub config: PathBuf,
    pub log: PathBuf,
    program: PathBuf,
    child: Option<Child>,
}

/// What a command answered.
pub(super) struct Answer {
    pub code: i32,
    pub json: Value,
    pub error: String,
}

impl Daemon {
    pub(super) fn new(folder: &Path) -> Told<Self> {
        let program = std::env::current_exe().map_err(failed("find this program"))?;
        let (config, log) = (folder.join("trueup.yaml"), folder.join("daemon.log"));
        Ok(Self { config, log, program, child: None })
    }

    pub(super) fn start(&mut self) -> Told<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(failed("open the log"))?;
        // In a group of its own, so that Ctrl-C reaches the story and not the daemon: the story ends it.
        let mut command = self.command(&["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::from(log)).process_group(0);
        self.child = Some(command.spawn().map_err(failed("start the daemon"))?);
        Ok(())
    }

    /// Ends it as a power cut would.
    pub(super) fn kill_9(&mut self) -> Told<u32> {
        let Some(mut child) = self.child.take() else { return untrue("no daemon runs") };
        child.kill().and_then(|()| child.wait()).map_err(failed("kill the daemon"))?;
        Ok(child.id())
    }

    /// Ends it as systemd would, and waits for it.
    pub(super) fn stop(&mut self) -> Told<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        signal(&child, Signal::TERM);
        for _ in 0..PATIENCE {
            if child.try_wait().map_err(failed("stop the daemon"))?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        child.kill().and_then(|()| child.wait()).map(|_| ()).map_err(failed("stop the daemon"))
    }

    /// Leaves it running, and returns its process.
    pub(super) fn leave(&mut self) -> Option<u32> {
        self.child.take().map(|child| child.id())
    }

    /// Asks it something; while it does not answer, the answer is null.
    pub(super) fn ask(&self, arguments: &[&str]) -> Told<Answer> {
        let output = self.command(arguments).arg("--json").output().map_err(failed("ask the daemon"))?;
        Ok(Answer {
            code: output.status.code().unwrap_or(-1),
            json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            error: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Writes what a command prints into a file.
    pub(super) fn print(&self, arguments: &[&str], file: &Path) -> Told<()> {
        let out = File::create(file).map_err(failed(format!("write {}", file.display())))?;
        let status = self.command(arguments).stdout(out).status().map_err(failed("ask the daemon"))?;
        expect(status.success(), || format!("`trueup {}` to succeed", arguments.join(" ")))
    }

    /// Whether it ended by itself.
    pub(super) fn is_gone(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    pub(super) fn end_of_log(&self) -> String {
        let log = File::open(&self.log).and_then(std::io::read_to_string).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--config").arg(&self.config).stdin(Stdio::null());
        command.env_remove("TRUEUP_CONFIG").env_remove("TRUEUP_SOCKET");
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(process) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(process, signal);
    }
}
