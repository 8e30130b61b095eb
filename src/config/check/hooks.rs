use std::net::SocketAddr;

use super::Scope;
use super::repository::secret;
use crate::config::{Api, Endpoint, Hooks, InvalidEndpoint, RepositoryWebhook, ServerTls};
use crate::yaml::quoted;

/// A Git host's own limit lies below; nobody has more names for one repository.
const LONGEST_NAME: usize = 255;
const MOST_NAMES: usize = 20;

pub(super) fn listening(hooks: &Hooks, scope: &mut Scope) {
    address("/spec/hooks", "webhooks are heard", (&hooks.listen, hooks.address()), hooks.tls.as_ref(), scope);
    if let Some(Err(invalid)) = hooks.url.as_deref().map(base) {
        scope.hint("config.url", "/spec/hooks/url", invalid.to_string(), "https://trueup.example.org");
    }
}

pub(super) fn answering(api: &Api, scope: &mut Scope) {
    address("/spec/api", "the API answers", (&api.listen, api.address()), api.tls.as_ref(), scope);
    let Some(url) = &api.url else { return };
    match Endpoint::parse(url) {
        Err(invalid) => scope.say("config.url", "/spec/api/url", invalid.to_string(), None),
        Ok(url) if url.url().path() != "/" || url.url().query().is_some() => {
            let message = "expected an address without a path";
            scope.hint("config.url", "/spec/api/url", message, "https://web-1.example.org:9444");
        }
        Ok(_) => {}
    }
}

/// Nobody is listened to in the clear from elsewhere; `what` is what would be done there.
fn address(
    pointer: &str,
    what: &str,
    (listen, address): (&str, Option<SocketAddr>),
    tls: Option<&ServerTls>,
    scope: &mut Scope,
) {
    let listens = format!("{pointer}/listen");
    match address {
        None => {
            let message = format!("expected an IP address and a port, found {}", quoted(listen));
            let hint = "127.0.0.1:9443; 0.0.0.0:9443 or \"[::]:9443\" for every address of the machine";
            scope.hint("config.listen", &listens, message, hint);
        }
        // What is wrong with its `tls` is told already.
        Some(_) if scope.partial => {}
        Some(address) if tls.is_none() && !address.ip().to_canonical().is_loopback() => {
            let message = format!("without TLS, {what} at a loopback address only");
            let hint = "tls: { certificate: FILE, key: { file: FILE } }, or listen: 127.0.0.1:PORT behind a server that has TLS";
            scope.hint("config.listen", &listens, message, hint);
        }
        Some(_) => {}
    }
    if let Some(tls) = tls {
        secret(&format!("{pointer}/tls/key"), &tls.key, scope);
    }
}

/// `heard`: whether the Daemon says where to listen, where that is known.
pub(super) fn webhook(webhook: &RepositoryWebhook, heard: Option<bool>, scope: &mut Scope) {
    secret("/spec/webhook/secret", &webhook.secret, scope);
    if heard == Some(false) {
        let hint = "say in the Daemon document where to listen: hooks: { listen: \"127.0.0.1:9443\" }";
        scope.hint("config.webhook", "/spec/webhook", "nobody hears this webhook", hint);
    }
    if webhook.names.len() > MOST_NAMES {
        let message = format!("expected at most {MOST_NAMES} names, found {}", webhook.names.len());
        scope.say("config.names", "/spec/webhook/names", message, None);
    }
    for (at, name) in webhook.names.iter().enumerate() {
        let pointer = format!("/spec/webhook/names/{at}");
        if webhook.names[..at].contains(name) {
            scope.say("config.names", &pointer, format!("{} is named twice", quoted(name)), None);
        } else if !full_name(name) {
            let message = format!("expected the full name of a repository, found {}", quoted(name));
            let hint = "as the Git host writes it, exactly and without a pattern: ops/platform, or group/sub/platform";
            scope.hint("config.names", &pointer, message, hint);
        }
    }
}

/// Whether a Git host could write a repository so. A URL, a pattern and a path that climbs are none.
pub(super) fn full_name(name: &str) -> bool {
    let barred = |char: char| char.is_control() || char.is_whitespace() || "\\:*?\"<>|%#".contains(char);
    let segment = |part: &str| !part.is_empty() && part != "." && part != "..";
    let whole = name.len() <= LONGEST_NAME && name.contains('/') && name.strip_suffix(".git").is_none();
    whole && !name.contains(barred) && name.split('/').all(segment)
}

/// Takes a URL below which others lie.
pub(super) fn base(url: &str) -> Result<Endpoint, InvalidEndpoint> {
    Endpoint::parse(url)
        .and_then(|endpoint| if endpoint.url().query().is_none() { Ok(endpoint) } else { Err(InvalidEndpoint::Form) })
}
