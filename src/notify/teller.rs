use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::attempt::Line;
use super::fault::{Failures, Fault};
use super::notice::notice;
use super::queue::{Queue, chosen};
use super::sink::{STORE, Sink};
use crate::audit::{self, Appended, Filter};
use crate::model::{Pace, chain, event};
use crate::store::StoreError;

/// How soon one that was not taken is tried again, at first.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What waits for long is tried this often.
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// How soon the store is asked again that failed.
const STORE_RETRY: Duration = Duration::from_secs(10);

/// Whoever is answering when the daemon stops may finish: else it would be told the same again at the next start.
const GRACE: Duration = Duration::from_secs(2);

/// The task of one sink: tells one thing after the other, in the order of the trail.
pub(super) struct Teller {
    sink: Arc<Sink>,
    queue: Queue,
    appended: Appended,
    /// Open for as long as something waits and nothing fails.
    line: Option<Line>,
    trying: Option<Trying>,
    pace: Pace,
    stop: CancellationToken,
}

/// How the last one fared that was not taken.
struct Trying {
    seq: u64,
    failures: Failures,
    due: Instant,
}

/// What came of one try.
enum Tried {
    Told,
    /// The record is gone, or tells nothing any more.
    Nothing,
    /// The record is not as it was written.
    Damaged(StoreError),
    Failed(Fault),
}

impl Teller {
    /// Takes up where the sink was left; nothing, where it is stopped before that can be read.
    pub(super) async fn begin(sink: &Arc<Sink>, stop: &CancellationToken) -> Option<Self> {
        // Before anything is read: what comes meanwhile rings.
        let appended = Appended::to(&sink.around.store);
        let queue = loop {
            match Queue::load(&sink.around, &sink.name).await {
                Ok(queue) => break queue,
                Err(error) => {
                    ill(sink, &error);
                    pause(stop).await;
                }
            }
            if stop.is_cancelled() {
                return None;
            }
        };
        let pace = Pace::new(sink.around.store.key(), format!("notification {}", sink.name)).up_to(LONGEST_RETRY);
        let (sink, stop) = (sink.clone(), stop.clone());
        Some(Self { sink, queue, appended, line: None, trying: None, pace, stop })
    }

    pub(super) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let turned = self.turn().await;
            if let Err(error) = turned {
                ill(&self.sink, &error);
                pause(&self.stop).await;
                continue;
            }
            self.sink.show_ill(None);
            let waits = self.queue.first(Instant::now()).is_some();
            let due = match (waits, &self.trying) {
                (true, Some(trying)) => Some(trying.due),
                (true, None) => Some(Instant::now()),
                (false, _) => self.queue.due(),
            };
            if !waits && let Some(line) = self.line.take() {
                line.close().await;
            }
            tokio::select! {
                _ = self.appended.next() => {} // a ring that is not heard stays
                () = until(due) => {} // a timer holds no data
                () = self.sink.again.notified() => self.trying = None, // a permit that is not taken stays
                () = self.stop.cancelled() => {} // level-triggered
            }
        }
    }

    /// Looks at what is new, and tries the first that waits where it is due.
    async fn turn(&mut self) -> Result<(), StoreError> {
        let sink = self.sink.clone();
        self.queue.look(&sink.around, &sink.declared).await?;
        sink.show(&self.queue);
        self.queue.save(&sink.around, &sink.name).await?;
        let Some(seq) = self.queue.first(Instant::now()) else { return Ok(()) };
        if self.trying.as_ref().is_some_and(|trying| trying.due > Instant::now()) {
            return Ok(());
        }
        let tried = tokio::select! {
            tried = deliver(&sink, seq, &mut self.line) => tried?, // what is lost of it is sent again, under the same id
            () = grace(&self.stop) => return Ok(()),
        };
        match tried {
            Tried::Told => {
                let now = sink.around.clock.now();
                self.queue.tally(|tally| tally.delivered = Some(now));
                self.done(seq);
            }
            Tried::Nothing => self.done(seq),
            Tried::Damaged(error) => self.drop(seq, error.code(), &chain(&error)),
            Tried::Failed(fault) => self.failed(seq, fault),
        }
        sink.show(&self.queue);
        self.queue.save(&sink.around, &sink.name).await
    }

    fn done(&mut self, seq: u64) {
        self.trying = None;
        self.queue.done(seq);
        self.sink.show_fault(None);
    }

    /// Gives one up, so that it does not stand in the way of all others.
    fn drop(&mut self, seq: u64, code: &str, why: &str) {
        let (event, name) = (event::NOTIFICATION_DROPPED.name, &self.sink.name);
        tracing::error!(event, notification = %name, code, record = seq, "a notification was given up: {why}");
        self.queue.tally(|tally| (tally.dropped, tally.last_dropped) = (tally.dropped + 1, Some(seq)));
        self.done(seq);
    }

    /// Tries again later, or gives up what is never taken.
    fn failed(&mut self, seq: u64, fault: Fault) {
        let before = self.trying.take().filter(|trying| trying.seq == seq);
        let mut failures = before.map(|trying| trying.failures).unwrap_or_default();
        let last = failures.are_final_with(fault.kind);
        if last {
            return self.drop(seq, fault.kind.code(), &fault.message);
        }
        let (name, code, why) = (&self.sink.name, fault.kind.code(), fault.message.clone());
        let wait = self.pace.back_off(FIRST_RETRY, failures.count()).max(fault.wait.unwrap_or_default());
        if self.sink.show_fault(Some(fault)) {
            let (event, retry_in) = (event::NOTIFICATION_FAILED.name, format!("{wait:.0?}"));
            tracing::warn!(event, notification = %name, code, record = seq, retry_in, "could not notify: {why}");
        }
        self.trying = Some(Trying { seq, failures, due: Instant::now() + wait });
    }
}

/// Makes a message of a record and sends it once.
async fn deliver(sink: &Sink, seq: u64, line: &mut Option<Line>) -> Result<Tried, StoreError> {
    let one = Filter { after: Some(seq - 1), before: Some(seq + 1), limit: 1, ..Filter::default() };
    let record = match audit::each(&sink.around.store, &one).await?.pop() {
        Some((_, Ok(record))) => record,
        Some((_, Err(error))) => return Ok(Tried::Damaged(error)),
        None => return Ok(Tried::Nothing),
    };
    let Some(chosen) = chosen(&sink.around, &sink.declared, &record).await? else { return Ok(Tried::Nothing) };
    let notice = notice(&sink.around, &sink.name, &record, (chosen.event, chosen.severity), chosen.known).await?;
    Ok(match sink.send(line, &notice).await {
        Ok(_) => Tried::Told,
        Err(fault) => Tried::Failed(fault),
    })
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(GRACE).await;
}

fn ill(sink: &Sink, error: &StoreError) {
    if sink.show_ill(Some(chain(error))) {
        let (event, error) = (event::NOTIFICATION_FAILED.name, chain(error));
        tracing::warn!(event, notification = %sink.name, code = STORE, error, "could not read or write how far it was told");
    }
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = sleep(STORE_RETRY) => {} // a timer holds no data
        () = stop.cancelled() => {} // level-triggered
    }
}
