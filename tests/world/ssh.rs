use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::{Repo, clean, eventually, must, parts};

/// A real sshd on loopback, with keys of its own.
pub struct SshServer {
    folder: PathBuf,
    port: u16,
    user: String,
    process: Child,
}

/// What a server is.
#[derive(Clone, Copy)]
pub struct SshHost {
    /// The type of its host key, and more arguments of ssh-keygen.
    pub key: &'static [&'static str],
    /// More lines of its configuration.
    pub more: &'static str,
}

impl Default for SshHost {
    fn default() -> Self {
        Self { key: &["ed25519"], more: "" }
    }
}

impl SshServer {
    /// Starts one that keeps its keys in `folder`, or says SKIP and returns `None` where there is no sshd.
    pub fn start(folder: &Path) -> Option<Self> {
        Self::with(folder, &SshHost::default())
    }

    pub fn with(folder: &Path, host: &SshHost) -> Option<Self> {
        let sshd = parts::program("sshd")?;
        let keygen = parts::program("ssh-keygen")?;
        fs::create_dir_all(folder).expect("the folder of the keys can be made");
        for name in ["host", "other", "client"] {
            let key = if name == "host" { host.key } else { SshHost::default().key };
            let mut command = clean(&keygen, folder);
            command.args(["-q", "-N", "", "-C", name, "-t"]).args(key).arg("-f").arg(folder.join(name));
            must(&mut command);
        }
        if rustix::process::geteuid().is_root() {
            // Where it puts aside its privileges; Debian makes it at boot only.
            fs::create_dir_all("/run/sshd").expect("/run/sshd can be made");
        }
        let user = String::from_utf8_lossy(&must(clean("id", folder).arg("-un")).stdout).trim().to_owned();
        // Another process may take the port between our look and sshd's: then the next one.
        let (port, process) = (0..5).find_map(|_| Self::listen(&sshd, folder, host)).unwrap_or_else(|| {
            panic!("sshd does not start:\n{}", fs::read_to_string(folder.join("log")).unwrap_or_default())
        });
        let server = Self { folder: folder.to_owned(), port, user, process };
        for (file, key) in [("known_hosts", "host.pub"), ("other_hosts", "other.pub")] {
            let key = fs::read_to_string(folder.join(key)).expect("a key can be read");
            fs::write(folder.join(file), format!("[127.0.0.1]:{port} {key}")).expect("known hosts can be written");
        }
        Some(server)
    }

    fn listen(sshd: &Path, folder: &Path, host: &SshHost) -> Option<(u16, Child)> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let path = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\nLogLevel VERBOSE\n{}",
            path("host"),
            path("client.pub"),
            host.more,
        );
        fs::write(folder.join("sshd_config"), config).expect("the configuration can be written");
        let log = File::create(folder.join("log")).expect("the log can be written");
        let mut command = clean(sshd, folder);
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config")).process_group(0);
        let mut process = command.stdout(Stdio::null()).stderr(log).spawn().ok()?;
        for _ in 0..250 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() && process.try_wait().ok()?.is_none() {
                return Some((port, process));
            }
            if process.try_wait().ok()?.is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = process.kill();
        let _ = process.wait();
        None
    }

    /// Returns the URL of a repository.
    pub fn url(&self, repo: &Repo) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repo.bare().display())
    }

    /// Returns the private key that it lets in (mode 0600).
    pub fn key(&self) -> PathBuf {
        self.folder.join("client")
    }

    /// Returns the `known_hosts` file with its host key.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Returns a `known_hosts` file with another key for this host: what a client sees when someone stands in between.
    pub fn other_hosts(&self) -> PathBuf {
        self.folder.join("other_hosts")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns what it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::KILL,
        );
        let _ = self.process.wait();
    }
}
