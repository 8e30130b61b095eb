//! A bare repository of our own that the `git` program works on: gix cannot push. It is given nothing of this machine's
//! configuration, and secrets by the name of their file.

mod run;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::error::harmless;
use super::program::{contained, ssh_options};
use super::{SourceError, SourceErrorKind, address, connect, egress, secret};
use crate::config::{Repository, RepositoryUrl, Transport};

use run::Reach;
pub(super) use run::Told;

/// `http.curloptResolve` came with this version; `GIT_CONFIG_COUNT`, before.
const LEAST: (u32, u32) = (2, 37);

/// Prints what `git` asks a credential helper for. The secret goes from its file into a pipe, through no argument and no
/// environment.
const HELPER: &str = "!f() { test \"$1\" = get || exit 0; IFS= read -r secret <\"$TRUEUP_CREDENTIAL\"; \
     printf 'username=%s\\npassword=%s\\n' \"$TRUEUP_USERNAME\" \"${secret%\"$(printf '\\r')\"}\"; }; f";

/// The repository at hand, and the server that it is pushed to.
pub(super) struct Bare {
    declared: Repository,
    address: RepositoryUrl,
    folder: PathBuf,
}

impl Bare {
    /// Nothing is asked of the server yet, and `folder` is not made.
    ///
    /// # Errors
    /// `Transport` for a URL that is refused or not among `transports`.
    pub(super) fn new(declared: &Repository, transports: &[Transport], folder: PathBuf) -> Result<Self, SourceError> {
        let address = address::of(declared)?;
        connect::check(declared, &address, transports)?;
        Ok(Self { declared: declared.clone(), address, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what `git` is told as the server's address.
    pub(super) fn url(&self) -> String {
        self.address.to_string()
    }

    /// Returns how long one command may take.
    pub(super) const fn limit(&self) -> Duration {
        self.declared.limits.timeout.0
    }

    /// Makes the repository anew, empty.
    pub(super) async fn begin(&self) -> Result<(), SourceError> {
        self.recent().await?;
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SourceError::mirror(format!("could not empty {}", self.folder.display()), error));
            }
            _ => {}
        }
        let mut command = contained("git");
        command.args(["init", "--quiet", "--bare", "--template=", "--"]).arg(&self.folder);
        self.run(command, b"").await.map(|_| ())
    }

    /// Makes sure that `git` knows the settings that an HTTP server is reached with: an older one passes over them without a word, the
    /// address that was judged among them.
    async fn recent(&self) -> Result<(), SourceError> {
        if !matches!(self.address.transport(), Transport::Https | Transport::Http) {
            return Ok(());
        }
        let mut command = contained("git");
        command.arg("version");
        let printed = self.run(command, b"").await?.text();
        if version(&printed).is_some_and(|version| version >= LEAST) {
            return Ok(());
        }
        let (major, minor) = LEAST;
        let found = harmless(printed.as_bytes());
        let message = format!("git {major}.{minor} or newer is needed to push over HTTP, and here is {found}");
        Err(SourceError::new(SourceErrorKind::Transport, message))
    }

    /// Runs a command on it, and returns what it printed. One with `--` talks to the server.
    pub(super) async fn git(&self, arguments: &[&str], input: &[u8]) -> Result<String, SourceError> {
        self.told(arguments, input).await.map(|told| told.text())
    }

    /// Runs a command on it, and returns all that it said.
    pub(super) async fn told(&self, arguments: &[&str], input: &[u8]) -> Result<Told, SourceError> {
        let mut command = self.command(arguments);
        let reach = match arguments {
            _ if !arguments.contains(&"--") => Reach::Here,
            ["push", ..] if arguments.contains(&"--porcelain") => Reach::Push,
            _ => Reach::Server,
        };
        if reach != Reach::Here {
            self.reach(&mut command).await?;
        }
        run::run(command, input, self.limit(), reach).await
    }

    /// Returns a command on it that reaches no server.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = contained("git");
        command.arg("--git-dir").arg(&self.folder);
        let scheme = self.address.transport().scheme();
        let fixed = [
            "core.hooksPath=/dev/null",
            "gc.auto=0",
            "maintenance.auto=false",
            "fetch.fsckObjects=true",
            "protocol.allow=never",
            &format!("protocol.{scheme}.allow=always"),
            "http.followRedirects=false",
            "http.lowSpeedLimit=1",
            "http.lowSpeedTime=30",
        ];
        for setting in fixed {
            command.arg("-c").arg(setting);
        }
        command.args(arguments).env("GIT_TERMINAL_PROMPT", "0");
        command
    }

    /// Adds how the server is reached and what it is shown, as the Repository document says.
    async fn reach(&self, command: &mut Command) -> Result<(), SourceError> {
        let mut settings: Vec<String> = vec![];
        match self.address.transport() {
            Transport::Https | Transport::Http => {
                settings.extend(self.declared.proxy.iter().map(|proxy| format!("http.proxy={proxy}")));
                settings.extend(self.declared.tls.ca.iter().map(|ca| format!("http.sslCAInfo={}", ca.display())));
                settings.extend(self.pinned().await?);
                if let Some(credentials) = &self.declared.credentials {
                    // Read for what is wrong with it, and to have it said in our words.
                    secret::read(credentials)?;
                    settings.push(format!("credential.helper={HELPER}"));
                    command.env("TRUEUP_CREDENTIAL", secret::file(credentials)?);
                    command.env("TRUEUP_USERNAME", &credentials.username);
                }
            }
            Transport::Ssh => {
                let key = self.declared.credentials.as_ref().map(secret::file).transpose()?;
                let options = ssh_options(&self.declared, &self.address, key.as_deref()).await?;
                let options: Vec<_> = options.iter().map(|option| format!("-o {}", quoted(option))).collect();
                let ssh = format!("ssh -F none -T -x -a {}", options.join(" "));
                command.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
            }
            Transport::Git | Transport::File => {}
        }
        for (number, setting) in settings.iter().enumerate() {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            command.env(format!("GIT_CONFIG_KEY_{number}"), name).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        Ok(())
    }

    /// Fixes the address that the name stands for: resolved again, it could be one where nothing is looked for.
    async fn pinned(&self) -> Result<Option<String>, SourceError> {
        let host = self.address.host();
        egress::check_literal(host)?;
        // A proxy resolves names itself, and an address needs it not.
        if self.declared.proxy.is_some() || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
            return Ok(None);
        }
        let port = self.address.port().unwrap_or(if self.address.transport() == Transport::Https { 443 } else { 80 });
        let found = egress::resolve(host, port).await?;
        let found: Vec<_> = found.iter().map(|one| one.ip().to_string()).collect();
        Ok(Some(format!("http.curloptResolve={host}:{port}:{}", found.join(","))))
    }

    /// Runs a command that reaches no server.
    pub(super) async fn run(&self, command: Command, input: &[u8]) -> Result<Told, SourceError> {
        run::run(command, input, self.limit(), Reach::Here).await
    }
}

/// Returns major and minor version of what `git version` prints.
fn version(printed: &str) -> Option<(u32, u32)> {
    let mut parts = printed.trim().strip_prefix("git version ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns a word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_that_would_pass_over_our_settings_is_too_old() {
        for (printed, recent) in [
            ("git version 2.37.0\n", true),
            ("git version 2.39.5 (Apple Git-154)\n", true),
            ("git version 3.0\n", true),
            ("git version 2.50.GIT\n", true),
            ("git version 2.36.9\n", false),
            ("git version 1.99.1\n", false),
            ("git version two\n", false),
            ("", false),
        ] {
            assert_eq!(version(printed).is_some_and(|version| version >= LEAST), recent, "{printed}");
        }
    }
}
