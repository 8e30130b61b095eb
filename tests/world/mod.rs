//! The world of the story tests: real repositories on real servers, a scratch host, and the real daemon between them.
//!
//! Hermetic: a folder of its own for everything, no configuration of the machine or of the person who runs it, fixed authors,
//! and dates that advance by a counter. What is started ends with the value that started it.
//!
//! A test binary that uses it holds `#[path = "world/mod.rs"] mod world;`.

// Each test binary uses a part of this, and says what went wrong by failing.
#![allow(dead_code, unreachable_pub, unused_imports)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stderr)]

mod authority;
mod browser;
mod cgi;
mod daemon;
mod declared;
mod forms;
mod front;
mod gitea;
mod http;
#[path = "../parts/mod.rs"]
pub mod parts;
mod repo;
pub mod signing;
mod snapshot;
mod ssh;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub use authority::{Authority, Shown};
pub use browser::{Browser, ended, login, port};
pub use daemon::{Ran, World};
pub use declared::{App, Declared};
pub use forms::{forms, holds};
pub use front::Front;
pub use gitea::{Gitea, Person};
pub use http::{Fault, HttpServer, Options, Request};
pub use repo::Repo;
pub use snapshot::Snapshot;
pub use ssh::{SshHost, SshServer};

/// Returns a command with nothing of this machine in its environment but `PATH`.
pub fn clean(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", search_path()).env("HOME", home).env("LC_ALL", "C.UTF-8");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("GIT_TERMINAL_PROMPT", "0").stdin(std::process::Stdio::null());
    command
}

/// Runs a command to its end.
///
/// # Panics
/// Where it fails, with all that it said.
pub fn must(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("could not start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Returns an address of loopback that nobody listens at.
pub fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address")
}

/// Writes a file that only its owner may read, and returns its path.
pub fn private(world: &World, name: &str, content: &str) -> String {
    let path = world.path("home").join(name);
    std::fs::write(&path, content).expect("a file can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    path.display().to_string()
}

/// Waits until `holds`, looking every 20 ms.
///
/// # Panics
/// Where it does not within `limit`.
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/sbin:/sbin:/usr/bin:/bin")
}

/// Returns a new folder with a short name: the path of a unix socket has 107 bytes at most.
fn scratch() -> tempfile::TempDir {
    let base = if Path::new("/tmp").is_dir() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("tu-").tempdir_in(base).expect("a scratch folder can be made")
}
