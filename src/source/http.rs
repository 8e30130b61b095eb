//! The smart http transport: one GET for the greeting, one POST for each request, and no redirects.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, ClientBuilder, Proxy, RequestBuilder, Response, StatusCode, Url, redirect};

use super::address::redacted;
use super::budget::Budget;
use super::connect::Connection;
use super::error::protocol;
use super::{SourceError, SourceErrorKind, egress, secret};
use crate::config::{Repository, RepositoryUrl, Transport, names_loopback};

pub(super) struct Http {
    client: Client,
    url: Url,
    budget: Arc<Budget>,
}

impl Http {
    pub(super) fn new(
        declared: &Repository,
        address: &RepositoryUrl,
        budget: Arc<Budget>,
    ) -> Result<Self, SourceError> {
        let odd = |_| SourceError::new(SourceErrorKind::Transport, "the URL is not one");
        let url = Url::parse(address.to_string().trim_end_matches('/')).map_err(odd)?;
        let host = url.host_str().unwrap_or_default();
        egress::check_literal(host)?;
        let literal = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        if literal.is_ok_and(|ip| ip.to_canonical().is_loopback()) && !names_loopback(address.host()) {
            let message = "the URL is an odd way to write a loopback address";
            return Err(SourceError::new(SourceErrorKind::Transport, message));
        }
        Ok(Self { client: client(declared, address)?, url, budget })
    }

    fn url(&self, end: &str) -> String {
        format!("{}/{end}", self.url)
    }

    /// Sends a request and checks the head of the answer.
    fn send(&self, request: RequestBuilder, content: &str) -> Result<Body<'_>, SourceError> {
        let answer = self.budget.wait(async { request.send().await.map_err(|error| told(error).into_io()) })?;
        if answer.status() != StatusCode::OK {
            return Err(refused(&answer));
        }
        let kind = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind != Some(content.as_bytes()) {
            return Err(protocol(
                "the server does not speak git's smart http protocol; is the URL that of a repository?",
            ));
        }
        Ok(Body { answer, budget: &self.budget, chunk: Vec::new(), at: 0 })
    }
}

impl Connection for Http {
    fn greeting(&mut self) -> Result<Box<dyn Read + '_>, SourceError> {
        let request = self.client.get(self.url("info/refs?service=git-upload-pack"));
        Ok(Box::new(self.send(request, "application/x-git-upload-pack-advertisement")?))
    }

    fn request(&mut self, request: &[u8]) -> Result<Box<dyn Read + '_>, SourceError> {
        let post = self.client.post(self.url("git-upload-pack"));
        let post = post.header(CONTENT_TYPE, "application/x-git-upload-pack-request");
        let post = post.header(ACCEPT, "application/x-git-upload-pack-result").body(request.to_vec());
        Ok(Box::new(self.send(post, "application/x-git-upload-pack-result")?))
    }
}

/// The body of an answer.
struct Body<'a> {
    answer: Response,
    budget: &'a Budget,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            let answer = &mut self.answer;
            let next = self.budget.wait(async { answer.chunk().await.map_err(|error| told(error).into_io()) })?;
            let Some(next) = next else { return Ok(0) };
            self.budget.spend(next.len())?;
            self.chunk = next.into();
            self.at = 0;
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn client(declared: &Repository, address: &RepositoryUrl) -> Result<Client, SourceError> {
    let mut builder = outbound(declared.tls.ca.as_deref())?
        .user_agent(concat!("git/trueup-", env!("CARGO_PKG_VERSION")))
        .default_headers(headers(declared, address)?);
    if let Some(proxy) = &declared.proxy {
        let odd = |error: reqwest::Error| {
            let message = format!("could not use the proxy {}", redacted(proxy));
            SourceError::new(SourceErrorKind::Transport, message).because(error.without_url())
        };
        builder = builder.proxy(Proxy::all(proxy).map_err(odd)?);
    }
    if address.transport() == Transport::Http && declared.proxy.is_none() && declared.tls.ca.is_none() {
        // Nothing goes over TLS; reading the machine's certificates would take longer than the poll, and a MiB.
        builder = builder.tls_certs_only([]);
    }
    let broken = |error: reqwest::Error| SourceError::new(SourceErrorKind::Tls, "could not set up TLS").because(error);
    builder.build().map_err(broken)
}

/// Returns what every https client of the daemon begins with: it follows no redirects, reaches no address that egress bars, asks
/// no proxy, and trusts the authorities in `ca` alone where that is given.
///
/// # Errors
/// `Tls`, where `ca` cannot be used.
pub(crate) fn outbound(ca: Option<&Path>) -> Result<ClientBuilder, SourceError> {
    // Another part of the process may have chosen the same provider before: that is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .dns_resolver(egress::Egress)
        .connect_timeout(Duration::from_secs(20))
        // Neither the environment of the daemon nor the machine has a say in where its requests go.
        .no_proxy();
    Ok(match ca {
        Some(ca) => builder.tls_certs_only(authorities(ca)?),
        None => builder,
    })
}

fn headers(declared: &Repository, address: &RepositoryUrl) -> Result<HeaderMap, SourceError> {
    let mut headers = HeaderMap::new();
    headers.insert("git-protocol", HeaderValue::from_static("version=2"));
    let Some(credentials) = &declared.credentials else { return Ok(headers) };
    if address.transport() != Transport::Https {
        return Err(SourceError::new(SourceErrorKind::Transport, "credentials are never sent over plain http"));
    }
    let odd = |_| SourceError::new(SourceErrorKind::Credentials, "the credential does not fit into a header");
    let pair = format!("{}:{}", credentials.username, secret::read(credentials)?.reveal());
    let mut value = HeaderValue::from_str(&format!("Basic {}", base64(pair.as_bytes()))).map_err(odd)?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, SourceError> {
    let message = || format!("could not use the certificate authorities in {}", path.display());
    let pem = std::fs::read(path).map_err(|error| SourceError::new(SourceErrorKind::Tls, message()).because(error))?;
    let found = Certificate::from_pem_bundle(&pem);
    let found = found.map_err(|error| SourceError::new(SourceErrorKind::Tls, message()).because(error))?;
    if found.is_empty() { Err(SourceError::new(SourceErrorKind::Tls, message())) } else { Ok(found) }
}

fn refused(answer: &Response) -> SourceError {
    let status = answer.status();
    let (kind, hint) = match status.as_u16() {
        300..=399 => (SourceErrorKind::Redirected, redirect_hint(answer)),
        401 => (SourceErrorKind::Unauthorised, ": it wants (other) credentials".into()),
        403 | 407 => (SourceErrorKind::Unauthorised, ": the credentials do not allow it".into()),
        404 | 410 => (SourceErrorKind::NotFound, ": no such repository, or it is hidden from these credentials".into()),
        408 | 425 | 429 | 500..=599 => (SourceErrorKind::Unreachable, String::new()),
        _ => (SourceErrorKind::Protocol, String::new()),
    };
    SourceError::new(kind, format!("the server answered {status}{hint}"))
}

fn redirect_hint(answer: &Response) -> String {
    let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
    let to = redacted(to.split(['?', '#']).next().unwrap_or_default());
    format!(": it points to {to}; redirects are not followed, put the right address into `url`")
}

/// Tells what went wrong, without the URL that the client would repeat.
pub(crate) fn told(error: reqwest::Error) -> SourceError {
    let error = error.without_url();
    if let Some(own) = egress::find_own(&error) {
        return SourceError::new(own.kind, own.message.clone());
    }
    let mut chain = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = next {
        chain.push_str(&error.to_string().to_lowercase());
        chain.push('\n');
        next = error.source();
    }
    let tls = ["certificate", "tls", "handshake", "unknownissuer"].iter().any(|word| chain.contains(word));
    let (kind, message) = if tls {
        (SourceErrorKind::Tls, "no trusted TLS connection; a private authority belongs into `tls.ca`")
    } else if error.is_timeout() {
        (SourceErrorKind::TimedOut, "the server did not answer in time")
    } else {
        (SourceErrorKind::Unreachable, "the connection failed")
    };
    // What TLS says of a certificate's time holds the time of now: it would be news at each poll.
    let out_of_time =
        [("expired", "its certificate has expired"), ("not valid yet", "its certificate is not valid yet")];
    match out_of_time.iter().find(|(word, _)| tls && chain.contains(word)) {
        Some((_, cause)) => SourceError::new(kind, message).because(anyhow::anyhow!(*cause)),
        None => SourceError::new(kind, message).because(error),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(DIGITS[(bits & 63) as usize]);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.push(digit(bits >> 18));
        text.push(digit(bits >> 12));
        text.push(if group.len() > 1 { digit(bits >> 6) } else { '=' });
        text.push(if group.len() > 2 { digit(bits) } else { '=' });
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_pads_as_rfc_4648_says() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
