use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Told, failed, fixtures, untrue};

/// How long `git daemon` may take to listen, in tenths of a second.
const PATIENCE: usize = 30;

/// A repository with a work tree to push from, and what serves it.
pub(super) struct Git {
    pub work: PathBuf,
    pub url: String,
    pub transport: &'static str,
    home: PathBuf,
    server: Option<Child>,
}

impl Git {
    /// Makes the repository from the fixtures and serves it on loopback; where `git daemon` is missing, by its folder.
    pub(super) fn serve(folder: &Path) -> Told<Self> {
        let (work, served) = (folder.join("work"), folder.join("git"));
        let bare = served.join("platform.git");
        let url = format!("file://{}", bare.display());
        let mut git = Self { work, url, transport: "file", home: folder.into(), server: None };
        fixtures::write(&git.work)?;
        git.run(&["init", "-q", "-b", "main", "."])?;
        git.run(&["init", "-q", "--bare", "-b", "main", &bare.display().to_string()])?;
        git.run(&["remote", "add", "origin", &bare.display().to_string()])?;
        // For whoever plays with it afterwards.
        git.run(&["config", "user.name", "Ada"])?;
        git.run(&["config", "user.email", "ada@example.org"])?;
        git.commit("a web server, from the fixtures")?;
        if let Some((server, port)) = git.daemon(&served) {
            git.url = format!("git://127.0.0.1:{port}/platform.git");
            git.transport = "git";
            git.server = Some(server);
        }
        Ok(git)
    }

    /// Writes a file of the work tree.
    pub(super) fn write(&self, path: &str, text: &str) -> Told<()> {
        let path = self.work.join(path);
        let folder = path.parent().unwrap_or(&self.work);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
        written.map_err(failed(format!("write {}", path.display())))
    }

    pub(super) fn read(&self, path: &str) -> Told<String> {
        std::fs::read_to_string(self.work.join(path)).map_err(failed(format!("read {path}")))
    }

    /// Commits everything, pushes it, and returns the commit id.
    pub(super) fn commit(&self, message: &str) -> Told<String> {
        self.run(&["add", "-A"])?;
        self.run(&["commit", "-q", "-m", message])?;
        self.push()
    }

    /// Reverts the newest commit, pushes that, and returns the commit id.
    pub(super) fn revert(&self) -> Told<String> {
        self.run(&["revert", "--no-edit", "HEAD"])?;
        self.push()
    }

    fn push(&self) -> Told<String> {
        self.run(&["push", "-q", "origin", "main"])?;
        Ok(self.run(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Told<String> {
        let doing = format!("run git {}", arguments.join(" "));
        let output = self.command(arguments).output().map_err(failed(&doing))?;
        if !output.status.success() {
            return untrue(format!("could not {doing}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Nothing of this machine's Git configuration gets in.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.work).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null"), ("LC_ALL", "C")]);
        command.envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.org")]);
        command.envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.org")]);
        command.env("HOME", &self.home);
        command
    }

    /// Starts `git daemon` on a free port, or tells that it is not to be had.
    fn daemon(&self, base: &Path) -> Option<(Child, u16)> {
        let port = free_port().ok()?;
        let (listen, at) = ("--listen=127.0.0.1", format!("--port={port}"));
        let base = format!("--base-path={}", base.display());
        let mut command = self.command(&["daemon", "--reuseaddr", "--export-all", listen, &at, &base]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut server = command.spawn().ok()?;
        for _ in 0..PATIENCE {
            if server.try_wait().ok().flatten().is_some() {
                return None;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Some((server, port));
            }
            sleep(Duration::from_millis(100));
        }
        end(&mut server);
        None
    }

    /// Leaves the server running, and returns its process.
    pub(super) fn leave(&mut self) -> Option<u32> {
        self.server.take().map(|server| server.id())
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        self.server.iter_mut().for_each(end);
    }
}

/// Each connection has a process of its own: the whole group goes.
fn end(server: &mut Child) {
    if let Some(group) = i32::try_from(server.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::TERM);
    }
    let _ = server.wait();
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
