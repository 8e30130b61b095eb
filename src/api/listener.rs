//! Connections over TCP, in TLS where there is a certificate to show.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::limits::network;
use super::stream::Entrance;
use crate::agent::{Face, Hooks};

/// What is shown to those who connect by TLS, asked for each of them; `None` where they come in the clear.
type Shown = Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>;

/// What listens over TCP.
pub struct Listening {
    listener: TcpListener,
    shown: Shown,
    places: usize,
    crowd: Arc<Crowd>,
}

/// How many connections each network has, where that is bounded.
struct Crowd {
    most: usize,
    from: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them.
pub(crate) struct Seat(Arc<Crowd>, IpAddr);

#[derive(Debug, thiserror::Error)]
#[error("could not listen {what} at {address}")]
pub struct ListenError {
    what: &'static str,
    address: SocketAddr,
    #[source]
    source: io::Error,
}

impl Listening {
    /// Listens for deliveries of webhooks at `address`, of which each may bring a body of 1 MiB.
    ///
    /// # Errors
    /// Where somebody else listens there, or it is no address of this machine, or not one for the daemon's user (a port below
    /// 1024).
    pub async fn for_hooks(address: SocketAddr, hooks: Arc<Hooks>) -> Result<Self, ListenError> {
        Self::bind(address, "for webhooks", Arc::new(move || hooks.tls()), (64, 64)).await
    }

    /// Listens for whoever asks the API at `address`. One network has a quarter of the places at most.
    ///
    /// # Errors
    /// As above.
    pub async fn for_api(address: SocketAddr, face: Arc<Face>) -> Result<Self, ListenError> {
        Self::bind(address, "for the API", Arc::new(move || face.tls()), (256, 64)).await
    }

    async fn bind(
        address: SocketAddr,
        what: &'static str,
        shown: Shown,
        (places, most): (usize, usize),
    ) -> Result<Self, ListenError> {
        let bound = TcpListener::bind(address).await.map_err(|source| ListenError { what, address, source });
        let crowd = Arc::new(Crowd { most, from: Mutex::default() });
        Ok(Self { listener: bound?, shown, places, crowd })
    }
}

impl Entrance for Listening {
    type Io = Seated;
    type Who = IpAddr;

    fn places(&self) -> usize {
        self.places
    }

    async fn admit(&self) -> io::Result<(Seated, IpAddr)> {
        let (stream, from) = self.listener.accept().await?;
        let from = from.ip().to_canonical();
        // The others keep their places.
        let seat = Seat::take(&self.crowd, from).ok_or(io::ErrorKind::ConnectionAborted)?;
        let way = match (self.shown)() {
            Some(shown) => Way::Shaking(Box::new(TlsAcceptor::from(shown).accept(stream))),
            None => Way::Plain(stream),
        };
        Ok((Seated { way, _seat: seat }, from))
    }
}

impl Seat {
    /// A loopback sender is another server of this machine, with limits of its own.
    fn take(crowd: &Arc<Crowd>, from: IpAddr) -> Option<Self> {
        let network = network(from);
        let mut taken = crowd.from.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_default();
        if *count >= crowd.most && !from.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Self(crowd.clone(), network))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.0.from.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

/// One connection, and its place among those of its network.
pub(crate) struct Seated {
    way: Way,
    _seat: Seat,
}

/// How it is carried. Hands are shaken as it is first read, so that nobody waits for somebody else's.
enum Way {
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

impl AsyncRead for Seated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let carrier = ready!(self.way.poll_carrier(cx))?;
        Pin::new(carrier).poll_read(cx, buf)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let carrier = ready!(self.way.poll_carrier(cx))?;
        Pin::new(carrier).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Before hands are shaken nothing was written.
        match &mut self.way {
            Way::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Way::Secure(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Way::Shaking(_) | Way::Failed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Way::Secure(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Way::Shaking(_) | Way::Failed => Poll::Ready(Ok(())),
        }
    }
}
