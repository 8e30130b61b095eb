//! One accepted connection: who is at its other end, and how long it may take to say what it wants.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// A request line and its headers come within this, from the moment of connecting.
const HEADERS: Duration = Duration::from_secs(10);
/// People and their scripts at once. Who stays silent is put out by the deadline above, so that no one can keep all of
/// them for long.
const CONNECTIONS: usize = 128;
/// `accept` fails for want of descriptors: waiting is all that helps.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of the other end.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub credentials: Option<UCred>,
    /// Set once the headers are in: from then on the act decides how long it takes.
    pub heard: Arc<AtomicBool>,
}

/// Accepts connections one by one, never more than [`CONNECTIONS`] at once.
pub(super) struct Door {
    listener: UnixListener,
    places: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    async fn next(&self) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    tracing::warn!(error = %error, "could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Listener for Door {
    type Io = Stream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Stream, Peer) {
        // The semaphore is never closed; without a place we would serve all the same.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let stream = self.next().await;
        let peer = Peer { credentials: stream.peer_cred().ok(), heard: Arc::default() };
        let deadline = Box::pin(tokio::time::sleep(HEADERS));
        (Stream { inner: stream, deadline, heard: Arc::clone(&peer.heard), _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { credentials: None, heard: Arc::default() })
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection that ends by itself when its request does not come.
pub(super) struct Stream {
    inner: UnixStream,
    deadline: Pin<Box<Sleep>>,
    heard: Arc<AtomicBool>,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = Pin::new(&mut self.inner).poll_read(cx, buf) {
            return Poll::Ready(result);
        }
        if self.heard.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        ready!(self.deadline.as_mut().poll(cx));
        // The timer may have been set going before the headers came.
        if self.heard.load(Ordering::Acquire) {
            Poll::Pending
        } else {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
