//! Keys and signatures, made by `ssh-keygen` and `gpg`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An SSH key pair.
pub struct SshKey {
    path: PathBuf,
}

impl SshKey {
    /// Makes one: `&["-t", "ed25519"]`.
    pub fn new(folder: &Path, name: &str, kind: &[&str]) -> Self {
        let path = folder.join(name);
        run(tool("ssh-keygen", folder).args(kind).args(["-q", "-N", "", "-C", "", "-f"]).arg(&path));
        Self { path }
    }

    /// Returns the one that was made there.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub fn path(&self) -> &str {
        self.path.to_str().expect("a UTF-8 path")
    }

    /// Returns the public key: type and base64.
    pub fn public(&self) -> String {
        fs::read_to_string(format!("{}.pub", self.path())).expect("the public key").trim().to_owned()
    }

    /// Signs for a namespace.
    pub fn sign(&self, namespace: &str, payload: &str) -> String {
        let file = format!("{}.payload", self.path());
        fs::write(&file, payload).expect("a file can be written");
        let _ = fs::remove_file(format!("{file}.sig"));
        let folder = self.path.parent().expect("a folder");
        run(tool("ssh-keygen", folder).args(["-Y", "sign", "-f", self.path(), "-n", namespace, &file]));
        fs::read_to_string(format!("{file}.sig")).expect("a signature")
    }

    /// Returns settings of git that sign every commit and tag with it.
    pub fn settings(&self) -> Vec<[String; 2]> {
        settings("ssh", self.path())
    }
}

/// A key ring of gpg, with an agent that ends with it.
pub struct Gpg {
    home: PathBuf,
}

impl Gpg {
    /// Makes an empty one. Its path must be short: the agent has a socket there.
    pub fn new(home: &Path) -> Self {
        fs::create_dir_all(home).expect("a folder can be made");
        fs::set_permissions(home, fs::Permissions::from_mode(0o700)).expect("a mode can be set");
        Self { home: home.to_owned() }
    }

    /// Runs gpg and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let mut command = tool("gpg", &self.home);
        command.env("GNUPGHOME", &self.home);
        run(command
            .args(["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments))
    }

    /// Makes a key and returns its fingerprint: `ed25519`, `sign`, `never`.
    pub fn key(&self, who: &str, more: &[&str], kind: [&str; 3]) -> String {
        self.run(&[more, &["--quick-generate-key", who], &kind].concat());
        self.print(who)
    }

    /// Returns the fingerprint of a key.
    pub fn print(&self, who: &str) -> String {
        let listed = self.run(&["--with-colons", "--list-keys", who]);
        let print = listed.lines().find_map(|line| line.strip_prefix("fpr:")).expect("a fingerprint");
        print.trim_matches(':').to_owned()
    }

    /// Returns armoured public keys.
    pub fn export(&self, who: &str) -> String {
        self.run(&["--armor", "--export", who])
    }

    /// Revokes a key by the certificate that gpg made with it.
    pub fn revoke(&self, print: &str) {
        let file = self.home.join(format!("openpgp-revocs.d/{print}.rev"));
        let text = fs::read_to_string(&file).expect("a revocation").replace(":-----BEGIN", "-----BEGIN");
        fs::write(&file, text).expect("a file can be written");
        self.run(&["--import", file.to_str().expect("a UTF-8 path")]);
    }

    /// Returns settings of git that sign every commit and tag with it; `more` are options of gpg.
    pub fn settings(&self, print: &str, more: &str) -> Vec<[String; 2]> {
        let program = self.home.join("sign");
        let home = self.home.display();
        let options = "--batch --pinentry-mode loopback --passphrase ''";
        let script = format!("#!/bin/sh\nGNUPGHOME={home} exec gpg {options} {more} \"$@\"\n");
        fs::write(&program, script).expect("a script can be written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode can be set");
        let mut settings = settings("openpgp", print);
        settings.push(["gpg.program".into(), program.display().to_string()]);
        settings
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = tool("gpgconf", &self.home).env("GNUPGHOME", &self.home).args(["--kill", "all"]).status();
    }
}

/// Returns the text of a commit object with a signature put in.
pub fn signed(commit: &str, armoured: &str) -> String {
    let folded = armoured.trim_end().replace('\n', "\n ");
    commit.replacen("\n\n", &format!("\ngpgsig {folded}\n\n"), 1)
}

/// Writes who may sign, so that nobody else may write it, and returns where.
pub fn trust(path: &Path, text: &str) -> String {
    fs::write(path, text).expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode can be set");
    path.display().to_string()
}

fn settings(format: &str, key: &str) -> Vec<[String; 2]> {
    let all = [("gpg.format", format), ("user.signingkey", key), ("commit.gpgsign", "true"), ("tag.gpgsign", "true")];
    all.map(|(name, value)| [name.to_owned(), value.to_owned()]).to_vec()
}

fn tool(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
    command.env("LC_ALL", "C.UTF-8").current_dir(folder).stdin(std::process::Stdio::null());
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("could not start {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
