//! One accepted connection: who is at its other end, and how long it may take to say what it wants.

use std::fmt::Debug;
use std::future::Future;
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

/// A request line and its headers come within this, from the moment of connecting. So does a handshake of TLS.
const HEADERS: Duration = Duration::from_secs(10);
/// And it is no larger than this.
const LARGEST_HEAD: usize = 64 * 1024;
/// Some of an answer is taken within this, or the rest is kept.
const ANSWER: Duration = Duration::from_secs(30);
/// `accept` fails for want of descriptors: waiting is all that helps.
const PAUSE: Duration = Duration::from_millis(500);

/// Where connections come from.
pub(super) trait Entrance: Send + Sync + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// What is known of the other end.
    type Who: Clone + Debug + Send + Sync + 'static;

    /// So many at once. Who stays silent is put out by the deadline above, so that no one can keep all of them for long.
    fn places(&self) -> usize;

    fn admit(&self) -> impl Future<Output = io::Result<(Self::Io, Self::Who)>> + Send;
}

/// People of this machine, and their scripts.
impl Entrance for UnixListener {
    type Io = UnixStream;
    type Who = Option<UCred>;

    fn places(&self) -> usize {
        128
    }

    async fn admit(&self) -> io::Result<(UnixStream, Option<UCred>)> {
        let (stream, _) = self.accept().await?;
        let who = stream.peer_cred().ok();
        Ok((stream, who))
    }
}

/// The other end.
#[derive(Clone, Debug)]
pub(super) struct Peer<W> {
    pub who: W,
    /// Set once the headers are in: from then on the act decides how long it takes.
    pub heard: Arc<AtomicBool>,
}

/// Accepts connections one by one, never more at once than there are places.
pub(super) struct Door<E> {
    entrance: E,
    places: Arc<Semaphore>,
}

impl<E: Entrance> Door<E> {
    pub(super) fn new(entrance: E) -> Self {
        let places = Arc::new(Semaphore::new(entrance.places()));
        Self { entrance, places }
    }

    async fn next(&self) -> (E::Io, E::Who) {
        loop {
            match self.entrance.admit().await {
                Ok(admitted) => return admitted,
                // Whoever came is gone already: that may be meant, and must not hold up the others.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(error = %error, "could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl<E: Entrance> Listener for Door<E> {
    type Io = Stream<E::Io>;
    type Addr = Peer<E::Who>;

    async fn accept(&mut self) -> (Stream<E::Io>, Peer<E::Who>) {
        // The semaphore is never closed; without a place we would serve all the same.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (inner, who) = self.next().await;
        let peer = Peer { who, heard: Arc::default() };
        let deadline = Box::pin(tokio::time::sleep(HEADERS));
        (Stream { inner, deadline, heard: Arc::clone(&peer.heard), read: 0, slow: None, _place: place }, peer)
    }

    fn local_addr(&self) -> io::Result<Peer<E::Who>> {
        // Nobody is at this end.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl<E: Entrance> Connected<IncomingStream<'_, Door<E>>> for Peer<E::Who> {
    fn connect_info(stream: IncomingStream<'_, Door<E>>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection that ends by itself when its request does not come.
pub(super) struct Stream<S> {
    inner: S,
    deadline: Pin<Box<Sleep>>,
    heard: Arc<AtomicBool>,
    /// How much came before it was heard.
    read: usize,
    /// When a reader who takes nothing is given up.
    slow: Option<Pin<Box<Sleep>>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.inner).poll_read(cx, buf) {
            self.read = self.read.saturating_add(buf.filled().len() - before);
            let endless = self.read > LARGEST_HEAD && !self.heard.load(Ordering::Acquire);
            return Poll::Ready(if endless { Err(io::ErrorKind::InvalidData.into()) } else { result });
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

impl<S> Stream<S> {
    /// Gives up whoever takes nothing of what is sent. TLS keeps some of it to itself, so that all of it may have been written and a
    /// reader still be waited for.
    fn patient<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.slow = None;
            return sent;
        }
        let slow = self.slow.get_or_insert_with(|| Box::pin(tokio::time::sleep(ANSWER)));
        ready!(slow.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.patient(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.patient(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.patient(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn stream(room: usize, patience: Duration) -> (Stream<DuplexStream>, DuplexStream) {
        let (inner, other) = duplex(room);
        let deadline = Box::pin(tokio::time::sleep(patience));
        (Stream { inner, deadline, heard: Arc::default(), read: 0, slow: None, _place: None }, other)
    }

    #[tokio::test]
    async fn a_head_has_a_size_and_a_deadline_and_what_follows_it_has_neither() {
        let (mut stream, mut other) = stream(2 * LARGEST_HEAD, Duration::from_millis(50));
        other.write_all(&vec![b'x'; LARGEST_HEAD + 1]).await.unwrap();
        let mut all = vec![0; LARGEST_HEAD + 1];
        let error = stream.read_exact(&mut all).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        stream.heard.store(true, Ordering::Release);
        other.write_all(b"more").await.unwrap();
        stream.read_exact(&mut all[..4]).await.unwrap();

        let (mut silent, _other) = self::stream(64, Duration::from_millis(50));
        assert_eq!(silent.read(&mut all).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_is_given_up_and_who_takes_some_is_not() {
        let (mut stream, mut other) = stream(4, Duration::from_hours(1));
        stream.write_all(b"four").await.unwrap();
        let late = || Some(Box::pin(tokio::time::sleep(Duration::from_millis(20))));
        stream.slow = late();
        assert_eq!(stream.write(b"more").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        stream.slow = late();
        let mut some = [0; 4];
        other.read_exact(&mut some).await.unwrap();
        stream.write_all(b"more").await.unwrap();
        assert!(stream.slow.is_none(), "the next wait is a new one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_back_has_to_be_taken_as_well() {
        // What is written here is taken at once, and goes on to a reader who takes nothing, as with TLS.
        let (inner, mut other) = duplex(4);
        let deadline = Box::pin(tokio::time::sleep(Duration::from_hours(1)));
        let inner = tokio::io::BufWriter::new(inner);
        let mut stream = Stream { inner, deadline, heard: Arc::default(), read: 0, slow: None, _place: None };
        stream.write_all(b"more than four").await.unwrap();
        assert_eq!(stream.flush().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        stream.slow = None;
        assert_eq!(stream.shutdown().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        stream.slow = None;
        let mut all = [0; 14];
        let (flushed, read) = tokio::join!(stream.flush(), other.read_exact(&mut all));
        assert!(flushed.is_ok() && read.is_ok() && stream.slow.is_none());
    }
}
