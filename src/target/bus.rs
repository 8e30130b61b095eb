//! The system bus, over which systemd is asked: connected to when it is first needed, and again after it was lost.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;
use zbus::Connection;
use zbus::connection::Builder;

use super::{Call, TargetError};

/// systemd is PID 1 where this exists (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";
const SOCKET: &str = "/run/dbus/system_bus_socket";

/// A bus that does not take us in within this is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// No single question takes longer, whatever the deadline of the call.
const ANSWER: Duration = Duration::from_secs(30);

/// The connection of one target to the system bus. Cheap until it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Bus {
    held: Mutex<Option<Connection>>,
}

impl Bus {
    /// Returns whether systemd runs this machine, and takes orders from us over the bus: who is not root would have to be
    /// let through by a person at each of them.
    pub(super) fn rules_here() -> bool {
        rustix::process::geteuid().is_root() && Path::new(BOOTED).is_dir() && Path::new(SOCKET).exists()
    }

    /// Returns the connection, a new one where the last was lost (the bus may be restarted by what we do).
    ///
    /// # Errors
    /// When the bus cannot be reached within ten seconds.
    pub(super) async fn connection(&self) -> zbus::Result<Connection> {
        let mut held = self.held.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        *held = None;
        let connecting = Builder::system().method_timeout(ANSWER).build();
        let connection = tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| zbus::Error::InputOutput(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))??;
        *held = Some(connection.clone());
        Ok(connection)
    }

    /// Asks over the bus, within deadline and cancellation of `call`. `doing` completes "could not …".
    ///
    /// # Errors
    /// `Unavailable` where the bus cannot be reached, the answer is an error or does not come in time; `Cancelled`.
    pub(super) async fn ask<T, F>(
        &self,
        call: &Call,
        doing: &str,
        question: impl FnOnce(Connection) -> F + Send,
    ) -> Result<T, TargetError>
    where
        F: Future<Output = zbus::Result<T>> + Send,
    {
        let unavailable = |source: anyhow::Error| TargetError::Unavailable {
            doing: format!("could not {doing} over the system bus"),
            source: Some(source),
        };
        let asked = async { question(self.connection().await?).await };
        tokio::select! {
            answer = asked => answer.map_err(|error| unavailable(error.into())),
            () = call.cancel.cancelled() => Err(TargetError::Cancelled),
            () = tokio::time::sleep_until(call.deadline) => {
                Err(unavailable(anyhow::anyhow!("no answer before the deadline of the call")))
            }
        }
    }
}
