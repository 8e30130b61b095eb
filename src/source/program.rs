//! A server behind a program: `ssh`, or `git upload-pack` itself for a repository on this machine.

use std::io::{self, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::budget::{Budget, Patient};
use super::connect::Connection;
use super::error::harmless;
use super::{SourceError, SourceErrorKind, egress};
use crate::config::{Repository, RepositoryUrl};

pub(super) struct Program {
    child: Child,
    input: Patient<ChildStdin>,
    output: Patient<ChildStdout>,
    talk: ChildStderr,
    budget: Arc<Budget>,
}

impl Program {
    /// Starts `git upload-pack` on a folder of this machine.
    pub(super) fn upload_pack(path: &str, budget: Arc<Budget>) -> Result<Self, SourceError> {
        if !Path::new(path).is_dir() {
            return Err(SourceError::new(SourceErrorKind::NotFound, "there is no such folder"));
        }
        let mut command = contained("git");
        command.args(["upload-pack", "--strict", "--timeout=600", "--", path]);
        Self::start(command, budget)
    }

    /// Starts `ssh` with nothing of this machine's configuration.
    pub(super) fn ssh(
        declared: &Repository,
        address: &RepositoryUrl,
        key: Option<&Path>,
        budget: Arc<Budget>,
    ) -> Result<Self, SourceError> {
        let port = address.port().unwrap_or(22);
        let options = async { ssh_options(declared, address, key).await.map_err(SourceError::into_io) };
        let options = budget.wait(options)?;
        let mut command = contained("ssh");
        command.args(["-F", "none", "-T", "-x", "-a", "-p", &port.to_string()]);
        for option in options {
            command.args(["-o", &option]);
        }
        if let Some(user) = address.user() {
            command.args(["-l", user]);
        }
        let remote = format!("git-upload-pack '{}'", address.path().replace('\'', r"'\''").replace('!', r"'\!'"));
        command.args(["--", address.host(), &remote]);
        Self::start(command, budget)
    }

    fn start(mut command: Command, budget: Arc<Budget>) -> Result<Self, SourceError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let missing = |error: io::Error| {
            let message = format!("could not start {program}; is it installed?");
            SourceError::new(SourceErrorKind::Unreachable, message).because(error)
        };
        let mut child = budget.wait(async { command.spawn() }).map_err(missing)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stream), Some(stdout), Some(talk)) = pipes else {
            return Err(SourceError::new(SourceErrorKind::Unreachable, format!("could not talk to {program}")));
        };
        let input = Patient { stream, budget: Arc::clone(&budget) };
        let output = Patient { stream: stdout, budget: Arc::clone(&budget) };
        Ok(Self { child, input, output, talk, budget })
    }

    /// Ends the program and whatever it started. What it wrote to stderr stays in the pipe.
    fn end(&self) {
        // Not reaped yet, so the number is still that of our group.
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Connection for Program {
    fn greeting(&mut self) -> Result<Box<dyn Read + '_>, SourceError> {
        Ok(Box::new(&mut self.output))
    }

    fn request(&mut self, request: &[u8]) -> Result<Box<dyn Read + '_>, SourceError> {
        self.input.send(request)?;
        Ok(Box::new(&mut self.output))
    }

    /// Programs say why they gave up on stderr; on stdout there is only an end.
    fn explain(&mut self, error: SourceError) -> SourceError {
        if error.kind != SourceErrorKind::Unreachable {
            return error;
        }
        let mut text = Vec::new();
        let (child, talk) = (&mut self.child, &mut self.talk);
        // Whoever closed stdout is about to end; one that is not has nothing to add.
        let _ = self.budget.wait(async {
            let _ = tokio::time::timeout(Duration::from_secs(2), child.wait()).await;
            let mut talk = talk.take(16 * 1024);
            let _ = tokio::time::timeout(Duration::from_millis(500), talk.read_to_end(&mut text)).await;
            Ok(())
        });
        match classify(&String::from_utf8_lossy(&text)) {
            Some((kind, message)) => SourceError::new(kind, message),
            None => error,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns a command that inherits nothing, in a process group of its own. Its runtime reaps it once its group has ended.
pub(super) fn contained(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().process_group(0).kill_on_drop(true);
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    command.env("PATH", path).env("LC_ALL", "C").env("HOME", "/nonexistent").current_dir("/");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_PROTOCOL", "version=2");
    command
}

/// Returns the address that `ssh` shall connect to: it would resolve the name once more, and get another answer.
async fn reachable(host: &str, port: u16) -> Result<String, SourceError> {
    let found = egress::resolve(host, port).await?;
    let [first, others @ ..] = found.as_slice() else { return Ok(host.into()) };
    if others.is_empty() {
        return Ok(first.ip().to_string());
    }
    for address in &found {
        let patience = Duration::from_secs(5);
        if let Ok(Ok(_)) = tokio::time::timeout(patience, tokio::net::TcpStream::connect(address)).await {
            return Ok(address.ip().to_string());
        }
    }
    Err(SourceError::new(SourceErrorKind::Unreachable, format!("no address of {host} answers on port {port}")))
}

/// Returns the options that make `ssh` talk to this server alone, and to nothing else of this machine.
pub(super) async fn ssh_options(
    declared: &Repository,
    address: &RepositoryUrl,
    key: Option<&Path>,
) -> Result<Vec<String>, SourceError> {
    let unknown = "no host key is known: put those of the server into a file and name it in `ssh.knownHosts`";
    let known = declared.ssh.known_hosts.as_deref();
    let known = known.ok_or_else(|| SourceError::new(SourceErrorKind::HostKey, unknown))?;
    let port = address.port().unwrap_or(22);
    let at = reachable(address.host(), port).await?;
    Ok(options(address, port, &at, key, known))
}

fn options(address: &RepositoryUrl, port: u16, at: &str, key: Option<&Path>, known: &Path) -> Vec<String> {
    // As it stands in known_hosts: the alias keeps that name although the address is given.
    let alias = if port == 22 { address.host().to_owned() } else { format!("[{}]:{port}", address.host()) };
    let quoted = |path: &Path| format!("\"{}\"", path.display().to_string().replace('%', "%%"));
    let identity = key.map_or_else(|| "IdentityFile=none".into(), |key| format!("IdentityFile={}", quoted(key)));
    let fixed = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "UpdateHostKeys=no",
        "VerifyHostKeyDNS=no",
        "CheckHostIP=no",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "PreferredAuthentications=publickey",
        "ClearAllForwardings=yes",
        "ControlMaster=no",
        "ControlPath=none",
        "PermitLocalCommand=no",
        "ConnectTimeout=20",
        "ServerAliveInterval=15",
        "SendEnv=GIT_PROTOCOL",
        // Older programs do not know it; newer ones refuse host keys that can be forged.
        "IgnoreUnknown=RequiredRSASize",
        "RequiredRSASize=2048",
    ];
    let mut options: Vec<_> = fixed.map(String::from).into();
    options.push(format!("HostName={at}"));
    options.push(format!("HostKeyAlias={alias}"));
    options.push(format!("UserKnownHostsFile={}", quoted(known)));
    options.push(identity);
    options
}

/// Tells what `ssh`, or git on the other side, means.
pub(super) fn classify(talk: &str) -> Option<(SourceErrorKind, String)> {
    const SIGNS: [(SourceErrorKind, &[&str], &str); 5] = [
        (
            SourceErrorKind::HostKey,
            &["host key", "host identification", "revoked", "no matching", "invalid key length", "required rsa"],
            "the server's host key is not the one in `ssh.knownHosts`",
        ),
        (
            SourceErrorKind::Credentials,
            &["unprotected private key", "error in libcrypto", "invalid format"],
            "ssh cannot use the private key",
        ),
        (
            SourceErrorKind::Unauthorised,
            &["permission denied", "dubious ownership", "too many authentication failures"],
            "the server refused the key",
        ),
        (
            SourceErrorKind::NotFound,
            &["not appear to be a git repository", "not found", "does not exist", "no such", "not a git repository"],
            "there is no such repository",
        ),
        (SourceErrorKind::Unreachable, &["connect", "resolve", "timed out", "no route"], "the server was not reached"),
    ];
    let lower = talk.to_lowercase();
    let said = talk.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with('@'))?;
    let (kind, _, message) = SIGNS.iter().find(|(_, signs, _)| signs.iter().any(|sign| lower.contains(sign)))?;
    Some((*kind, format!("{message} ({})", harmless(said.as_bytes()))))
}
