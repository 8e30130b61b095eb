//! Writes a text to a ref of a repository, as one commit on top of the one before. gix cannot push: that is left to the `git`
//! program, which is given nothing of this machine's configuration, and secrets by the name of their file.

mod run;

use std::path::PathBuf;

use tokio::process::Command;

use super::error::harmless;
use super::program::{contained, ssh_options};
use super::{SourceError, SourceErrorKind, address, connect, egress, secret};
use crate::config::{Repository, RepositoryUrl, Transport};
use crate::model::Time;

/// The one file of each commit.
const FILE: &str = "checkpoint";
/// Where the commit that was last seen at the remote is kept.
const SEEN: &str = "refs/trueup/seen";
/// Nothing that is asked for here is longer.
const LONGEST: u64 = 256 * 1024;
/// Each push leaves three small files in the repository at hand; after so many it is made anew.
const PUSHES: u32 = 256;

/// `http.curloptResolve` came with this version; `GIT_CONFIG_COUNT`, before.
const LEAST: (u32, u32) = (2, 37);

/// Prints what `git` asks a credential helper for. The secret goes from its file into a pipe, through no argument and no
/// environment.
const HELPER: &str = "!f() { test \"$1\" = get || exit 0; IFS= read -r secret <\"$TRUEUP_CREDENTIAL\"; \
     printf 'username=%s\\npassword=%s\\n' \"$TRUEUP_USERNAME\" \"${secret%\"$(printf '\\r')\"}\"; }; f";

/// A ref of a declared repository that only we write to.
pub struct Publisher {
    declared: Repository,
    address: RepositoryUrl,
    reference: String,
    /// A bare repository of our own, which holds no more than what is pushed.
    folder: PathBuf,
    pushes: u32,
}

impl Publisher {
    /// Nothing is asked of the server yet. `folder` is made, and emptied, when it is needed.
    ///
    /// # Errors
    /// `Transport` for a URL that is refused or not among `transports`.
    pub fn new(
        declared: &Repository,
        transports: &[Transport],
        reference: &str,
        folder: PathBuf,
    ) -> Result<Self, SourceError> {
        let address = address::of(declared)?;
        connect::check(declared, &address, transports)?;
        Ok(Self { declared: declared.clone(), address, reference: reference.into(), folder, pushes: PUSHES })
    }

    /// Returns the ref that is written to.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Returns the text that lies at the ref now; `None` where there is no such ref.
    ///
    /// # Errors
    /// When the server cannot be asked, or what lies there was not published by the likes of us.
    pub async fn last(&mut self) -> Result<Option<String>, SourceError> {
        let found = self.found().await;
        self.doubted(found)
    }

    async fn found(&mut self) -> Result<Option<String>, SourceError> {
        let url = self.address.to_string();
        self.fresh().await?;
        let listed = self.git(&["ls-remote", "--quiet", "--", &url, &self.reference], b"").await?;
        let found = listed.lines().filter_map(|line| line.split_once('\t')).any(|(_, name)| name == self.reference);
        if !found {
            // What is pushed next begins anew: the server may have lost what it would build on.
            self.git(&["update-ref", "-d", SEEN], b"").await?;
            return Ok(None);
        }
        let refs = format!("+{}:{SEEN}", self.reference);
        self.git(&["fetch", "--quiet", "--no-tags", "--depth=1", "--", &url, &refs], b"").await?;
        let file = format!("{SEEN}:{FILE}");
        let size = self.git(&["cat-file", "-s", &file], b"").await.map_err(|error| self.strange(&error))?;
        if size.trim().parse::<u64>().is_ok_and(|size| size <= LONGEST) {
            return self.git(&["cat-file", "blob", &file], b"").await.map(Some);
        }
        Err(SourceError::new(SourceErrorKind::TooLarge, format!("the file {FILE} at {} is too large", self.reference)))
    }

    /// Puts a text at the ref, on top of what [`Publisher::last`] or an earlier push saw there.
    ///
    /// # Errors
    /// `Rejected` where the ref has moved meanwhile, or the server does not take it; others when it cannot be asked.
    pub async fn push(&mut self, text: &str, now: Time) -> Result<(), SourceError> {
        let pushed = self.pushed(text, now).await;
        self.doubted(pushed)
    }

    /// Has the repository at hand made anew after a failure: it may be what is broken. What the server says of the ref is no sign of
    /// that.
    fn doubted<T>(&mut self, done: Result<T, SourceError>) -> Result<T, SourceError> {
        if done.as_ref().is_err_and(|error| error.kind != SourceErrorKind::Rejected) {
            self.pushes = PUSHES;
        }
        done
    }

    async fn pushed(&mut self, text: &str, now: Time) -> Result<(), SourceError> {
        let commit = self.commit(text, now).await?;
        let (url, refs) = (self.address.to_string(), format!("{commit}:{}", self.reference));
        let told = self.git(&["push", "--quiet", "--porcelain", "--no-verify", "--", &url, &refs], b"").await?;
        if let Some(line) = told.lines().find(|line| line.starts_with("!\t")) {
            let message = format!("the server did not take it: {}", harmless(line.as_bytes()));
            return Err(SourceError::new(SourceErrorKind::Rejected, message));
        }
        self.git(&["update-ref", SEEN, &commit], b"").await?;
        self.pushes += 1;
        Ok(())
    }

    /// Makes a commit of one file, whose message is the text too: so `git log` alone tells all that was ever published.
    async fn commit(&self, text: &str, now: Time) -> Result<String, SourceError> {
        let id = |printed: String| printed.trim().to_owned();
        let blob = id(self.git(&["hash-object", "-w", "--stdin"], text.as_bytes()).await?);
        let tree = id(self.git(&["mktree"], format!("100644 blob {blob}\t{FILE}\n").as_bytes()).await?);
        let parent = self.git(&["rev-parse", "--verify", "--quiet", SEEN], b"").await.map(id).ok();
        let date = format!("{} +0000", now.0.div_euclid(1_000_000));
        let mut arguments = vec!["commit-tree", &tree, "-F", "-"];
        arguments.extend(parent.as_deref().into_iter().flat_map(|parent| ["-p", parent]));
        let mut command = self.command(&arguments);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "trueup").env(format!("GIT_{who}_EMAIL"), "trueup@localhost");
            command.env(format!("GIT_{who}_DATE"), &date);
        }
        self.run(command, text.as_bytes()).await.map(id)
    }

    /// Makes the repository at hand anew, where it may have grown or is not there.
    async fn fresh(&mut self) -> Result<(), SourceError> {
        if self.pushes < PUSHES && self.folder.is_dir() {
            return Ok(());
        }
        self.recent().await?;
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SourceError::mirror(format!("could not empty {}", self.folder.display()), error));
            }
            _ => {}
        }
        let mut command = contained("git");
        command.args(["init", "--quiet", "--bare", "--template=", "--"]).arg(&self.folder);
        self.run(command, b"").await?;
        self.pushes = 0;
        Ok(())
    }

    /// Makes sure that `git` knows the settings that an HTTP server is reached with: an older one passes over them without a word, the
    /// address that was judged among them.
    async fn recent(&self) -> Result<(), SourceError> {
        if !matches!(self.address.transport(), Transport::Https | Transport::Http) {
            return Ok(());
        }
        let mut command = contained("git");
        command.arg("version");
        let printed = self.run(command, b"").await?;
        if version(&printed).is_some_and(|version| version >= LEAST) {
            return Ok(());
        }
        let (major, minor) = LEAST;
        let found = harmless(printed.as_bytes());
        let message = format!("git {major}.{minor} or newer is needed to push over HTTP, and here is {found}");
        Err(SourceError::new(SourceErrorKind::Transport, message))
    }

    /// Whether the ref is to be looked at again before the next push.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.pushes >= PUSHES
    }

    fn strange(&self, error: &SourceError) -> SourceError {
        let message = format!("{} holds something else than checkpoints: {}", self.reference, error.message);
        SourceError::new(SourceErrorKind::Rejected, message)
    }

    async fn git(&self, arguments: &[&str], input: &[u8]) -> Result<String, SourceError> {
        let mut command = self.command(arguments);
        if arguments.contains(&"--") {
            self.reach(&mut command).await?;
        }
        self.run(command, input).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
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

    async fn run(&self, command: Command, input: &[u8]) -> Result<String, SourceError> {
        run::run(command, input, self.declared.limits.timeout.0).await
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
