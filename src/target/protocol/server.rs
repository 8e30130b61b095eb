//! The adapter's side: serves a target on one stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::line::{Reader, Writer};
use super::message::{Called, Failure, FromAdapter, Range, ToAdapter};
use super::request::{Budget, Request, What};
use super::{LARGEST_CONTENT, MOST_REQUESTS, ProtocolError, VERSIONS};
use crate::target::{Target, TargetError};

/// How long a client has to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// What is served: makes the target that a client's configuration asks for.
pub trait Adapter: Send + Sync {
    /// Name and version, for logs.
    fn name(&self) -> String;

    fn features(&self) -> Vec<String>;

    /// Returns the JSON Schema of its configuration.
    fn schema(&self) -> Value;

    /// Returns the target of one configuration.
    ///
    /// # Errors
    /// When it cannot be set up so.
    fn target(&self, configuration: &Value) -> Result<Arc<dyn Target>, TargetError>;
}

/// What all connections together may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) budget: Budget,
    /// Previews at a time: each may hold content of what is there.
    pub(super) previews: Arc<Semaphore>,
    /// What runs; an act outlives the connection that asked for it.
    pub tasks: TaskTracker,
}

impl Default for Limits {
    fn default() -> Self {
        let budget = Budget::new(usize::try_from(2 * LARGEST_CONTENT).unwrap_or(usize::MAX));
        Self { budget, previews: Arc::new(Semaphore::new(2)), tasks: TaskTracker::new() }
    }
}

/// Serves one client until it goes, `stop` is cancelled, or it does not keep to the protocol.
///
/// # Errors
/// What it did wrong, which it was told.
pub async fn serve<S>(
    stream: S,
    adapter: &dyn Adapter,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<(), ProtocolError>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let (writer, writing) = Writer::new(write);
    let mut writing = tokio::spawn(writing);
    let mut reader = Reader::new(read);
    let served = async {
        let target = welcome(&mut reader, &writer, adapter).await?;
        let (finished, ended) = mpsc::unbounded_channel();
        let client = Client { target, writer: writer.clone(), limits, open: HashMap::new(), finished };
        client.serve(&mut reader, ended).await
    };
    let served = tokio::select! {
        served = served => served,
        () = stop.cancelled() => Ok(()), // level-triggered
    };
    if let Err(error) = &served {
        // A client that does not read is not waited for.
        let last = FromAdapter::Error { id: None, error: error.told() };
        let _ = tokio::time::timeout(Duration::from_secs(1), writer.send(&last)).await;
    }
    drop(writer);
    // What still runs may hold a writer; the line above is on its way or nobody reads.
    let _ = tokio::time::timeout(Duration::from_secs(1), &mut writing).await;
    writing.abort();
    served
}

async fn welcome<R: AsyncRead + Unpin>(
    reader: &mut Reader<R>,
    writer: &Writer,
    adapter: &dyn Adapter,
) -> Result<Arc<dyn Target>, ProtocolError> {
    let hello = tokio::time::timeout(HELLO, reader.next()).await;
    let hello = hello.map_err(|_| ProtocolError::Unexpected("no hello came".into()))??;
    let Some(ToAdapter::Hello { protocol: there, client, configuration }) = hello else {
        return Err(ProtocolError::Unexpected("the first line is not a hello".into()));
    };
    let protocol = common(there).ok_or(ProtocolError::Version { here: VERSIONS, there })?;
    let target = adapter.target(&configuration).map_err(ProtocolError::Refused)?;
    tracing::debug!(client = client.chars().take(100).collect::<String>(), "a client came");
    let (adapter, features, schema) = (adapter.name(), adapter.features(), adapter.schema());
    writer.send(&FromAdapter::Welcome { protocol, adapter, features, schema }).await?;
    Ok(target)
}

/// Returns the highest version that both speak.
fn common(there: Range) -> Option<u32> {
    let highest = there.max.min(VERSIONS.max);
    (highest >= there.min && highest >= VERSIONS.min).then_some(highest)
}

/// One connection after its hello.
struct Client<'a> {
    target: Arc<dyn Target>,
    writer: Writer,
    limits: &'a Limits,
    open: HashMap<u64, Request>,
    finished: mpsc::UnboundedSender<u64>,
}

impl Client<'_> {
    async fn serve<R: AsyncRead + Unpin>(
        mut self,
        reader: &mut Reader<R>,
        mut ended: mpsc::UnboundedReceiver<u64>,
    ) -> Result<(), ProtocolError> {
        loop {
            // Both arms are cancel-safe: a line half read stays in the reader.
            let message = tokio::select! {
                message = reader.next() => message?,
                Some(id) = ended.recv() => {
                    self.open.remove(&id);
                    continue;
                }
            };
            let Some(message) = message else { return Ok(()) };
            self.take(message).await?;
        }
    }

    async fn take(&mut self, message: ToAdapter) -> Result<(), ProtocolError> {
        match message {
            ToAdapter::Hello { .. } => return Err(ProtocolError::Unexpected("a second hello came".into())),
            ToAdapter::Preview { id, call, live } => self.open(id, &call, What::Preview { live }).await?,
            ToAdapter::Apply { id, call, plan, artifact, precondition } => {
                self.open(id, &call, What::Apply { plan, artifact, precondition }).await?;
            }
            ToAdapter::Health { id, call } => self.open(id, &call, What::Health).await?,
            ToAdapter::Watch { id, call } => self.open(id, &call, What::Watch).await?,
            ToAdapter::Recover { id, call } => self.open(id, &call, What::Recover).await?,
            ToAdapter::Object { id, object, spec, owned } => {
                if let Some(request) = self.open.get_mut(&id) {
                    request.object(object, spec, owned)?;
                }
            }
            ToAdapter::Step(step) => {
                if let Some(request) = self.open.get_mut(&step.id) {
                    request.step(*step)?;
                }
            }
            ToAdapter::End { id, items } => {
                if let Some(request) = self.open.get_mut(&id) {
                    request.begin(items, &self.target, &self.writer, self.limits, &self.finished)?;
                }
            }
            ToAdapter::Cancel { id } => {
                if let Some(request) = self.open.get(&id)
                    && !request.cancel()
                {
                    // It never began, so nobody else would answer.
                    self.open.remove(&id);
                    self.writer.send(&FromAdapter::Error { id: Some(id), error: Failure::Cancelled }).await?;
                }
            }
            // A request that has ended may still be spoken of: that is no mistake, and means nothing.
            ToAdapter::Chunk(chunk) => {
                if let Some(request) = self.open.get(&chunk.id) {
                    request.chunk(&chunk)?;
                }
            }
            ToAdapter::Lacking { id, digest, reason } => {
                if let Some(request) = self.open.get(&id) {
                    request.lacking(digest, &reason);
                }
            }
        }
        Ok(())
    }

    async fn open(&mut self, id: u64, call: &Called, what: What) -> Result<(), ProtocolError> {
        if self.open.contains_key(&id) {
            return Err(ProtocolError::Unexpected(format!("the request {id} is open already")));
        }
        if self.open.len() >= MOST_REQUESTS {
            let doing = format!("more than {MOST_REQUESTS} requests are open");
            let error = Failure::Unavailable { doing, cause: None };
            return self.writer.send(&FromAdapter::Error { id: Some(id), error }).await;
        }
        self.open.insert(id, Request::new(id, what, call, &self.limits.budget));
        Ok(())
    }
}
