use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::attempt::{Line, attempt};
use super::fault::Fault;
use super::message::Message;
use super::notice::id;
use super::queue::Queue;
use super::surroundings::Surroundings;
use super::teller::Teller;
use crate::config::Notification;
use crate::model::notice::{Notice, Severity};
use crate::model::view::NotificationStatus;
use crate::model::{Actor, Name, Problem};
use crate::store::Tally;

/// One declared sink.
pub struct Sink {
    pub(super) name: Name,
    pub(super) declared: Notification,
    pub(super) around: Surroundings,
    shown: Mutex<Shown>,
    /// Somebody does not want to wait for the next try.
    pub(super) again: Notify,
}

/// The stable code of a sink that is told nothing because the store, or the trail in it, cannot be read or written.
pub(super) const STORE: &str = "notify.store";

#[derive(Default)]
struct Shown {
    waiting: usize,
    tally: Tally,
    /// Why the first that waits is not delivered.
    fault: Option<Fault>,
    /// Why nothing is told at all: the store cannot be read or written.
    ill: Option<String>,
}

impl Sink {
    #[must_use]
    pub fn new(name: Name, declared: Notification, around: Surroundings) -> Self {
        Self { name, declared, around, shown: Mutex::default(), again: Notify::new() }
    }

    /// Tells what is recorded, from where it was left, until it is stopped.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        if let Some(teller) = Teller::begin(&self, &stop).await {
            teller.run().await;
        }
    }

    /// Returns how far it was told.
    #[must_use]
    pub fn status(&self) -> NotificationStatus {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = shown.fault.as_ref().map(|fault| (fault.kind.code(), fault.message.clone()));
        let (state, message) = shown.ill.clone().map(|ill| (STORE, ill)).or(fault).unzip();
        NotificationStatus {
            name: self.name.clone(),
            kind: self.declared.kind().into(),
            state: state.unwrap_or("ok").into(),
            message,
            delivered: shown.tally.delivered,
            waiting: shown.waiting,
            dropped: shown.tally.dropped,
            last_dropped: shown.tally.last_dropped,
        }
    }

    /// Sends a message that tells of nothing, past all that waits, and returns its id and what was answered. Where it is taken,
    /// what waits is tried again at once.
    ///
    /// # Errors
    /// Why it was not taken, by the same codes as `status` has.
    pub async fn test(&self, actor: &Actor) -> Result<(String, String), Problem> {
        let now = self.around.clock.now();
        let [_, sample] = Notice::samples();
        let notice = Notice {
            id: id(&self.around, &self.name, &format!("test\0{}", now.0)),
            installation: self.around.installation.to_string(),
            record: 0,
            time: now.to_string(),
            event: "test",
            severity: Severity::Info,
            summary: format!("a test of the notification {}", self.name),
            actor: actor.clone(),
            ..sample
        };
        let mut line = None;
        let sent = self.send(&mut line, &notice).await;
        if let Some(open) = line {
            Line::close(open).await;
        }
        let answer = sent.map_err(|fault| {
            let title = format!("could not notify {}: {}", self.name, fault.message);
            Problem::new(502, fault.kind.code(), title)
        })?;
        self.again.notify_one();
        Ok((notice.id, answer))
    }

    /// Sends a notice once, over the line that is open, or a new one.
    pub(super) async fn send(&self, line: &mut Option<Line>, notice: &Notice) -> Result<String, Fault> {
        let redactor = self.around.masks.get();
        let message = Message::new(notice, &self.declared, &self.name, &redactor);
        let sent = attempt(line, &self.declared, &message, self.around.clock.now()).await;
        // The other side may say what it was told.
        let clean = |text: String| redactor.text(&text, &[]).into_owned();
        sent.map(clean).map_err(|fault| Fault { message: clean(fault.message), ..fault })
    }

    /// Shows how much waits.
    pub(super) fn show(&self, queue: &Queue) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        (shown.waiting, shown.tally) = (queue.len(), queue.state.tally);
    }

    /// Shows why the first that waits is not delivered, or that there is no reason any more. Returns whether that is news.
    pub(super) fn show_fault(&self, fault: Option<Fault>) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut shown.fault, fault);
        before.map(|before| before.kind) != shown.fault.as_ref().map(|fault| fault.kind)
    }

    /// Shows why the store keeps it from being told anything, or that it does so no more. Returns whether that is news.
    pub(super) fn show_ill(&self, why: Option<String>) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut shown.ill, why);
        before.is_some() != shown.ill.is_some()
    }
}
