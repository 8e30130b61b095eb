//! The client's side: a target behind an adapter in another process.

mod calls;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::connect::Connect;
use super::link::{Broken, Link};
use crate::model::{Desired, Health, Inventory, ObjectId, Previews};
use crate::target::{Asked, Batch, Bell, Call, Interest, Outcomes, Target, TargetError};

/// How often a request is asked again, over a new connection, when one ended. What a call asks for is safe to ask again: it
/// changes nothing, or happens once under its key.
const TRIES: u32 = 6;
/// The first pause between two tries; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(50);

/// A target that an adapter in another process takes care of.
pub struct Remote {
    connect: Box<dyn Connect>,
    configuration: Value,
    link: Mutex<Option<Arc<Link>>>,
}

impl Remote {
    /// Makes the target; nothing is connected before the first call. `configuration` is what the adapter is told in hello.
    #[must_use]
    pub fn new(connect: Box<dyn Connect>, configuration: Value) -> Self {
        Self { connect, configuration, link: Mutex::default() }
    }

    /// Returns the connection that stands, or a new one.
    async fn link(&self, call: &Call) -> Result<Arc<Link>, Broken> {
        let mut kept = self.link.lock().await;
        if let Some(link) = kept.as_ref().filter(|link| link.stands()) {
            return Ok(link.clone());
        }
        *kept = None;
        let opening = async {
            let stream = self.connect.connect().await.map_err(super::ProtocolError::from)?;
            Link::open(stream, &self.configuration).await
        };
        let opened = tokio::select! {
            opened = opening => opened,
            () = call.cancel.cancelled() => return Err(TargetError::Cancelled.into()), // nothing was asked yet
            () = sleep_until(call.deadline) => return Err(self.unavailable("no connection came about").into()),
        };
        match opened {
            Ok(link) => Ok(kept.insert(Arc::new(link)).clone()),
            Err(super::ProtocolError::Refused(error)) => Err(error.into()),
            Err(error @ super::ProtocolError::Version { .. }) => Err(Broken::Target(TargetError::Invalid {
                code: error.code().into(),
                reason: format!("{}: {error}", self.connect.name()),
            })),
            Err(error) => Err(Broken::Lost { sent: false, why: crate::model::chain(&error) }),
        }
    }

    fn unavailable(&self, why: &str) -> TargetError {
        let doing = format!("could not reach the adapter at {}", self.connect.name());
        TargetError::Unavailable { doing, source: Some(anyhow::anyhow!("{why}")) }
    }

    fn lost(&self, why: String) -> TargetError {
        let doing = format!("the connection to the adapter at {} ended", self.connect.name());
        TargetError::InDoubt { doing, source: Some(anyhow::Error::msg(why)) }
    }
}

/// A request that is asked again where the connection ends.
struct Tries {
    tried: u32,
    pause: Duration,
    /// An adapter that we lost had all that it needs to act.
    in_doubt: bool,
}

impl Tries {
    const fn new() -> Self {
        Self { tried: 0, pause: PAUSE, in_doubt: false }
    }

    /// Returns the answer, or `None` where it is to be asked for again: after a pause, which is over.
    async fn judge<T>(
        &mut self,
        remote: &Remote,
        call: &Call,
        answered: Result<T, Broken>,
    ) -> Result<Option<T>, TargetError> {
        let why = match answered {
            Ok(answer) => return Ok(Some(answer)),
            Err(Broken::Target(error)) => return Err(error),
            Err(Broken::Lost { sent, why }) => {
                self.in_doubt |= sent;
                why
            }
        };
        self.tried += 1;
        if self.tried == TRIES || Instant::now() + self.pause >= call.deadline || call.cancel.is_cancelled() {
            return Err(if self.in_doubt { remote.lost(why) } else { remote.unavailable(&why) });
        }
        tokio::select! {
            () = sleep(self.pause) => {}
            () = call.cancel.cancelled() => {} // one more try, which says so
        }
        self.pause *= 2;
        Ok(None)
    }
}

/// Asks over whatever connection stands, until there is an answer.
macro_rules! ask {
    ($remote:expr, $call:expr, |$link:ident| $once:expr) => {{
        let mut tries = Tries::new();
        loop {
            let answered = match $remote.link($call).await {
                Ok($link) => $once.await,
                Err(broken) => Err(broken),
            };
            match tries.judge($remote, $call, answered).await {
                Ok(Some(answer)) => break Ok(answer),
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        }
    }};
}

/// What changes nothing is never in doubt.
fn harmless(error: TargetError) -> TargetError {
    match error {
        TargetError::InDoubt { doing, source } => TargetError::Unavailable { doing, source },
        other => other,
    }
}

fn unexpected(what: &str) -> Broken {
    let doing = format!("the adapter does not keep to the protocol: {what}");
    TargetError::Unavailable { doing, source: None }.into()
}

#[async_trait]
impl Target for Remote {
    async fn preview(&self, call: &Call, desired: &Desired, owned: &Inventory) -> Result<Previews, TargetError> {
        let Desired::Objects(complete) = desired else {
            let reason = "targets in other processes name their objects".into();
            return Err(TargetError::Invalid { code: "protocol.opaque".into(), reason });
        };
        ask!(self, call, |link| calls::preview(&link, call, complete, owned)).map_err(harmless)
    }

    async fn apply(&self, call: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError> {
        let told = std::sync::Mutex::new(BTreeSet::new());
        ask!(self, call, |link| calls::apply(&link, call, batch, outcomes, &told))
    }

    async fn health(&self, call: &Call, asked: &[Asked<'_>]) -> Result<Vec<Health>, TargetError> {
        ask!(self, call, |link| calls::health(&link, call, asked)).map_err(harmless)
    }

    async fn watch(&self, call: &Call, interest: Interest, bell: Bell) -> Result<(), TargetError> {
        let link = self.link(call).await;
        let watched = match link {
            Ok(link) => calls::watch(&link, call, interest, bell).await,
            Err(broken) => Err(broken),
        };
        match watched {
            Ok(()) | Err(Broken::Target(TargetError::Cancelled)) => Ok(()),
            Err(Broken::Target(error)) => Err(error),
            Err(Broken::Lost { why, .. }) => Err(self.unavailable(&why)),
        }
    }

    async fn recover(&self, call: &Call, owned: &[ObjectId]) -> Result<(), TargetError> {
        ask!(self, call, |link| calls::recover(&link, call, owned)).map_err(harmless)
    }
}
