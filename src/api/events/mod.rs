//! `GET /v1/events`: what changes, as it changes (server-sent events, WHATWG HTML, section 9.2).
//!
//! # Guarantees
//! The first event is the state that is; whoever has it and every event after it has the state that is then. What a reader may see is
//! decided anew for each message, and a reader who would not be let in any more is put out. Nothing is kept for a reader but what they
//! were last shown, as digests: a message is made when they take it, so a slow one gets fewer and newer ones. Without readers it costs nothing.

mod places;
mod shown;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, unfold};
use serde_json::Value;

use super::RecordQuery;
use super::access::Caller;
use super::answer::Refusal;
use super::contract::{Family, tells};
use super::serve::Service;
use crate::model::Problem;
use places::Place;
pub(super) use places::Places;
use shown::{Message, Shown};

/// What comes within this of each other is one message: a sync passes through its rooms in less.
const GATHER: Duration = Duration::from_millis(100);
/// Whatever is between sees that the connection lives, and we see whether the reader would still be let in.
const ALIVE: Duration = Duration::from_secs(15);
/// So many records are told at once.
const RECORDS: u32 = 100;
/// Who was away for longer reads `/v1/audit/records`.
const MISSED: u64 = 1000;

pub(super) fn router() -> ApiRouter<Service> {
    const MANY: &[Family] = &[(429, &["events.too-many"])];
    ApiRouter::new()
        .api_route("/v1/events", get_with(events, tells("followEvents", "What changes, as it changes.", &[MANY])))
}

/// One reader.
struct Reader {
    service: Service,
    caller: Caller,
    changes: BoxStream<'static, ()>,
    shown: Shown,
    /// The last record that they were told of.
    told: u64,
    /// There is more to tell at once.
    more: bool,
    waiting: VecDeque<Message>,
    _place: Place,
}

async fn events(State(service): State<Service>, caller: Caller, headers: HeaderMap) -> Result<Response, Refusal> {
    let place = service.readers.take(&caller.actor.principal()).ok_or_else(|| {
        let problem =
            Problem::new(429, "events.too-many", "there are too many readers of events, or too many of yours");
        Refusal::from(problem.hint("end one of the others"))
    })?;
    // Before anything is looked at, so that no change falls between.
    let changes = service.daemon.changes();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let mut reader = Reader {
        service,
        caller,
        changes,
        shown: Shown::default(),
        told: 0,
        more: false,
        waiting: VecDeque::new(),
        _place: place,
    };
    reader.begin(last).await?;
    let stream = unfold(reader, |mut reader| async move {
        let message = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(message), reader))
    });
    let head = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((head, Body::from_stream(stream)).into_response())
}

impl Reader {
    /// Takes note of where the trail is, or of where this reader was when they were cut off.
    async fn begin(&mut self, last: Option<u64>) -> Result<(), Refusal> {
        let newest = records(&self.service, &self.caller, None, 1).await?.first().map_or(0, number);
        // What was never told is no place to go on from: another trail may stand here now.
        self.told = last.filter(|last| *last <= newest).unwrap_or(newest);
        let state = self.shown.all(&self.caller, &self.service).at(self.told);
        self.waiting.push_back(state);
        if newest.saturating_sub(self.told) > MISSED {
            self.waiting.push_back(Message::missed(self.told, newest).at(newest));
            self.told = newest;
        }
        self.more = self.told < newest;
        Ok(())
    }

    /// Waits for what there is to tell; `None` where there will be nothing any more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(message.into());
            }
            if !self.more {
                tokio::select! {
                    change = self.changes.next() => {
                        change?;
                        tokio::time::sleep(GATHER).await;
                    }
                    () = tokio::time::sleep(ALIVE) => { // a timer holds no data
                        self.caller = self.caller.again(&self.service).await.ok()?;
                        return Some(Bytes::from_static(b": alive\n\n"));
                    }
                }
            }
            if let Some(news) = self.news().await? {
                return Some(news);
            }
        }
    }

    /// Returns what is new to this reader, as they may see it now: `None` in it for nothing, and alone where they may not be here.
    async fn news(&mut self) -> Option<Option<Bytes>> {
        self.caller = self.caller.again(&self.service).await.ok()?;
        let mut messages = self.shown.news(&self.caller, &self.service);
        // Records that cannot be read now are told the next time.
        let records = records(&self.service, &self.caller, Some(self.told), RECORDS).await.unwrap_or_default();
        self.more = records.len() == RECORDS as usize;
        for record in &records {
            self.told = self.told.max(number(record));
            messages.push(Message::new("record", record).at(number(record)));
        }
        let text: Vec<u8> = messages.into_iter().flat_map(Bytes::from).collect();
        Some((!text.is_empty()).then(|| text.into()))
    }
}

/// Returns records that they see: the newest first, or the oldest after one.
async fn records(service: &Service, caller: &Caller, after: Option<u64>, limit: u32) -> Result<Vec<Value>, Refusal> {
    let query = RecordQuery { after, limit, of: caller.seen(), ..RecordQuery::default() };
    Ok(service.daemon.records(query).await?)
}

fn number(record: &Value) -> u64 {
    record["seq"].as_u64().unwrap_or(0)
}

/// Where readers sit, for all ways in together.
pub(super) type Readers = Arc<Places>;
