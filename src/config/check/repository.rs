use std::time::Duration;

use super::Scope;
use crate::config::{Credentials, Repository, RepositoryUrl, SecretSource, Transport};
use crate::yaml::quoted;

pub(super) fn check(repository: &Repository, transports: Option<&[Transport]>, scope: &mut Scope) {
    match repository.address() {
        Ok(url) => address(repository, &url, transports, scope),
        Err(invalid) => scope.say("config.url", "/spec/url", invalid.to_string(), invalid.hint().map(str::to_owned)),
    }
    reference(repository, scope);
    credentials(repository, scope);
    proxy(repository, scope);
    let second = Duration::from_secs(1);
    if repository.poll.0 < second {
        let message = format!("expected at least 1s, found {}", repository.poll);
        scope.hint("config.poll", "/spec/poll", message, "the default is 30s");
    }
    if repository.limits.timeout.0 < second {
        let message = format!("expected at least 1s, found {}", repository.limits.timeout);
        scope.hint("config.timeout", "/spec/limits/timeout", message, "the default is 2m");
    }
}

fn address(repository: &Repository, url: &RepositoryUrl, transports: Option<&[Transport]>, scope: &mut Scope) {
    let transport = url.transport();
    let name = transport.scheme();
    // An empty list is a mistake of the Daemon, told once.
    let allowed = transports.filter(|allowed| !allowed.is_empty() && !allowed.contains(&transport));
    if let Some(allowed) = allowed {
        let names: Vec<_> = allowed.iter().chain([&transport]).map(|one| one.scheme()).collect();
        let hint = format!("allow it in the Daemon: transports: [{}]", names.join(", "));
        scope.say("config.transport", "/spec/url", format!("the transport {name} is not allowed"), Some(hint));
    }
    let secret = matches!(transport, Transport::Https | Transport::Ssh);
    if repository.credentials.is_some() && !secret {
        let message = format!("credentials are never sent over {name}://");
        scope.hint(
            "config.credentials",
            "/spec/credentials",
            message,
            "use https or ssh, or leave out the credentials",
        );
    }
    if transport == Transport::Ssh && repository.ssh.known_hosts.is_none() {
        let hint = "ssh: { knownHosts: known_hosts }, with the lines of `ssh-keyscan HOST` once you have compared them";
        scope.hint("config.known-hosts", "/spec", "an ssh repository needs the keys of its host", hint);
    }
}

fn reference(repository: &Repository, scope: &mut Scope) {
    let Repository { branch, tag, commit, .. } = repository;
    let given = [("branch", branch), ("tag", tag), ("commit", commit)];
    let given: Vec<_> = given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    if let [_, (second, _), ..] = given.as_slice() {
        let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
        let message = format!("expected at most one of branch, tag and commit, found {}", names.join(" and "));
        scope.hint("config.ref", &format!("/spec/{second}"), message, "keep the one to follow");
    }
    for (name, value) in given {
        let pointer = format!("/spec/{name}");
        match name {
            "commit" if !full_id(value) => {
                let message =
                    format!("expected a full commit id of 40 or 64 hexadecimal digits, found {}", quoted(value));
                scope.hint("config.ref", &pointer, message, "git rev-parse shows it");
            }
            "branch" | "tag" if value.starts_with("refs/") => {
                let hint = format!("write its short name: {}", value.rsplit('/').next().unwrap_or_default());
                scope.say(
                    "config.ref",
                    &pointer,
                    format!("expected the name of a {name}, found a full ref"),
                    Some(hint),
                );
            }
            "branch" | "tag" if !ref_name(value) => {
                scope.say("config.ref", &pointer, format!("{} cannot be the name of a {name}", quoted(value)), None);
            }
            _ => {}
        }
    }
}

fn full_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
}

/// The rules of `git check-ref-format`.
pub(super) fn ref_name(name: &str) -> bool {
    let barred = |char: char| char.is_control() || matches!(char, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let segment = |part: &str| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none();
    let whole = !name.starts_with('-') && !name.ends_with('.') && name != "@" && name.len() <= 255;
    whole && !name.contains("..") && !name.contains("@{") && !name.contains(barred) && name.split('/').all(segment)
}

/// What is secret comes from a file or from systemd, never from the document itself.
fn credentials(repository: &Repository, scope: &mut Scope) {
    if let Some(credentials) = &repository.credentials {
        credentials_in("/spec/credentials", credentials, scope);
    }
    for (number, identity) in repository.secrets.age.iter().enumerate() {
        secret(&format!("/spec/secrets/age/{number}"), identity, scope);
    }
}

pub(super) fn credentials_in(pointer: &str, credentials: &Credentials, scope: &mut Scope) {
    let (file, systemd) = (credentials.file.is_some(), credentials.systemd.as_deref());
    one_place("config.credentials", pointer, file, systemd, scope);
}

pub(super) fn secret(pointer: &str, source: &SecretSource, scope: &mut Scope) {
    one_place("config.secrets", pointer, source.file.is_some(), source.systemd.as_deref(), scope);
}

fn one_place(code: &'static str, pointer: &str, file: bool, systemd: Option<&str>, scope: &mut Scope) {
    match (file, systemd) {
        (true, Some(_)) => {
            scope.hint(code, pointer, "expected either file or systemd, found both", "keep one");
        }
        (false, None) => {
            let hint = "file: its-name, mode 0600, beside this file; or systemd: the name of a LoadCredential=";
            scope.hint(code, pointer, "expected file or systemd", hint);
        }
        (false, Some(name)) if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) => {
            let message = format!("expected the name of a systemd credential, found {}", quoted(name));
            scope.say(code, &format!("{pointer}/systemd"), message, None);
        }
        _ => {}
    }
}

/// The text of a proxy's URL may hold a password, so it is not repeated.
fn proxy(repository: &Repository, scope: &mut Scope) {
    let Some(proxy) = &repository.proxy else { return };
    let parsed = RepositoryUrl::parse(&format!("{}/proxy", proxy.trim_end_matches('/')));
    let fits =
        |url: &RepositoryUrl| matches!(url.transport(), Transport::Http | Transport::Https) && url.path() == "/proxy";
    if !parsed.as_ref().is_ok_and(fits) {
        let message = "expected http://host:port or https://host:port, without user name and password";
        scope.say("config.proxy", "/spec/proxy", message, None);
    }
}
