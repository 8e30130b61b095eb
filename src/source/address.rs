//! Where a repository is. The one place where a URL is taken apart: nothing hostile gets past it.

use std::fmt;

use super::error::harmless;
use super::{SourceError, SourceErrorKind};
use crate::config::Transport;

/// A repository URL, taken apart. It never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) transport: Transport,
    pub(super) user: Option<String>,
    /// Without brackets; empty for `file`.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// As it is sent: absolute, or relative to the user's home in `user@host:path`.
    pub(super) path: String,
    /// Written as `user@host:path`.
    short: bool,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// `Transport`, where anything in it could mean one thing here and another to the program that gets it.
    pub(super) fn parse(url: &str) -> Result<Self, SourceError> {
        Self::read(url).map_err(|why| {
            let message = format!("could not use the repository URL {}: {why}", redacted(url));
            SourceError::new(SourceErrorKind::Transport, message)
        })
    }

    fn read(url: &str) -> Result<Self, &'static str> {
        let lower = url.to_ascii_lowercase();
        if url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err("it holds a space, a control character or a backslash");
        }
        if ["%0a", "%0d", "%00"].iter().any(|escape| lower.contains(escape)) {
            return Err("it holds an encoded line break or NUL");
        }
        let Some((scheme, rest)) = url.split_once("://") else { return Self::read_short(url) };
        let transport = match scheme {
            "https" => Transport::Https,
            "ssh" => Transport::Ssh,
            "http" => Transport::Http,
            "git" => Transport::Git,
            "file" => Transport::File,
            _ => return Err("only https, ssh, http, git and file are known"),
        };
        let (authority, path) = rest.split_at(rest.find('/').ok_or("it has no path")?);
        if transport == Transport::File {
            let whole = authority.is_empty() && path.len() > 1;
            return if whole { Ok(Self::file(path)) } else { Err("a file URL is file:///absolute/path") };
        }
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some() && transport != Transport::Ssh {
            return Err("credentials belong into `credentials`, not into the URL");
        }
        if path.len() < 2 || path[1..].starts_with('-') {
            return Err("its path is empty or begins with a dash");
        }
        if transport != Transport::Ssh && path.contains(['?', '#']) {
            return Err("it has a query or a fragment");
        }
        let (host, port) = host_and_port(host_port)?;
        Ok(Self { transport, user: user.map(checked_user).transpose()?, host, port, path: path.into(), short: false })
    }

    /// Reads `user@host:path`.
    fn read_short(url: &str) -> Result<Self, &'static str> {
        let missing = "it is neither scheme://host/path nor user@host:path";
        let (authority, path) = url.split_once(':').ok_or(missing)?;
        let (user, host) = authority.split_once('@').ok_or(missing)?;
        if authority.contains('/') || path.is_empty() || path.starts_with([':', '-']) {
            return Err(missing);
        }
        let host = checked_host(host)?;
        let user = Some(checked_user(user)?);
        Ok(Self { transport: Transport::Ssh, user, host, port: None, path: path.into(), short: true })
    }

    fn file(path: &str) -> Self {
        let (host, path) = (String::new(), path.into());
        Self { transport: Transport::File, user: None, host, port: None, path, short: false }
    }

    /// Tells whether the URL itself says that the repository is on this machine.
    pub(super) fn names_loopback(&self) -> bool {
        names_loopback(&self.host)
    }
}

/// Tells whether `host` is written as a loopback address or `localhost`.
pub(super) fn names_loopback(host: &str) -> bool {
    let literal = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    literal || host.eq_ignore_ascii_case("localhost")
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let bracketed = text.strip_prefix('[').map(|rest| rest.split_once(']').ok_or("its host is not closed by ]"));
    let (host, port) = if let Some((host, rest)) = bracketed.transpose()? {
        host.parse::<std::net::Ipv6Addr>().map_err(|_| "what stands in [] is no IPv6 address")?;
        (host.to_owned(), rest)
    } else {
        let at = text.find(':').unwrap_or(text.len());
        (checked_host(&text[..at])?, &text[at..])
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|c| c.is_ascii_digit()) => Some(digits.parse().map_err(|_| "bad port")?),
        None if port.is_empty() => None,
        _ => return Err("its port is not a number"),
    };
    if port == Some(0) { Err("its port is zero") } else { Ok((host, port)) }
}

fn checked_host(host: &str) -> Result<String, &'static str> {
    let known = host.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'));
    match host.as_bytes().first() {
        None => Err("it has no host"),
        Some(b'-' | b'.') => Err("its host begins with a dash or a dot"),
        Some(_) if !known => Err("its host holds a character that no host name has"),
        Some(_) => Ok(host.into()),
    }
}

fn checked_user(user: &str) -> Result<String, &'static str> {
    let known = user.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_' | b'+'));
    if user.contains(':') {
        return Err("credentials belong into `credentials`, not into the URL");
    }
    if user.is_empty() || user.starts_with('-') || !known { Err("its user name is not one") } else { Ok(user.into()) }
}

/// Returns the URL with whatever may be a credential taken out.
pub(super) fn redacted(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    match rest.rfind('@') {
        Some(at) => harmless(format!("{scheme}***{}", &rest[at..]).as_bytes()),
        None => harmless(url.as_bytes()),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Https => "https",
            Transport::Ssh => "ssh",
            Transport::Http => "http",
            Transport::Git => "git",
            Transport::File => "file",
        };
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        if self.short {
            return write!(f, "{user}{}:{}", self.host, self.path);
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{scheme}://{user}{host}{port}{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_come_back_as_written() {
        for url in [
            "https://git.example.org/ops/platform.git",
            "https://git.example.org:8443/x",
            "ssh://git@git.example.org:2222/ops/x.git",
            "git@git.example.org:ops/x.git",
            "ssh://host/re'po.git",
            "http://[::1]:3000/x.git",
            "git://127.0.0.1:9418/x",
            "file:///srv/git/x.git",
        ] {
            assert_eq!(Address::parse(url).unwrap().to_string(), url);
        }
    }

    #[test]
    fn hostile_urls_are_refused_and_credentials_are_not_repeated() {
        for url in [
            "ext::sh -c \"touch /tmp/pwn\"",
            "ext::sh",
            "fd::7",
            "git::ssh://host/x",
            "/srv/git/x",
            "file://host/etc",
            "ssh://-oProxyCommand=touch%20x/x",
            "--upload-pack=touch",
            "ssh://-Fcfg@host/repo",
            "-Fcfg@host:repo",
            "git@-oProxyCommand=x:repo",
            "git@host:-x",
            "https://one.example.com/evil?%0ahost=two.example.com",
            "./%0ahost=example.com/foo.git",
            "https:///example.com/foo.git",
            "http://example.com:test/foo.git",
            "https::example.com/foo.git",
            "../../../../../:localhost:8080/foo.git",
            "https://host/x%0D",
            "https://host\\@evil/x",
            "https://user:SECRET@host/x",
            "https://SECRET@host/x",
            "ssh://user:SECRET@host/x",
            "user:SECRET@host:x",
            "https://host:0/x",
            "https://host:/x",
            "https://host",
            "HTTPS://host/x",
            "",
        ] {
            let error = Address::parse(url).expect_err(url);
            assert_eq!(error.kind, SourceErrorKind::Transport, "{url}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
