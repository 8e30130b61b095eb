use std::collections::VecDeque;

use super::directory::{Known, Surroundings};
use super::past::past;
use super::tale::{Past, SILENT};
use super::wanted::wanted;
use crate::audit::{self, Filter, Kind, Record};
use crate::config::Notification;
use crate::model::Name;
use crate::model::notice::{NoticeEvent, Severity};
use crate::store::{SinkState, StoreError};

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
    waiting: VecDeque<u64>,
}

impl Queue {
    /// Takes up where the sink was left.
    pub(super) async fn load(around: &Surroundings, sink: &Name) -> Result<Self, StoreError> {
        let state = around.store.sink(sink).await?;
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
            let page = audit::list(&around.store, &filter).await?;
            let whole = page.len() < PAGE as usize;
            for record in page {
                if chosen(around, declared, &record).await?.is_some() {
                    self.waiting.push_back(record.seq);
                }
                self.read = record.seq;
            }
            if whole {
                self.read = newest;
            }
        }
        self.settle();
        Ok(())
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.waiting.front().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The first that waits is done with.
    pub(super) fn done(&mut self) {
        if let Some(seq) = self.waiting.pop_front() {
            self.state.seq = seq;
            self.unsaved = true;
        }
        self.settle();
    }

    /// Where nothing waits, all that was looked at is done with: so little waits at the next start, whatever is declared then.
    fn settle(&mut self) {
        let reached = self.waiting.front().map_or(self.read, |first| first - 1);
        if reached > self.state.seq {
            self.state.seq = reached;
            self.unsaved = true;
        }
    }

    /// Writes down how far the sink was told, where that is news.
    pub(super) async fn save(&mut self, around: &Surroundings, sink: &Name) -> Result<(), StoreError> {
        if !self.unsaved {
            return Ok(());
        }
        let mut tx = around.store.write().await?;
        tx.put_sink(sink, &self.state).await?;
        tx.commit().await?;
        self.unsaved = false;
        Ok(())
    }
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
            (around.known(application), past(&around.store, application, record.seq).await?)
        }
        Some(application) => (around.known(application), Past::default()),
        None => (Known::default(), Past::default()),
    };
    let wanted = wanted(declared, record, &past, &known);
    Ok(wanted.map(|(event, severity)| Chosen { event, severity, known }))
}
