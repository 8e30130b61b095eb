use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use tempfile::TempDir;

use super::{Declared, HttpServer, Repo, Snapshot, clean, eventually, scratch};

/// The daemon answers, or ends, within this.
const PATIENCE: Duration = Duration::from_secs(30);
/// The user and the group of nobody.
const NOBODY: u32 = 65534;

/// One repository on a server, one scratch host, one daemon.
pub struct World {
    pub repo: Repo,
    pub server: HttpServer,
    /// Written out at [`World::configure`] and at each start.
    pub declared: Declared,
    /// What the daemon's environment holds beside the usual (a fault to inject, a proxy).
    pub environment: Vec<(String, String)>,
    program: PathBuf,
    daemon: Option<Child>,
    /// Daemons that were killed, not yet taken note of: so their group's number stays theirs until it is ended.
    killed: Vec<Child>,
    folder: TempDir,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    /// 0 done, 1 differs or held, 2 trouble; -1 where a signal ended it.
    pub code: i32,
}

impl World {
    /// Makes a world in which nothing runs but the server.
    pub fn new() -> Self {
        let folder = scratch();
        for name in ["home", "git", "data", "run", "root"] {
            fs::create_dir(folder.path().join(name)).expect("a folder can be made");
        }
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(folder.path().join("data"), private).expect("a mode can be set");
        let git = folder.path().join("git");
        Self {
            repo: Repo::new(&git, "platform"),
            server: HttpServer::start(&git),
            declared: Declared::default(),
            environment: Vec::new(),
            program: env!("CARGO_BIN_EXE_trueup").into(),
            daemon: None,
            killed: Vec::new(),
            folder,
        }
    }

    /// Runs another program than the one built from this source: another version, or a stand-in.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    /// Returns a path in the world's own folder (`config.yaml`, `data`, `root`, `run`, `git`, `home`, `stderr`).
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns where a path of the target lies in the scratch root.
    pub fn live(&self, path: &str) -> PathBuf {
        self.path("root").join(path.trim_start_matches('/'))
    }

    /// Returns the live content of a path of the target, `None` where there is none.
    pub fn read(&self, path: &str) -> Option<String> {
        fs::read(self.live(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes a live file as a stranger would.
    pub fn edit(&self, path: &str, content: &str) {
        let path = self.live(path);
        fs::create_dir_all(path.parent().expect("a path has a parent")).expect("a folder can be made");
        fs::write(path, content).expect("a live file can be written");
    }

    /// Returns all that is live.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.path("root"))
    }

    /// Writes the configuration, in place of the one before at once, and makes the allowed folders.
    pub fn configure(&self) -> PathBuf {
        for path in &self.declared.allow {
            fs::create_dir_all(self.live(path)).expect("an allowed folder can be made");
        }
        let text = self.declared.text(self.folder.path(), &self.server.url(self.repo.name()));
        let (next, config) = (self.path("config.yaml.next"), self.path("config.yaml"));
        fs::write(&next, text).expect("the configuration can be written");
        fs::rename(next, &config).expect("the configuration can be put in place");
        config
    }

    /// Starts the daemon and waits until `status` answers.
    ///
    /// # Panics
    /// Where it ends, or does not answer, with what it wrote.
    pub fn start(&mut self) -> &mut Self {
        self.spawn();
        let start = Instant::now();
        while !(0..=1).contains(&self.cli(&["status", "--json"]).code) {
            if self.ended() {
                let status = self.wait();
                panic!("the daemon ended at its start: {status}\n{}", self.stderr());
            }
            assert!(start.elapsed() < PATIENCE, "status does not answer\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Starts the daemon and returns at once.
    pub fn spawn(&mut self) {
        assert!(self.daemon.is_none(), "the daemon is running");
        let config = self.configure();
        let stderr = File::options().create(true).append(true).open(self.path("stderr")).expect("a log can be written");
        let mut command = self.command();
        command.args(["run", "--config"]).arg(config).envs(self.environment.iter().cloned());
        command.stdout(Stdio::null()).stderr(stderr).process_group(0);
        self.daemon = Some(command.spawn().expect("the daemon can be started"));
    }

    /// Returns the daemon's process id.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon is running").id()
    }

    /// Kills the daemon, and nothing that it started, and waits until it is dead.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        let start = Instant::now();
        while !self.ended() {
            assert!(start.elapsed() < PATIENCE, "the daemon cannot be killed");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.killed.extend(self.daemon.take());
    }

    /// Asks the daemon to end, and returns how it did.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    pub fn restart(&mut self) -> &mut Self {
        self.stop();
        self.start()
    }

    /// Sends the daemon a signal (`HUP` to load its configuration again).
    pub fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("the daemon is running");
        kill_process(Pid::from_child(daemon), signal).expect("the daemon can be signalled");
    }

    /// Waits until the daemon ends by itself, and returns how it did. What it left running ends with it.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        while !self.ended() {
            assert!(start.elapsed() < PATIENCE, "the daemon does not end\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
        finish(self.daemon.take().expect("the daemon was running"))
    }

    /// Returns what the daemons of this world wrote so far.
    pub fn stderr(&self) -> String {
        fs::read(self.path("stderr")).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Runs `trueup --config FILE …` to its end.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command();
        command.arg("--config").arg(self.path("config.yaml")).args(arguments);
        Ran::from(command.output().expect("trueup can be started"))
    }

    /// Runs `trueup --config FILE …` as another user, with the primary group of `nobody`. Takes root.
    pub fn cli_as(&self, uid: u32, arguments: &[&str]) -> Ran {
        // Whoever builds this may keep its folders for themselves.
        let program = self.path("trueup");
        if !program.exists() {
            fs::copy(&self.program, &program).expect("the program can be copied");
            fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o711)).expect("a mode can be set");
        }
        let mut command = clean(&program, &self.path("home"));
        command.current_dir("/").uid(uid).gid(NOBODY).arg("--config").arg(self.path("config.yaml")).args(arguments);
        Ran::from(command.output().expect("trueup can be started"))
    }

    /// Runs `trueup --config FILE …` on a terminal of its own (the program `script`). Once it asks, `meanwhile` happens, and then
    /// this is typed. What it says on stderr is on stdout too.
    pub fn cli_asked(&self, arguments: &[&str], meanwhile: impl FnOnce(), typed: &str) -> Ran {
        let (program, config) = (self.program.display().to_string(), self.path("config.yaml").display().to_string());
        let words = [&[&program, "--config", &config], arguments].concat();
        let line: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let mut command = clean("script", &self.path("home"));
        command.current_dir(self.folder.path()).env("NO_COLOR", "1").args(["-qefc", &line.join(" "), "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script can be started");
        let (mut keys, mut screen) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (mut seen, mut some) = (vec![], [0; 4096]);
        while !String::from_utf8_lossy(&seen).contains("[y/N]") {
            let read = screen.read(&mut some).expect("the terminal can be read");
            assert!(read > 0, "it does not ask\n{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&some[..read]);
        }
        meanwhile();
        writeln!(keys, "{typed}").expect("it can be typed");
        screen.read_to_end(&mut seen).expect("the terminal can be read");
        let status = child.wait().expect("script can be waited for");
        Ran::from(Output { status, stdout: seen, stderr: vec![] })
    }

    /// Waits until a live path holds this.
    pub fn until_live(&self, path: &str, content: &str) {
        let start = Instant::now();
        while self.read(path).as_deref() != Some(content) {
            assert!(start.elapsed() < PATIENCE, "{path} holds {:?}, not {content:?}", self.read(path));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns whether the daemon is dead, and leaves it to be waited for.
    fn ended(&self) -> bool {
        let Some(daemon) = &self.daemon else { return false };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(daemon)), options).expect("the daemon can be looked at").is_some()
    }

    fn command(&self) -> Command {
        let mut command = clean(&self.program, &self.path("home"));
        command.current_dir(self.folder.path()).env("RUST_BACKTRACE", "1").env("NO_COLOR", "1");
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for daemon in self.killed.drain(..).chain(self.daemon.take()) {
            finish(daemon);
        }
        if std::thread::panicking() {
            eprintln!("-- the daemon's stderr\n{}--", self.stderr());
        }
    }
}

/// Ends a daemon and all that it started, and returns how it ended itself.
fn finish(mut daemon: Child) -> ExitStatus {
    // Before it is waited for: until then the number of its group cannot be someone else's.
    let _ = kill_process_group(Pid::from_child(&daemon), Signal::KILL);
    daemon.wait().expect("the daemon can be waited for")
}

impl Ran {
    /// Returns itself where the exit code is this one.
    ///
    /// # Panics
    /// Where it is another, with all that was printed.
    #[must_use]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}{}", self.stdout, self.stderr);
        self
    }

    /// Returns what was printed on stdout, as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in\n{}{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { stdout: text(&output.stdout), stderr: text(&output.stderr), code: output.status.code().unwrap_or(-1) }
    }
}
