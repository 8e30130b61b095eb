//! What one conversation with a server may cost: wall time, silence and bytes.

use std::future::Future;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{SourceError, SourceErrorKind};

/// A server may be silent for this long, even where the whole may take longer.
const IDLE: Duration = Duration::from_secs(30);

/// The budget of one conversation. Every byte from the server goes through it.
#[derive(Debug)]
pub(super) struct Budget {
    runtime: Handle,
    deadline: Instant,
    timeout: Duration,
    bytes: AtomicU64,
    limit: u64,
    /// The first reason why it was refused: readers of others may hide it.
    refused: Mutex<Option<(SourceErrorKind, String)>>,
}

impl Budget {
    pub(super) fn new(runtime: Handle, timeout: Duration, limit: u64) -> Arc<Self> {
        let deadline = Instant::now() + timeout;
        Arc::new(Self { runtime, deadline, timeout, bytes: AtomicU64::new(0), limit, refused: Mutex::new(None) })
    }

    /// Waits for `act`, not longer than the budget allows.
    pub(super) fn wait<T>(&self, act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let now = Instant::now();
        // A server that always has one more byte ready would never meet the timer.
        if now >= self.deadline {
            return Err(self.late(self.timeout));
        }
        let idle = self.deadline.min(now + IDLE);
        match self.runtime.block_on(tokio::time::timeout_at(idle, act)) {
            Ok(result) => result,
            Err(_) => Err(self.late(if idle < self.deadline { IDLE } else { self.timeout })),
        }
    }

    /// Counts bytes that came from the server.
    pub(super) fn spend(&self, count: usize) -> io::Result<()> {
        let count = count as u64;
        let spent = self.bytes.fetch_add(count, Ordering::Relaxed).saturating_add(count);
        if spent <= self.limit {
            return Ok(());
        }
        let mib = self.limit / 1024 / 1024;
        let message = format!("the server sent more than {mib} MiB; raise `limits.mirrorMib` if that is right");
        Err(self.refuse(SourceErrorKind::TooLarge, message))
    }

    /// Counts what the mirror has already, so that its limit holds while a pack streams in.
    pub(super) fn already(&self, bytes: u64) {
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Returns why the budget refused to go on, if it did.
    pub(super) fn refusal(&self) -> Option<SourceError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().map(|(kind, message)| SourceError::new(*kind, message.clone()))
    }

    /// Notes why the conversation ends, and makes an error of it.
    pub(super) fn refuse(&self, kind: SourceErrorKind, message: String) -> io::Error {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get_or_insert_with(|| (kind, message.clone()));
        SourceError::new(kind, message).into_io()
    }

    /// Sets `stop` when time is up, for work that does not read.
    pub(super) fn alarm(&self, stop: Arc<AtomicBool>) -> AbortHandle {
        let deadline = self.deadline;
        let task = async move {
            tokio::time::sleep_until(deadline).await;
            stop.store(true, Ordering::Relaxed);
        };
        self.runtime.spawn(task).abort_handle()
    }

    /// Tells whether time is up.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn late(&self, waited: Duration) -> io::Error {
        let message = format!("the server was too slow: {waited:?} were not enough");
        self.refuse(SourceErrorKind::TimedOut, message)
    }
}

/// Reads from (and writes to) an asynchronous stream from a blocking thread, within a budget.
pub(super) struct Patient<S> {
    pub(super) stream: S,
    pub(super) budget: Arc<Budget>,
}

impl<S: AsyncRead + Unpin> Read for Patient<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.budget.wait(self.stream.read(buffer))?;
        self.budget.spend(count)?;
        Ok(count)
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = &mut self.stream;
        self.budget.wait(async move {
            stream.write_all(bytes).await?;
            stream.flush().await
        })
    }
}
