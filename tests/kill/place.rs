//! A copy of a prepared state, and the daemon that lives and dies in it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use crate::faults::{Fault, Faults};
use crate::world::{Snapshot, clean, must};

/// What shall happen happens within this.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Place {
    folder: TempDir,
    daemon: Option<Child>,
    ended: Option<ExitStatus>,
}

/// What a daemon answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// How far an application came.
#[derive(Debug, PartialEq)]
pub enum Seen {
    Dead,
    /// It is what Git says, and nothing goes on.
    Settled,
    /// The plan with this id waits for a person.
    Held(String),
    /// The last sync ended otherwise: its outcome, code and message.
    Troubled(String),
}

impl Place {
    /// Copies `state`, and writes the configuration with the place's own folder in it.
    pub fn new(state: &Path, config: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::Builder::new().prefix("tk-").tempdir_in("/tmp").unwrap();
        for part in ["data", "root"] {
            must(clean("cp", folder.path()).arg("-a").arg(state.join(part)).arg(folder.path()));
        }
        for part in ["run", "runs", "home"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        // What ran before the copy was made counts as well.
        if state.join("runs").is_dir() {
            must(clean("cp", folder.path()).arg("-a").arg(state.join("runs")).arg(folder.path()));
        }
        fs::write(folder.path().join("config.yaml"), config(folder.path())).unwrap();
        Self { folder, daemon: None, ended: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the daemon with this in its environment.
    pub fn start(&mut self, environment: Vec<(String, String)>) {
        let mut command = clean(env!("CARGO_BIN_EXE_trueup"), &self.path("home"));
        command.envs(environment);
        self.start_as(command);
    }

    /// Starts a command that ends as the daemon, or as what watches it.
    pub fn start_as(&mut self, mut command: Command) {
        assert!(self.daemon.is_none(), "a daemon runs");
        let log = File::options().create(true).append(true).open(self.path("stderr")).unwrap();
        command.args(["run", "--config"]).arg(self.path("config.yaml")).current_dir(self.folder());
        self.daemon = Some(command.stdout(Stdio::null()).stderr(log).process_group(0).spawn().unwrap());
    }

    /// Asks the daemon to end: the process that holds the data folder, whatever it was started by.
    pub fn terminate(&self) {
        let pid = fs::read_to_string(self.path("data/lock")).unwrap().trim().parse().unwrap();
        // It may have died meanwhile.
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM);
    }

    /// Kills the daemon, and nothing that it started.
    pub fn kill9(&mut self) {
        let _ = self.daemon.as_mut().unwrap().kill();
        self.until_dead();
    }

    pub fn is_dead(&mut self) -> bool {
        let Some(daemon) = &mut self.daemon else { return true };
        let Some(status) = daemon.try_wait().unwrap() else { return false };
        (self.daemon, self.ended) = (None, Some(status));
        true
    }

    /// Tells whether the last daemon ended as it was told to, and nothing killed it. How many durable calls that takes differs
    /// by those of one record: of syncs without a change, if there was time for any.
    pub fn came_to_its_end(&self) -> bool {
        self.ended.is_some_and(|status| status.success())
    }

    /// Returns the exit code of the last daemon, and what all of them wrote.
    pub fn last_words(&self) -> (Option<i32>, String) {
        let text = fs::read(self.path("stderr")).unwrap_or_default();
        (self.ended.and_then(|status| status.code()), String::from_utf8_lossy(&text).into_owned())
    }

    /// Stops the daemon, where it is not dead yet.
    pub fn end(&mut self) {
        if !self.is_dead() {
            self.terminate();
            self.until_dead();
        }
    }

    pub fn until_dead(&mut self) {
        self.until("the daemon is dead", |place| place.is_dead().then_some(()));
    }

    /// Waits for `look` to find something.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain: {what}\n{}", self.story());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the application stands still, or the daemon is dead.
    pub fn until_still(&mut self, revision: &str) -> Seen {
        self.until("the application stands still", |place| place.look(revision))
    }

    fn look(&mut self, revision: &str) -> Option<Seen> {
        if self.is_dead() {
            return Some(Seen::Dead);
        }
        let app = self.ask("GET", "/v1/status")?.body["applications"][0].clone();
        if app["syncing"] == true {
            return None;
        }
        let outcome = app["outcome"].as_str()?;
        match outcome {
            "applied" | "unchanged" => (app["applied"] == revision).then_some(Seen::Settled),
            "held" if app["plan"].is_string() => Some(Seen::Held(app["plan"].as_str()?.to_owned())),
            _ => Some(Seen::Troubled(format!("{outcome} {} {}", app["code"], app["message"]))),
        }
    }

    /// Asks the daemon something; nothing where it does not answer to the end.
    pub fn ask(&self, method: &str, path: &str) -> Option<Answer> {
        let mut stream = UnixStream::connect(self.path("run/trueup.sock")).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: trueup\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, body: serde_json::from_str(body).ok()? })
    }

    /// Asks something that a running daemon answers.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path).unwrap_or_else(|| panic!("no answer to {path}\n{}", self.story()));
        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.body, self.story());
        answer.body
    }

    /// Asks for what changes nothing, with a body of its own.
    pub fn post(&self, path: &str) -> Value {
        let answer = self.ask("POST", path).unwrap_or_else(|| panic!("no answer to {path}\n{}", self.story()));
        assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.body, self.story());
        answer.body
    }

    /// Returns the records of the trail above `tip`, oldest first.
    pub fn records(&self, tip: u64) -> Vec<Value> {
        let records = self.get(&format!("/v1/audit/records?after={tip}&limit=1000"));
        records.as_array().unwrap().clone()
    }

    /// Returns all that is live. Times differ from copy to copy.
    pub fn live(&self) -> Snapshot {
        Snapshot::of(&self.path("root")).settled(|_| false)
    }

    /// Returns what goes wrong in one life of the daemon.
    pub fn faults(&self, fault: Fault) -> Faults {
        Faults::new(&self.path("faults"), fault)
    }

    /// Returns how often a command of the application ran.
    pub fn runs(&self, name: &str) -> usize {
        fs::read_to_string(self.path("runs").join(name)).unwrap_or_default().lines().count()
    }

    /// Returns what is known of how it came to this, for who reads a failure.
    pub fn story(&self) -> String {
        let text = |name: &str| fs::read(self.path(name)).map(|b| String::from_utf8_lossy(&b).into_owned());
        let calls = text("faults/calls").unwrap_or_default();
        let calls: Vec<_> = calls.lines().collect();
        let last = calls[calls.len().saturating_sub(5)..].join("\n");
        let trail = self.ask("GET", "/v1/audit/records?limit=20").map(|answer| answer.body);
        let trail = trail.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let trail: Vec<_> = trail.iter().rev().map(told).collect();
        format!(
            "-- stderr\n{}-- last calls counted\n{last}\n-- trail\n{}\n",
            text("stderr").unwrap_or_default(),
            trail.join("\n")
        )
    }
}

fn told(record: &Value) -> String {
    let body = &record["body"];
    format!("{} {} {} {} {}", record["kind"], record["sync"], body["outcome"], body["code"], body["message"])
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = kill_process_group(Pid::from_child(&daemon), Signal::KILL);
            let _ = daemon.wait();
        }
    }
}
