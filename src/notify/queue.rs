use std::collections::VecDeque;

use tokio::time::Instant;

use super::past::past;
use super::surroundings::{Known, Surroundings};
use super::tale::{self, PATIENCE, Past, SILENT, Standing};
use super::wanted::wanted;
use crate::audit::{self, Body, Filter, Kind, Record};
use crate::config::Notification;
use crate::model::notice::{NoticeEvent, Severity};
use crate::model::{Name, Time};
use crate::store::{SinkState, StoreError, Tally};

/// So many records are looked at between two times that others may use the store.
const PAGE: u32 = 50;

/// So many that wait are counted; those behind them are looked at when there is room.
const MOST: usize = 10_000;

/// What one sink has yet to be told: numbers of records, for the records themselves lie in the trail.
pub(super) struct Queue {
    pub(super) state: SinkState,
    /// What is in `state` is not yet in the store.
    unsaved: bool,
    /// The last record that was looked at.
    read: u64,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    seq: u64,
    /// It may be over before it is worth telling.
    passing: Option<Passing>,
}

struct Passing {
    application: Option<Name>,
    since: Time,
    /// When it will have lasted long enough.
    due: Instant,
}

impl Queue {
    /// Takes up where the sink was left.
    pub(super) async fn load(around: &Surroundings, sink: &Name) -> Result<Self, StoreError> {
        let state = around.store.sink(sink.as_str()).await?;
        let state = match state {
            Some(state) => state,
            // It was swept while it was declared no more, and has just come back.
            None => SinkState { seq: audit::head(&around.store).await?.size, ..SinkState::default() },
        };
        Ok(Self { read: state.seq, state, unsaved: false, waiting: VecDeque::new() })
    }

    /// Looks at the records that were appended since the last look.
    pub(super) async fn look(&mut self, around: &Surroundings, declared: &Notification) -> Result<(), StoreError> {
        let newest = audit::head(&around.store).await?.size;
        while self.read < newest && self.waiting.len() < MOST {
            let filter = Filter {
                but: SILENT.to_vec(),
                after: Some(self.read),
                before: Some(newest + 1),
                limit: PAGE,
                ..Filter::default()
            };
            let page = audit::each(&around.store, &filter).await?;
            let whole = page.len() < PAGE as usize;
            for (seq, record) in page {
                match record {
                    Ok(record) => {
                        self.end_passing(&record);
                        if chosen(around, declared, &record).await?.is_some() {
                            let passing = passing(&record, around.clock.now());
                            self.waiting.push_back(Waiting { seq, passing });
                        }
                    }
                    // Whoever comes to it gives it up: nobody knows whether it was to be told.
                    Err(_) => self.waiting.push_back(Waiting { seq, passing: None }),
                }
                self.read = seq;
            }
            if whole {
                self.read = newest;
            }
        }
        self.settle();
        Ok(())
    }

    /// Drops what was over before it was told.
    fn end_passing(&mut self, record: &Record) {
        let over = matches!(&record.body, Some(Body::Closed(closed))
            if !tale::passing(closed) && Standing::of(record, closed) != Standing::Same);
        if over {
            let soon = |passing: &Passing| record.time.since(passing.since) < PATIENCE;
            let ended = |passing: &Passing| passing.application == record.application && soon(passing);
            self.waiting.retain(|waiting| !waiting.passing.as_ref().is_some_and(ended));
        }
    }

    /// Returns the first that may be told now.
    pub(super) fn first(&self, now: Instant) -> Option<u64> {
        let due = |waiting: &&Waiting| waiting.passing.as_ref().is_none_or(|passing| passing.due <= now);
        self.waiting.iter().find(due).map(|waiting| waiting.seq)
    }

    /// Returns when the next may be told that may not yet.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|waiting| waiting.passing.as_ref()).map(|passing| passing.due).min()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The record of this number is done with.
    pub(super) fn done(&mut self, seq: u64) {
        self.waiting.retain(|waiting| waiting.seq != seq);
        self.settle();
    }

    /// What lies before the first that waits is done with, and where nothing waits, all that was looked at: so little waits at the
    /// next start, whatever is declared then.
    fn settle(&mut self) {
        let reached = self.waiting.front().map_or(self.read, |first| first.seq - 1);
        if reached > self.state.seq {
            self.state.seq = reached;
            self.unsaved = true;
        }
    }

    /// Takes note of what became of one.
    pub(super) fn tally(&mut self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.state.tally);
        self.unsaved = true;
    }

    /// Writes down how far the sink was told, where that is news.
    pub(super) async fn save(&mut self, around: &Surroundings, sink: &Name) -> Result<(), StoreError> {
        if !self.unsaved {
            return Ok(());
        }
        let mut tx = around.store.write().await?;
        tx.put_sink(sink.as_str(), &self.state).await?;
        tx.commit().await?;
        self.unsaved = false;
        Ok(())
    }
}

/// Returns until when a record waits that may be over by then.
fn passing(record: &Record, now: Time) -> Option<Passing> {
    let passing = matches!(&record.body, Some(Body::Closed(closed)) if tale::passing(closed));
    let left = PATIENCE.saturating_sub(now.since(record.time));
    let (application, since) = (record.application.clone(), record.time);
    passing.then(|| Passing { application, since, due: Instant::now() + left })
}

/// What a sink wants to be told of a record, and what that takes.
pub(super) struct Chosen {
    pub(super) event: NoticeEvent,
    pub(super) severity: Severity,
    pub(super) known: Known,
}

/// Returns what a sink wants to be told of a record; `None` where it wants nothing.
pub(super) async fn chosen(
    around: &Surroundings,
    declared: &Notification,
    record: &Record,
) -> Result<Option<Chosen>, StoreError> {
    let (known, past) = match &record.application {
        Some(application) if record.kind == Kind::Closed => {
            (around.known(application), past(&around.store, application, record).await?)
        }
        Some(application) => (around.known(application), Past::default()),
        None => (Known::default(), Past::default()),
    };
    let wanted = wanted(declared, record, &past, &known);
    Ok(wanted.map(|(event, severity)| Chosen { event, severity, known }))
}
