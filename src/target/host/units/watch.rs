//! Rings when systemd says that an owned unit changed. A hint: what is lost here, the interval finds.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;

use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream};
use zbus_systemd::systemd1::ManagerProxy;

use super::Units;
use super::manager::SYSTEMD;
use crate::model::ObjectId;
use crate::model::host::UNIT;
use crate::target::{Bell, Call, Interest};

/// A burst of changes rings once; a restart is several.
const COALESCED: Duration = Duration::from_millis(250);
/// Between two tries to reach the bus, growing.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Signals that may wait to be read: they only ring, and what is dropped beyond them would too.
const QUEUED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

type News = Pin<Box<dyn Stream<Item = zbus::Result<Message>> + Send>>;

impl Units {
    /// Rings until cancelled or nobody listens. Without units, or a systemd to ask, it waits, and costs nothing.
    pub(in crate::target::host) async fn watch(&self, call: &Call, mut interest: Interest, bell: Bell) {
        let mut pause = FIRST_PAUSE;
        let mut again = false;
        loop {
            let units = wanted(&interest.borrow_and_update());
            if units.is_empty() || self.nobody().is_some() {
                tokio::select! {
                    () = call.cancel.cancelled() => return,
                    changed = interest.changed() => if changed.is_err() { return } else { continue },
                }
            }
            match self.follow(&units).await {
                Ok(news) => {
                    pause = FIRST_PAUSE;
                    // Whatever happened while nobody watched.
                    if again && !send(call, &bell, &units).await {
                        return;
                    }
                    match attend(call, news, &units, &mut interest, &bell).await {
                        Next::End => return,
                        Next::Anew => again = false,
                        Next::Lost => again = true,
                    }
                }
                Err(error) => {
                    tracing::debug!("units cannot be watched: {error}");
                    again = true;
                    tokio::select! {
                        () = call.cancel.cancelled() => return,
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    }
                }
            }
        }
    }

    /// Only the owned units' own signals: those of all the others would wake us at every timer of the host.
    async fn follow(&self, units: &[ObjectId]) -> zbus::Result<News> {
        let bus = self.bus.connection().await?;
        let manager = ManagerProxy::new(&bus).await?;
        let _ = manager.subscribe().await;
        let names: Vec<_> = units.iter().map(|id| id.name.to_string()).collect();
        let names: Vec<_> = names.into_iter().filter(|name| !crate::model::unit::is_template(name)).collect();
        let mut all: Vec<MessageStream> = vec![];
        for (_, _, _, _, _, _, path, ..) in manager.list_units_by_names(names).await? {
            let rule = signal().path(path).interface("org.freedesktop.DBus.Properties").member("PropertiesChanged");
            all.push(stream(rule.build()?, &bus).await?);
        }
        for member in ["UnitFilesChanged", "Reloading"] {
            let rule = signal().interface("org.freedesktop.systemd1.Manager").member(member);
            all.push(stream(rule.build()?, &bus).await?);
        }
        Ok(Box::pin(Merged(all)))
    }
}

fn signal<'m>() -> zbus::match_rule::Builder<'m> {
    MatchRule::builder().msg_type(Type::Signal).sender(SYSTEMD)
}

async fn stream(rule: MatchRule<'_>, bus: &Connection) -> zbus::Result<MessageStream> {
    MessageStream::for_match_rule(rule.into_owned(), bus, Some(QUEUED)).await
}

/// Whatever comes first; ends with the first that ends, as the connection that they share did.
struct Merged(Vec<MessageStream>);

impl Stream for Merged {
    type Item = zbus::Result<Message>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        for stream in &mut self.0 {
            if let ready @ std::task::Poll::Ready(_) = Pin::new(stream).poll_next(context) {
                return ready;
            }
        }
        std::task::Poll::Pending
    }
}

enum Next {
    End,
    /// Other units are of interest now.
    Anew,
    Lost,
}

async fn attend(call: &Call, mut news: News, units: &[ObjectId], interest: &mut Interest, bell: &Bell) -> Next {
    loop {
        let first = tokio::select! {
            () = call.cancel.cancelled() => return Next::End,
            changed = interest.changed() => {
                if changed.is_err() { return Next::End }
                if wanted(&interest.borrow()) == units { continue }
                interest.mark_changed();
                return Next::Anew;
            }
            message = poll_fn(|context| news.as_mut().poll_next(context)) => message,
        };
        match first {
            None | Some(Err(_)) => return Next::Lost,
            Some(Ok(_)) => {}
        }
        let until = tokio::time::sleep(COALESCED);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => break,
                message = poll_fn(|context| news.as_mut().poll_next(context)) => {
                    if message.is_none() { return Next::Lost }
                }
            }
        }
        if !send(call, bell, units).await {
            return Next::End;
        }
    }
}

async fn send(call: &Call, bell: &Bell, units: &[ObjectId]) -> bool {
    tokio::select! {
        sent = bell.send(units.to_vec()) => sent.is_ok(),
        () = call.cancel.cancelled() => false,
    }
}

fn wanted(interest: &[ObjectId]) -> Vec<ObjectId> {
    interest.iter().filter(|id| id.kind == UNIT).cloned().collect()
}
