//! How an application stood before a record, read out of the trail: nothing is remembered beside it.

use super::tale::{Ending, PATIENCE, Past, STALE, Standing, passing};
use crate::audit::{self, Body, ClosedBody, Filter, Kind, Record};
use crate::model::notice::NoticeEvent;
use crate::model::{Name, Time};
use crate::store::{Store, StoreError};

/// The end before is most often all that is needed.
const PAGE: u32 = 8;

/// What was so long ago does not decide any more whether something is told.
const FARTHEST: usize = 1000;

/// Returns how the syncs of an application ended before this record of it.
pub(super) async fn past(store: &Store, application: &Name, record: &Record) -> Result<Past, StoreError> {
    let mut gathered = Gathered { next: record.time, ..Gathered::default() };
    let mut before = record.seq;
    loop {
        let filter = Filter {
            application: Some(application.clone()),
            kinds: vec![Kind::Closed],
            before: Some(before),
            newest_first: true,
            limit: PAGE,
            ..Filter::default()
        };
        let page = audit::each(store, &filter).await?;
        let last = page.len() < PAGE as usize;
        for (seq, record) in page {
            before = seq;
            // One that is damaged is passed over, and who erased a payload does not want to be told of it.
            let Ok(record) = record else { continue };
            let Some(Body::Closed(closed)) = &record.body else { continue };
            if gathered.take(&record, closed) {
                return Ok(gathered.past);
            }
        }
        if last || gathered.seen >= FARTHEST {
            return Ok(gathered.past);
        }
    }
}

/// What was found, going back from the newest.
#[derive(Default)]
struct Gathered {
    past: Past,
    /// When the next newer end was that says more than that the remote is out of reach.
    next: Time,
    seen: usize,
    /// How many of the last seen were stale, one after the other.
    run: usize,
    /// Something else than stale was seen.
    other: bool,
}

impl Gathered {
    /// Takes the next older end, and returns whether nothing older can matter.
    fn take(&mut self, record: &Record, closed: &ClosedBody) -> bool {
        self.seen += 1;
        let standing = Standing::of(record, closed);
        self.past.last.get_or_insert_with(|| Ending::of(record, closed));
        if passing(closed) {
            if self.next.since(record.time) >= PATIENCE {
                self.past.ills.insert(NoticeEvent::Failed);
            }
            (self.run, self.other) = (0, true);
            return false;
        }
        match standing {
            Standing::Good => return true,
            Standing::Ill(events) => self.past.ills.extend(events),
            Standing::Stale => {
                self.run += 1;
                self.next = record.time;
                self.past.stale += usize::from(!self.other);
                if self.run >= STALE {
                    self.past.ills.insert(NoticeEvent::Failed);
                }
                return false;
            }
            Standing::Same => return false,
        }
        (self.run, self.other, self.next) = (0, true, record.time);
        false
    }
}
