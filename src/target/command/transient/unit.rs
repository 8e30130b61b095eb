use std::sync::Arc;
use std::time::Duration;

use zbus::{Connection, Variant};
use zbus_systemd::bus_label_escape;
use zbus_systemd::systemd1::{ManagerProxy, ServiceProxy, UnitProxy};

use crate::target::bus::Bus;
use crate::target::command::sandbox::Property;

/// How often a unit is asked whether it has ended: soon at first, for most commands are short, and then this often. Signals
/// would tell it a little sooner, could be lost with the bus, and would have to be subscribed to for the whole connection.
pub(super) const LOOK: Duration = Duration::from_millis(200);
const FIRST_LOOK: Duration = Duration::from_millis(2);

/// A unit whose processes are killed is gone within this, or in uninterruptible sleep.
const GONE: Duration = Duration::from_secs(10);

/// How a command ended.
pub(super) enum Ended {
    Exited(Exit),
    /// systemd did not start it.
    Refused(zbus::Error),
    /// It was started, and then nobody could say more.
    Lost(anyhow::Error),
    TimedOut,
    Deadline,
    Cancelled,
}

/// How a unit that ran ended, in its own words.
pub(super) enum Exit {
    Success,
    TimedOut,
    Failed(String),
}

/// A transient unit that is ended when this is dropped.
pub(super) struct Unit {
    bus: Arc<Bus>,
    name: String,
    /// It may be there: set before systemd is asked for it.
    asked_for: bool,
}

impl Unit {
    pub(super) const fn new(bus: Arc<Bus>, name: String) -> Self {
        Self { bus, name, asked_for: false }
    }

    /// Starts the unit and waits until it has ended.
    pub(super) async fn run(&mut self, properties: Vec<Property>) -> Ended {
        let mut bus = match self.bus.connection().await {
            Ok(bus) => bus,
            Err(error) => return Ended::Refused(error),
        };
        self.asked_for = true;
        match start(&bus, &self.name, properties).await {
            Ok(()) => {}
            // An answer is a no; a broken connection is no answer.
            Err(error) if bus.is_closed() => return Ended::Lost(error.into()),
            Err(error @ zbus::Error::InputOutput(_)) => return Ended::Lost(error.into()),
            Err(error) => {
                self.asked_for = false;
                return Ended::Refused(error);
            }
        }
        let mut pause = FIRST_LOOK;
        loop {
            match look(&bus, &self.name).await {
                Ok(Some(exit)) => {
                    self.asked_for = false;
                    if let Ok(manager) = ManagerProxy::new(&bus).await {
                        // It goes with our connection otherwise.
                        let _ = manager.unref_unit(self.name.clone()).await;
                    }
                    return Ended::Exited(exit);
                }
                Ok(None) => {}
                Err(_) if bus.is_closed() => match self.again().await {
                    Ok(anew) => bus = anew,
                    Err(error) => return Ended::Lost(error.into()),
                },
                Err(error) => return Ended::Lost(error.into()),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
        }
    }

    /// Connects anew and takes hold of the unit again. A bus that is away comes back (a handler may restart it itself), or the
    /// machine goes down and we with it: so this tries for as long as the command may take.
    async fn again(&self) -> zbus::Result<Connection> {
        loop {
            let held = async {
                let bus = self.bus.connection().await?;
                ManagerProxy::new(&bus).await?.ref_unit(self.name.clone()).await?;
                zbus::Result::Ok(bus)
            };
            match held.await {
                Err(error @ zbus::Error::MethodError(..)) => return Err(error),
                Ok(bus) => return Ok(bus),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Ends the unit with all that it started, and waits until it is gone.
    pub(super) async fn end(&mut self) {
        if std::mem::take(&mut self.asked_for) && !stop(&self.bus, &self.name).await {
            tracing::warn!(unit = self.name, "could not end a command; the next start tries again");
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if self.asked_for
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (bus, name) = (self.bus.clone(), std::mem::take(&mut self.name));
            // A runtime that shuts down drops it: then the next start ends the unit.
            runtime.spawn(async move { stop(&bus, &name).await });
        }
    }
}

async fn start(bus: &Connection, name: &str, properties: Vec<Property>) -> zbus::Result<()> {
    let others: Vec<(&str, Vec<(&str, Variant<'_>)>)> = vec![];
    let manager = ManagerProxy::new(bus).await?;
    manager.inner().call_method("StartTransientUnit", &(name, "fail", properties, others)).await.map(drop)
}

/// Returns how the unit ended, `None` while it has not.
async fn look(bus: &Connection, name: &str) -> zbus::Result<Option<Exit>> {
    use zbus::proxy::CacheProperties::No;
    let path = format!("/org/freedesktop/systemd1/unit/{}", bus_label_escape(name));
    let unit = UnitProxy::builder(bus).path(path.clone()).cache_properties(No).build().await?;
    // In this order: a unit that is inactive and has a job has not begun.
    let (job, _) = unit.job().await?;
    let active = unit.active_state().await?;
    if job != 0 || !matches!(active.as_str(), "inactive" | "failed") {
        return Ok(None);
    }
    let service = ServiceProxy::builder(bus).path(path).cache_properties(No).build().await?;
    let (code, status) = (service.exec_main_code().await?, service.exec_main_status().await?);
    Ok(Some(told(&service.result().await?, code, status)))
}

/// Puts into words what a service says of its end: `Result`, and code and status as `waitid(2)` has them.
fn told(result: &str, code: i32, status: i32) -> Exit {
    /// From here to 243 they are systemd's own: what it could not set up before the program ran (`systemd.exec(5)`).
    const FIRST_OF_SYSTEMD: i32 = 200;
    match (result, code) {
        ("success", 0) => Exit::Failed("was never started: systemd dropped its job".into()),
        ("success", _) => Exit::Success,
        ("timeout", _) => Exit::TimedOut,
        ("oom-kill", _) => Exit::Failed("was ended because it needed too much memory".into()),
        ("exit-code", _) if (FIRST_OF_SYSTEMD..=243).contains(&status) => {
            Exit::Failed(format!("exited with status {status}, with which systemd says that it could not start it"))
        }
        ("exit-code", _) => Exit::Failed(format!("exited with status {status}")),
        ("signal" | "core-dump", _) => Exit::Failed(format!("was ended by signal {status}")),
        (other, _) => Exit::Failed(format!("could not be run ({other})")),
    }
}

/// Returns whether the unit is gone, or has ended, after it was stopped.
async fn stop(bus: &Bus, name: &str) -> bool {
    let stopping = async {
        let bus = bus.connection().await?;
        let manager = ManagerProxy::new(&bus).await?;
        // Refused where there is no such unit any more: then the look below says so too.
        let _ = manager.stop_unit(name.to_owned(), "replace".into()).await;
        let mut pause = FIRST_LOOK;
        // An error: it is not there.
        while look(&bus, name).await.is_ok_and(|exit| exit.is_none()) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
        }
        let _ = manager.unref_unit(name.to_owned()).await;
        if bus.is_closed() { Err(zbus::Error::InvalidReply) } else { zbus::Result::Ok(()) }
    };
    matches!(tokio::time::timeout(GONE, stopping).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_the_words_of_the_contained_path() {
        let failed = |result, code, status| match told(result, code, status) {
            Exit::Failed(how) => how,
            Exit::Success | Exit::TimedOut => String::new(),
        };
        assert!(matches!(told("success", 1, 0), Exit::Success));
        assert!(matches!(told("timeout", 2, 9), Exit::TimedOut));
        assert_eq!(failed("exit-code", 1, 3), "exited with status 3");
        assert_eq!(failed("signal", 2, 9), "was ended by signal 9");
        assert!(failed("exit-code", 1, 226).contains("could not start it"));
        assert!(failed("success", 0, 0).contains("never started"), "nothing ran, so nothing succeeded");
        assert!(failed("oom-kill", 2, 9).contains("memory"));
    }
}
