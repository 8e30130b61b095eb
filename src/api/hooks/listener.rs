//! Connections over TCP, in TLS where there is a certificate to show.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::agent::Hooks;
use crate::api::stream::Entrance;

/// What listens for webhooks.
pub struct Listening {
    listener: TcpListener,
    hooks: Arc<Hooks>,
}

#[derive(Debug, thiserror::Error)]
#[error("could not listen for webhooks at {address}")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

impl Listening {
    /// Listens at `address`. What is shown to those who connect by TLS is asked of `hooks` for each of them.
    ///
    /// # Errors
    /// Where somebody else listens there, or it is no address of this machine, or not one for the daemon's user (a port below
    /// 1024).
    pub async fn bind(address: SocketAddr, hooks: Arc<Hooks>) -> Result<Self, ListenError> {
        let bound = TcpListener::bind(address).await.map_err(|source| ListenError { address, source });
        Ok(Self { listener: bound?, hooks })
    }

    pub(super) fn hooks(&self) -> &Arc<Hooks> {
        &self.hooks
    }
}

impl Entrance for Listening {
    /// Each may bring a body of 1 MiB.
    const PLACES: usize = 64;
    type Io = Way;
    type Who = IpAddr;

    async fn admit(&self) -> io::Result<(Way, IpAddr)> {
        let (stream, from) = self.listener.accept().await?;
        let way = match self.hooks.tls() {
            Some(shown) => Way::Shaking(Box::new(TlsAcceptor::from(shown).accept(stream))),
            None => Way::Plain(stream),
        };
        Ok((way, from.ip().to_canonical()))
    }
}

/// One connection. Hands are shaken as it is first read, so that nobody waits for somebody else's.
pub(crate) enum Way {
    Plain(TcpStream),
    Shaking(Box<Accept<TcpStream>>),
    Secure(Box<TlsStream<TcpStream>>),
    /// The other end speaks no TLS, or none of ours.
    Failed,
}

trait Carrier: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Carrier for T {}

impl Way {
    /// Returns what carries bytes.
    fn poll_carrier(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut dyn Carrier>> {
        if let Self::Shaking(accept) = self {
            *self = match ready!(Pin::new(&mut **accept).poll(cx)) {
                Ok(stream) => Self::Secure(Box::new(stream)),
                Err(_) => Self::Failed,
            };
        }
        match self {
            Self::Plain(stream) => Poll::Ready(Ok(stream)),
            Self::Secure(stream) => Poll::Ready(Ok(&mut **stream)),
            Self::Shaking(_) | Self::Failed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Way {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let carrier = ready!(self.poll_carrier(cx))?;
        Pin::new(carrier).poll_read(cx, buf)
    }
}

impl AsyncWrite for Way {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let carrier = ready!(self.poll_carrier(cx))?;
        Pin::new(carrier).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Before hands are shaken nothing was written.
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::Shaking(_) | Self::Failed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Shaking(_) | Self::Failed => Poll::Ready(Ok(())),
        }
    }
}
