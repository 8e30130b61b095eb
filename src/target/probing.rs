//! A target whose units are also asked over the network: by whoever has one, which the root half of the service has not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Asked, Batch, Bell, Call, Interest, Outcomes, Target, TargetError};
use crate::model::host::{HostSpec, Probe, UnitHealth};
use crate::model::{Desired, Health, HealthState, Inventory, ObjectId, Previews, SyncId};

/// One try of a probe.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many waits are remembered.
const REMEMBERED: usize = 256;

/// Asks the http and tcp probes of what `inner` finds healthy.
pub(super) struct Probing {
    inner: Arc<dyn Target>,
    waits: Mutex<HashMap<(SyncId, ObjectId), Instant>>,
}

impl Probing {
    pub(super) fn new(inner: Arc<dyn Target>) -> Self {
        Self { inner, waits: Mutex::default() }
    }

    async fn probe(&self, call: &Call, asked: &Asked<'_>, health: &mut Health) {
        let Some(wanted) = wanted(asked) else { return };
        let failed = match &wanted.probe {
            Some(Probe::Http(url)) => http(url).await.err(),
            Some(Probe::Tcp(address)) => tcp(address).await.err(),
            Some(Probe::Command(_)) | None => return,
        };
        let Some(failed) = failed else { return };
        let late = self.waited(call, asked.id) >= Duration::from_secs(wanted.timeout.into());
        health.state = if late { HealthState::Degraded } else { HealthState::Progressing };
        health.message = format!("its probe fails: {failed}");
    }

    /// Returns how long this sync has waited for the probe of an object.
    fn waited(&self, call: &Call, id: &ObjectId) -> Duration {
        let now = Instant::now();
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.len() >= REMEMBERED {
            // Whoever still waits begins anew: late, and not never.
            waits.clear();
        }
        now.duration_since(*waits.entry((call.sync.clone(), id.clone())).or_insert(now))
    }
}

fn wanted(asked: &Asked<'_>) -> Option<UnitHealth> {
    match HostSpec::from_spec(asked.spec?).ok()? {
        HostSpec::Unit(unit) if unit.running == Some(true) => Some(unit.health),
        HostSpec::Signal(signal) => Some(signal.health),
        _ => None,
    }
}

/// No proxy, and no redirect: it would ask somebody else.
async fn http(url: &str) -> Result<(), String> {
    // Fails where one is installed already: any does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let none = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().no_proxy().redirect(none).timeout(PATIENCE).connect_timeout(PATIENCE);
    let client = client.build().map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.map_err(|error| crate::model::chain(&error.without_url()))?;
    let status = answer.status();
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(format!("it answers {status}")) }
}

async fn tcp(address: &str) -> Result<(), String> {
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => Err(format!("{address} does not answer")),
    }
}

#[async_trait]
impl Target for Probing {
    async fn preview(&self, call: &Call, desired: &Desired, owned: &Inventory) -> Result<Previews, TargetError> {
        self.inner.preview(call, desired, owned).await
    }

    async fn apply(&self, call: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError> {
        self.inner.apply(call, batch, outcomes).await
    }

    async fn health(&self, call: &Call, asked: &[Asked<'_>]) -> Result<Vec<Health>, TargetError> {
        let mut found = self.inner.health(call, asked).await?;
        for health in found.iter_mut().filter(|health| health.state == HealthState::Healthy) {
            if let Some(asked) = asked.iter().find(|asked| *asked.id == health.id) {
                self.probe(call, asked, health).await;
            }
        }
        Ok(found)
    }

    async fn watch(&self, call: &Call, interest: Interest, bell: Bell) -> Result<(), TargetError> {
        self.inner.watch(call, interest, bell).await
    }

    async fn recover(&self, call: &Call, owned: &[ObjectId]) -> Result<(), TargetError> {
        self.inner.recover(call, owned).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_probe_tells_an_answer_from_an_error_and_from_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            for status in ["200 OK", "302 Found", "503 Service Unavailable"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                let head =
                    format!("HTTP/1.1 {status}\r\nlocation: /x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
            }
            let _ = listener.accept().await.unwrap();
        });
        let url = format!("http://{address}/");
        assert_eq!((http(&url).await, http(&url).await), (Ok(()), Ok(())));
        assert!(http(&url).await.unwrap_err().contains("503"));
        assert_eq!(tcp(&address).await, Ok(()));
        server.await.unwrap();
        assert!(tcp(&address).await.is_err() && http(&url).await.is_err());
    }
}
