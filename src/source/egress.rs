//! Which addresses may be connected to, decided after names are resolved.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{SourceError, SourceErrorKind};
use crate::config::names_loopback;

/// Where clouds hand out credentials to whoever asks from inside, beside the link-local ranges.
const METADATA: [IpAddr; 2] =
    [IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200))];

/// Tells whether a connection to `address` may be made. Loopback is for those who wrote it down: a name that resolves to it
/// is a server that reaches for this machine.
fn allowed(address: IpAddr, loopback: bool) -> bool {
    let address = address.to_canonical();
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    // `::a.b.c.d` is a dead way to write an IPv4 address that some stacks still follow.
    let compatible = matches!(address, IpAddr::V6(v6) if v6.segments()[..6] == [0; 6] && !v6.is_loopback());
    let never = link_local || compatible || address.is_unspecified() || address.is_multicast();
    !never && !METADATA.contains(&address) && (loopback || !address.is_loopback())
}

/// Returns the addresses of `host` that may be connected to.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, SourceError> {
    let found: Vec<_> = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(error) => {
            let message = format!("the host name {host} could not be resolved");
            return Err(SourceError::new(SourceErrorKind::Unreachable, message).because(error));
        }
    };
    let loopback = names_loopback(host);
    let fit: Vec<_> = found.iter().copied().filter(|address| allowed(address.ip(), loopback)).collect();
    if fit.is_empty() { Err(forbidden(host)) } else { Ok(fit) }
}

/// Refuses a URL whose host is itself an address that may not be connected to: such a host is never resolved.
pub(crate) fn check_literal(host: &str) -> Result<(), SourceError> {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if !allowed(address, true) => Err(forbidden(host)),
        _ => Ok(()),
    }
}

fn forbidden(host: &str) -> SourceError {
    let message = format!("{host} is a link-local, metadata or loopback address, which is not connected to");
    SourceError::new(SourceErrorKind::Transport, message)
}

/// The resolver of the https client.
pub(super) struct Egress;

impl Resolve for Egress {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = resolve(name.as_str(), 0).await.map_err(SourceError::into_io)?;
            Ok::<Addrs, Box<dyn std::error::Error + Send + Sync>>(Box::new(found.into_iter()))
        })
    }
}

/// Finds the error that [`resolve`] gave in what the https client made of it.
pub(super) fn find_own<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> Option<&'a SourceError> {
    loop {
        if let Some(own) = error.downcast_ref::<SourceError>() {
            return Some(own);
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(own) = inside.and_then(|inner| inner.downcast_ref::<SourceError>()) {
            return Some(own);
        }
        error = error.source()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_link_local_are_never_reached_and_loopback_only_by_name() {
        for never in [
            "169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!allowed(never.parse().unwrap(), true), "{never}");
        }
        for loopback in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(!allowed(loopback.parse().unwrap(), false), "{loopback}");
            assert!(allowed(loopback.parse().unwrap(), true), "{loopback}");
        }
        for fine in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"] {
            assert!(allowed(fine.parse().unwrap(), false), "{fine}");
        }
    }

    #[tokio::test]
    async fn odd_spellings_of_loopback_are_names_that_resolve_to_it() {
        for host in ["0x7f.1", "2130706433", "127.1"] {
            assert!(resolve(host, 1).await.is_err(), "{host}");
        }
        assert!(resolve("localhost", 1).await.is_ok());
    }
}
