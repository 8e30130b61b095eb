//! The client's side of one connection: requests by id, and who waits for which answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connect::Stream;
use super::line::{Reader, Writer};
use super::message::{FromAdapter, ToAdapter};
use super::{MOST_ITEMS, ProtocolError, VERSIONS};
use crate::target::{Call, TargetError};

/// How long an adapter has to answer hello.
const WELCOME: Duration = Duration::from_secs(10);
/// How long after the deadline an answer may still come: the adapter's own error says more than ours.
const GRACE: Duration = Duration::from_secs(5);
/// Rings that may wait; when more come, everything is rung for.
const RINGS: usize = 256;
/// All content that one answer may carry, base64, in bytes.
const MOST_CONTENT: usize = 128 * 1024 * 1024;

/// Why a request has no answer.
pub(super) enum Broken {
    Target(TargetError),
    /// The connection ended. `sent`: the adapter had all that it needs to act.
    Lost {
        sent: bool,
        why: String,
    },
}

impl From<TargetError> for Broken {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// One connection.
pub(super) struct Link {
    writer: Writer,
    shared: Arc<Shared>,
    next: AtomicU64,
    _ends: DropGuard,
}

#[derive(Default)]
struct Shared {
    open: Mutex<HashMap<u64, Waiting>>,
    ended: Mutex<Option<String>>,
}

/// Who waits for the answer to one request.
struct Waiting {
    sender: mpsc::UnboundedSender<FromAdapter>,
    load: Arc<Load>,
    items: u64,
    content: usize,
}

#[derive(Default)]
struct Load {
    waiting: AtomicUsize,
    lost: AtomicBool,
}

impl Link {
    /// Says hello on a new stream.
    pub(super) async fn open(stream: Stream, configuration: &Value) -> Result<Self, ProtocolError> {
        let (writer, writing) = Writer::new(stream.write);
        let mut reader = Reader::new(stream.read);
        let writing = tokio::spawn(writing);
        let client = concat!("trueup ", env!("CARGO_PKG_VERSION")).to_owned();
        let hello = ToAdapter::Hello { protocol: VERSIONS, client, configuration: configuration.clone() };
        writer.send(&hello).await?;
        let welcome = timeout(WELCOME, reader.next()).await;
        let welcome = welcome.map_err(|_| ProtocolError::Unexpected("no welcome came".into()))??;
        match welcome {
            Some(FromAdapter::Welcome { protocol, adapter, .. }) => {
                let there = super::message::Range { min: protocol, max: protocol };
                if protocol < VERSIONS.min || protocol > VERSIONS.max {
                    return Err(ProtocolError::Version { here: VERSIONS, there });
                }
                tracing::debug!(adapter = adapter.chars().take(100).collect::<String>(), "connected");
            }
            Some(FromAdapter::Error { error, .. }) => return Err(ProtocolError::Refused(error.into())),
            Some(_) => return Err(ProtocolError::Unexpected("the first line is not a welcome".into())),
            None => return Err(ProtocolError::Ended),
        }
        let shared = Arc::new(Shared::default());
        let ends = CancellationToken::new();
        let reading = read(reader, shared.clone());
        let (ended, program) = (ends.clone(), stream.program);
        tokio::spawn(async move {
            tokio::select! {
                () = reading => {}
                () = ended.cancelled() => {} // level-triggered
            }
            writing.abort();
            // A program ends with its stream.
            drop(program);
        });
        Ok(Self { writer, shared, next: AtomicU64::new(1), _ends: ends.drop_guard() })
    }

    /// Whether the connection still stands, as far as is known.
    pub(super) fn stands(&self) -> bool {
        self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Opens a request; `first` makes its first line.
    pub(super) async fn ask<'a>(
        &'a self,
        call: &'a Call,
        first: impl FnOnce(u64) -> ToAdapter,
    ) -> Result<Asked<'a>, Broken> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, events) = mpsc::unbounded_channel();
        let load = Arc::new(Load::default());
        let waiting = Waiting { sender, load: load.clone(), items: 0, content: 0 };
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, waiting);
        let asked = Asked { link: self, call, id, events, load, sent: false, cancelled: false };
        if !self.stands() {
            return Err(asked.lost());
        }
        asked.say(&first(id)).await?;
        Ok(asked)
    }
}

/// A request that is open.
pub(super) struct Asked<'a> {
    link: &'a Link,
    call: &'a Call,
    pub(super) id: u64,
    events: mpsc::UnboundedReceiver<FromAdapter>,
    load: Arc<Load>,
    sent: bool,
    cancelled: bool,
}

impl Asked<'_> {
    fn patience(&self) -> Instant {
        self.call.deadline + GRACE
    }

    fn lost(&self) -> Broken {
        let why = self.link.shared.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Broken::Lost { sent: self.sent, why: why.unwrap_or_else(|| "the connection ended".into()) }
    }

    /// Sends a line of this request.
    pub(super) async fn say(&self, message: &ToAdapter) -> Result<(), Broken> {
        tokio::select! {
            said = self.link.writer.send(message) => match said {
                Ok(()) => Ok(()),
                Err(ProtocolError::LongLine) => Err(Broken::Target(TargetError::Invalid {
                    code: "protocol.line-too-long".into(),
                    reason: format!("an object is described with more than {} bytes", super::LONGEST_LINE),
                })),
                Err(_) => Err(self.lost()),
            },
            () = sleep_until(self.patience()) => Err(Self::late()),
        }
    }

    /// Sends the last line: from here on the adapter may act.
    pub(super) async fn end(&mut self, items: u64) -> Result<(), Broken> {
        self.sent = true;
        self.say(&ToAdapter::End { id: self.id, items }).await
    }

    /// Returns the next line of the answer; an error of the adapter is one here.
    pub(super) async fn next(&mut self) -> Result<FromAdapter, Broken> {
        loop {
            let patience = self.patience();
            let event = tokio::select! {
                biased;
                event = self.events.recv() => Some(event),
                () = self.call.cancel.cancelled(), if !self.cancelled => None,
                () = sleep_until(patience) => return Err(Self::late()),
            };
            let Some(event) = event else {
                // The answer is still waited for: it says whether something was done.
                self.cancelled = true;
                self.say(&ToAdapter::Cancel { id: self.id }).await?;
                continue;
            };
            let Some(event) = event else { return Err(self.lost()) };
            self.load.waiting.fetch_sub(1, Ordering::AcqRel);
            return match event {
                FromAdapter::Error { error, .. } => Err(Broken::Target(error.into())),
                event => Ok(event),
            };
        }
    }

    /// Whether rings were dropped since this was last asked.
    pub(super) fn lost_rings(&self) -> bool {
        self.load.lost.swap(false, Ordering::AcqRel)
    }

    fn late() -> Broken {
        Broken::Target(TargetError::Unavailable {
            doing: "the adapter did not answer before the deadline".into(),
            source: None,
        })
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut open = self.link.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = open.remove(&self.id).is_none();
        if !answered && !self.cancelled {
            // Whoever is dropped half-way cannot wait; a full queue only costs the adapter some work for nothing.
            self.link.writer.try_send(&ToAdapter::Cancel { id: self.id });
        }
    }
}

async fn read(mut reader: Reader<Box<dyn AsyncRead + Send + Unpin>>, shared: Arc<Shared>) {
    let why = loop {
        match reader.next::<FromAdapter>().await {
            Ok(Some(FromAdapter::Error { id: None, error })) => break TargetError::from(error).to_string(),
            Ok(Some(message)) => {
                if let Err(error) = shared.take(message) {
                    break error.to_string();
                }
            }
            Ok(None) => break "the adapter closed the connection".into(),
            Err(error) => break error.to_string(),
        }
    };
    *shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    // Dropping the senders tells everyone who waits.
    shared.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

impl Shared {
    fn take(&self, message: FromAdapter) -> Result<(), ProtocolError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, last) = match &message {
            FromAdapter::Welcome { .. } => return Err(ProtocolError::Unexpected("a second welcome came".into())),
            FromAdapter::Preview(preview) => (preview.id, false),
            FromAdapter::Chunk(chunk) => (chunk.id, false),
            FromAdapter::End { id, .. } => (*id, true),
            FromAdapter::Error { id, .. } => (id.unwrap_or_default(), true),
            FromAdapter::Run { id, .. }
            | FromAdapter::Health { id, .. }
            | FromAdapter::Outcome { id, .. }
            | FromAdapter::Ring { id, .. }
            | FromAdapter::Need { id, .. } => (*id, false),
        };
        // Of a request that nobody waits for any more.
        let Some(waiting) = open.get_mut(&id) else { return Ok(()) };
        match &message {
            FromAdapter::Ring { .. } => {
                if waiting.load.waiting.load(Ordering::Acquire) >= RINGS {
                    waiting.load.lost.store(true, Ordering::Release);
                    return Ok(());
                }
            }
            FromAdapter::Chunk(chunk) => waiting.content += chunk.data.len(),
            _ => waiting.items += 1,
        }
        if waiting.items > 2 * MOST_ITEMS || waiting.content > MOST_CONTENT {
            return Err(ProtocolError::TooMuch("an answer is too large"));
        }
        waiting.load.waiting.fetch_add(1, Ordering::AcqRel);
        // Fails only where nobody waits any more.
        let _ = waiting.sender.send(message);
        if last {
            open.remove(&id);
        }
        Ok(())
    }
}
