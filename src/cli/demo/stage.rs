use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::{Answer, Daemon};
use super::git::Git;
use super::{Ended, Told, failed, spellings};
use crate::cli::screen::Screen;
use crate::cli::show::printable;

pub(super) const APPLICATION: &str = "web-1";
/// How long a line of the story may take to become true.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(25);
const PROGRAMS: [&str; 4] = ["date", "df", "grep", "sleep"];

/// The scratch folder and everything that runs in it; all of it goes when this is dropped.
pub(super) struct Stage {
    pub folder: PathBuf,
    pub git: Git,
    pub daemon: Daemon,
    stop: Arc<AtomicBool>,
    screen: Screen,
    kept: bool,
}

impl Stage {
    pub(super) fn set(stop: Arc<AtomicBool>, screen: Screen) -> Told<Self> {
        let folder = scratch()?;
        let set = Git::serve(&folder).and_then(|git| Ok((git, Daemon::new(&folder)?)));
        let (git, daemon) = set.inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        let stage = Self { folder, git, daemon, stop, screen, kept: false };
        fs::write(&stage.daemon.config, stage.configuration()).map_err(failed("write the configuration"))?;
        for inside in ["etc", "usr/local/bin", "var/www"] {
            fs::create_dir_all(stage.host(inside)).map_err(failed("make the host's folders"))?;
        }
        Ok(stage)
    }

    /// Returns where a path of the pretended host lies.
    pub(super) fn host(&self, path: &str) -> PathBuf {
        self.folder.join("host").join(path)
    }

    /// Returns what a file of the pretended host holds; nothing where there is none.
    pub(super) fn content(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.host(path)).ok()
    }

    /// Says a line of the story, with what shows that it is true.
    pub(super) fn say(&self, line: &str, evidence: &str) -> Told<()> {
        let text = format!("  {line}\n      {}\n", printable(evidence));
        self.screen.story(&text).map_err(|_| Ended::Interrupted)
    }

    pub(super) fn chapter(&self, title: &str) -> Told<()> {
        self.screen.story(&format!("\n{title}\n")).map_err(|_| Ended::Interrupted)
    }

    /// Waits until something is there, and returns it with the time that took.
    pub(super) fn wait<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Self) -> Told<Option<T>>,
    ) -> Told<(T, Duration)> {
        let began = Instant::now();
        loop {
            if self.stop.load(Ordering::Acquire) {
                return Err(Ended::Interrupted);
            }
            if let Some(found) = look(self)? {
                return Ok((found, began.elapsed()));
            }
            if self.daemon.is_gone() {
                return Err(Ended::Untrue(format!("expected {what}, but the daemon ended")));
            }
            if began.elapsed() > PATIENCE {
                let status = self.application()?;
                return Err(Ended::Untrue(format!(
                    "expected {what} within {} s; status: {status}",
                    PATIENCE.as_secs()
                )));
            }
            sleep(LOOK);
        }
    }

    /// Returns what `status` says of the application; null while the daemon does not answer.
    pub(super) fn application(&self) -> Told<Value> {
        let Answer { json, .. } = self.daemon.ask(&["status"])?;
        let found = json["applications"].as_array().and_then(|all| all.iter().find(|one| one["name"] == APPLICATION));
        Ok(found.cloned().unwrap_or_default())
    }

    /// Returns the newest records of the trail, newest first.
    pub(super) fn trail(&self) -> Told<Vec<Value>> {
        Ok(self.daemon.ask(&["audit", "list", "-n", "100"])?.json.as_array().cloned().unwrap_or_default())
    }

    /// Waits until nothing goes on and the last sync ended well, at `revision`.
    pub(super) fn applied(&mut self, revision: &str) -> Told<Duration> {
        let look = |stage: &Self| {
            let status = stage.application()?;
            let good = matches!(status["outcome"].as_str(), Some("applied" | "unchanged"));
            Ok((good && status["syncing"] == false && status["applied"] == revision).then_some(()))
        };
        Ok(self.wait(&format!("{} to be applied", &revision[..10]), look)?.1)
    }

    pub(super) fn end_of_log(&self) -> String {
        printable_lines(&self.daemon.end_of_log())
    }

    /// Leaves everything running, and tells how to play with it.
    pub(super) fn keep(&mut self) -> Told<()> {
        let processes: Vec<_> = [self.daemon.leave(), self.git.leave()].into_iter().flatten().collect();
        let processes: Vec<_> = processes.iter().map(u32::to_string).collect();
        self.kept = true;
        let (folder, work) = (self.folder.display(), self.git.work.display());
        let text = format!(
            "\nIt still runs. To play with it:\n  export TRUEUP_CONFIG={}\n  trueup status\n  \
             echo hello > {folder}/host/etc/motd && sleep 2 && trueup history {APPLICATION}\n  \
             cd {work} && $EDITOR hosts/web-1/root/etc/motd && git commit -am 'my change' && git push\n\n\
             To end it:\n  kill {} && rm -r {folder}\n",
            self.daemon.config.display(),
            processes.join(" "),
        );
        self.screen.story(&text).map_err(|_| Ended::Interrupted)
    }

    fn configuration(&self) -> String {
        let folder = self.folder.display();
        let programs: Vec<_> = PROGRAMS.iter().flat_map(|program| spellings(program)).collect();
        let programs: Vec<_> = programs.iter().map(|program| program.display().to_string()).collect();
        format!(
            "apiVersion: trueup.dev/v1alpha1\nkind: Daemon\nmetadata: {{ name: demo }}\n\
             spec:\n  data: '{folder}/data'\n  socket: '{folder}/trueup.sock'\n  transports: [{}]\n\
             ---\napiVersion: trueup.dev/v1alpha1\nkind: Repository\nmetadata: {{ name: platform }}\n\
             spec: {{ url: '{}', branch: main, poll: 1s }}\n\
             ---\napiVersion: trueup.dev/v1alpha1\nkind: Target\nmetadata: {{ name: web-1 }}\n\
             spec:\n  host:\n    root: '{folder}/host'\n    allow: [/etc, /usr/local/bin, /var/www]\n    commands: [{}]\n\
             ---\napiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: {{ name: {APPLICATION} }}\n\
             spec:\n  source: {{ repository: platform, paths: [common, roles/web, hosts/web-1] }}\n  target: web-1\n  \
             sync: {{ interval: 2s }}\n",
            self.git.transport,
            self.git.url,
            programs.join(", "),
        )
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.kept {
            drop(self.daemon.stop());
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Makes a folder that nobody else can have made, and that only we can look into.
fn scratch() -> Told<PathBuf> {
    let within: &Path = &std::env::temp_dir();
    for number in 0..1000 {
        let folder = within.join(format!("trueup-demo-{}-{number}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return fs::canonicalize(&folder).map_err(failed("make the scratch folder")),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(format!("make a folder in {}", within.display()))(error)),
        }
    }
    Err(Ended::Untrue(format!("could not make a folder in {}", within.display())))
}
