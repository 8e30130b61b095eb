mod endpoint;
mod parts;

use std::fmt;

use super::Transport;
pub use endpoint::{Endpoint, InvalidEndpoint};
pub(super) use parts::host_and_port;
use parts::{checked_path, checked_user, escapes_are_plain, names_program};

/// Where a repository lies, taken apart and free of everything that git, ssh or a credential store could read as something
/// else. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepositoryUrl {
    transport: Transport,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
    /// Written as `user@host:path`: the path is relative to the user's home.
    short: bool,
}

/// Why a URL is refused. The text of the URL, which may hold a secret, is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    #[error("expected https://host/path, ssh://user@host/path or user@host:path")]
    Form,
    #[error("expected one of the schemes https, ssh, http, git and file")]
    Scheme,
    #[error("a transport helper (name::address) may not be named: it runs a program")]
    Program,
    #[error("a URL holds neither a password nor, for https, a user name")]
    Credentials,
    #[error("expected a host name or address")]
    Host,
    #[error("expected a port between 1 and 65535")]
    Port,
    #[error("expected a user name of letters, digits, '.', '_', '+' and '-'")]
    User,
    #[error("expected a path to the repository, without empty segments, '.', '..', '?', '#' and quotes")]
    Path,
    #[error("no part of a URL begins with '-': it would be read as an option")]
    Option,
    #[error("a URL is printable ASCII without blanks; neither it nor its %-escapes hold control characters")]
    Characters,
    #[error("a URL has at most 2048 characters")]
    Length,
}

impl InvalidUrl {
    /// Returns how to mend it, where that can be said.
    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Credentials => Some("name the secret under credentials: { file: … } or { systemd: … }"),
            Self::Form => Some("a folder of this machine is file:///path, and needs transports: [file] in the Daemon"),
            Self::Program => Some("use https or ssh"),
            Self::Characters => Some("write other characters as %-escapes of their UTF-8 bytes"),
            _ => None,
        }
    }
}

impl RepositoryUrl {
    /// Takes a URL apart. Whether its transport is allowed is not asked here.
    ///
    /// # Errors
    /// When it is not a URL of a repository, or could be read as something else than it seems.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if text.len() > 2048 {
            return Err(InvalidUrl::Length);
        }
        if text.is_empty() {
            return Err(InvalidUrl::Form);
        }
        if text.starts_with('-') {
            return Err(InvalidUrl::Option);
        }
        if names_program(text) {
            return Err(InvalidUrl::Program);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || !escapes_are_plain(text) {
            return Err(InvalidUrl::Characters);
        }
        match text.split_once("://") {
            Some((scheme, rest)) => Self::long(transport(scheme)?, rest),
            None => Self::short(text),
        }
    }

    fn long(transport: Transport, rest: &str) -> Result<Self, InvalidUrl> {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(checked_user(transport, user)?), address),
            None => (None, authority),
        };
        let (host, port) = if transport == Transport::File && address.is_empty() {
            (String::new(), None)
        } else if transport == Transport::File {
            return Err(InvalidUrl::Host);
        } else {
            host_and_port(address)?
        };
        Ok(Self { transport, user, host, port, path: checked_path(path)?, short: false })
    }

    fn short(text: &str) -> Result<Self, InvalidUrl> {
        let (user, rest) = text.split_once('@').ok_or(InvalidUrl::Form)?;
        if user.contains('/') {
            return Err(InvalidUrl::Form);
        }
        let user = checked_user(Transport::Ssh, user)?;
        let end = if rest.starts_with('[') { rest.find("]:").map(|at| at + 1) } else { rest.find(':') };
        let (host, path) = rest.split_at(end.ok_or(InvalidUrl::Form)?);
        let (host, port) = host_and_port(host)?;
        let path = checked_path(&path[1..])?;
        Ok(Self { transport: Transport::Ssh, user: Some(user), host, port, path, short: true })
    }

    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Returns the user to log in as over ssh.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the host in lower case, an IPv6 address without its brackets; empty for a file.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the path as it goes over the wire. Of `user@host:path` it has no leading `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.short {
            write!(f, "{}://", self.transport.scheme())?;
        }
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let colon = if self.short { ":" } else { "" };
        write!(f, "{colon}{}", self.path)
    }
}

/// Tells whether `host` is written as a loopback address or `localhost`.
#[must_use]
pub fn names_loopback(host: &str) -> bool {
    let literal = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    literal || host.eq_ignore_ascii_case("localhost")
}

const SCHEMES: [(&str, Transport); 5] = [
    ("https", Transport::Https),
    ("ssh", Transport::Ssh),
    ("http", Transport::Http),
    ("git", Transport::Git),
    ("file", Transport::File),
];

fn transport(scheme: &str) -> Result<Transport, InvalidUrl> {
    let found = SCHEMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme));
    found.map(|(_, transport)| *transport).ok_or(InvalidUrl::Scheme)
}

impl Transport {
    /// Returns its name, as a URL begins with it.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        SCHEMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests;
