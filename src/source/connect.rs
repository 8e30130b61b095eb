//! A conversation with a server, over any transport.

use std::io::Read;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::budget::{Budget, Patient};
use super::http::Http;
use super::program::Program;
use super::{SourceError, SourceErrorKind, egress, secret};
use crate::config::{Repository, RepositoryUrl, Transport};

/// A conversation with `git upload-pack`: it greets, and answers requests.
pub(super) trait Connection {
    /// Returns where the greeting (the capabilities, in old protocols the refs too) can be read.
    fn greeting(&mut self) -> Result<Box<dyn Read + '_>, SourceError>;

    /// Sends a request and returns where the answer can be read.
    fn request(&mut self, request: &[u8]) -> Result<Box<dyn Read + '_>, SourceError>;

    /// Returns what is known better than by the error that was met: what a program said before it ended.
    fn explain(&mut self, error: SourceError) -> SourceError {
        error
    }
}

/// Connects to the repository at `address`. Protocol 2 is asked for.
pub(super) fn open(
    declared: &Repository,
    address: &RepositoryUrl,
    budget: &Arc<Budget>,
) -> Result<Box<dyn Connection>, SourceError> {
    let budget = Arc::clone(budget);
    match address.transport() {
        Transport::Https | Transport::Http => Ok(Box::new(Http::new(declared, address, budget)?)),
        Transport::File => Ok(Box::new(Program::upload_pack(address.path(), budget)?)),
        Transport::Ssh => {
            let key = declared.credentials.as_ref().map(secret::file).transpose()?;
            Ok(Box::new(Program::ssh(declared, address, key.as_deref(), budget)?))
        }
        Transport::Git => Ok(Box::new(daemon(address, budget)?)),
    }
}

/// A server at the other end of a stream.
struct Stream<S>(Patient<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Connection for Stream<S> {
    fn greeting(&mut self) -> Result<Box<dyn Read + '_>, SourceError> {
        Ok(Box::new(&mut self.0))
    }

    fn request(&mut self, request: &[u8]) -> Result<Box<dyn Read + '_>, SourceError> {
        self.0.send(request)?;
        Ok(Box::new(&mut self.0))
    }
}

fn daemon(address: &RepositoryUrl, budget: Arc<Budget>) -> Result<Stream<TcpStream>, SourceError> {
    let port = address.port().unwrap_or(9418);
    let stream = budget.wait(async {
        let found = egress::resolve(address.host(), port).await.map_err(SourceError::into_io)?;
        TcpStream::connect(found.as_slice()).await
    })?;
    let host = if address.host().contains(':') { format!("[{}]", address.host()) } else { address.host().to_owned() };
    let line = format!("git-upload-pack {}\0host={host}:{port}\0\0version=2\0", address.path());
    let mut stream = Patient { stream, budget };
    stream.send(format!("{:04x}{line}", line.len() + 4).as_bytes())?;
    Ok(Stream(stream))
}

/// Refuses a repository whose transport the configuration does not allow, and credentials that anyone on the way could read.
pub(super) fn check(declared: &Repository, address: &RepositoryUrl, allowed: &[Transport]) -> Result<(), SourceError> {
    let refuse = |message: String| Err(SourceError::new(SourceErrorKind::Transport, message));
    if !allowed.contains(&address.transport()) {
        return refuse(format!(
            "could not use the repository {address}: its transport is not among the daemon's `transports`"
        ));
    }
    let open = matches!(address.transport(), Transport::Http | Transport::Git);
    if open && declared.credentials.is_some() {
        return refuse(format!("could not use the repository {address}: credentials are never sent over plain http"));
    }
    Ok(())
}
