//! The parts of a URL, each refused where it could be read as something else.

use super::{InvalidUrl, Transport};

/// `ext::sh -c …` and `fd::7` are how git is made to run a program or read a descriptor.
pub(super) fn names_program(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.split_once("::").is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(word))
}

/// An escaped line end or NUL turns one line of a credential protocol into two.
pub(super) fn escapes_are_plain(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let byte = rest.get(..2).filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        byte.and_then(|pair| u8::from_str_radix(pair, 16).ok()).is_some_and(|byte| !byte.is_ascii_control())
    })
}

/// A token is often written as the user name of an https URL, so none is taken there.
pub(super) fn checked_user(transport: Transport, user: &str) -> Result<String, InvalidUrl> {
    if user.contains(':') || transport != Transport::Ssh {
        return Err(InvalidUrl::Credentials);
    }
    if user.starts_with('-') {
        return Err(InvalidUrl::Option);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
    if user.is_empty() || !user.bytes().all(allowed) {
        return Err(InvalidUrl::User);
    }
    Ok(user.to_owned())
}

pub(in crate::config) fn host_and_port(address: &str) -> Result<(String, Option<u16>), InvalidUrl> {
    if address.starts_with('-') {
        return Err(InvalidUrl::Option);
    }
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(InvalidUrl::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| InvalidUrl::Host)?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(InvalidUrl::Port)?) };
            (host, port)
        }
        None => match address.split_once(':') {
            Some((host, port)) => (checked_host(host)?, Some(port)),
            None => (checked_host(address)?, None),
        },
    };
    Ok((host.to_ascii_lowercase(), port.map(checked_port).transpose()?))
}

fn checked_host(host: &str) -> Result<&str, InvalidUrl> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && label.bytes().all(allowed);
    // One dot at the end says that the name is complete; it names the same host.
    let host = host.strip_suffix('.').unwrap_or(host);
    host.split('.').all(label).then_some(host).ok_or(InvalidUrl::Host)
}

fn checked_port(port: &str) -> Result<u16, InvalidUrl> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { port.parse().ok() } else { None };
    port.filter(|port| *port > 0).ok_or(InvalidUrl::Port)
}

pub(super) fn checked_path(path: &str) -> Result<String, InvalidUrl> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    let trimmed = relative.strip_suffix('/').unwrap_or(relative);
    if trimmed.split('/').any(|segment| segment.starts_with('-') || segment.to_ascii_lowercase().starts_with("%2d")) {
        return Err(InvalidUrl::Option);
    }
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "" | "." | "..");
    let hostile = |char: char| matches!(char, '?' | '#' | '\'' | '"' | '`' | '\\' | '<' | '>' | '|');
    if trimmed.split('/').any(dots) || trimmed.contains(hostile) {
        return Err(InvalidUrl::Path);
    }
    Ok(path.to_owned())
}
