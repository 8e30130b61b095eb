//! What systemd is told of the daemon: `sd_notify(3)`. Without `NOTIFY_SOCKET` nothing is told, and nothing is different.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use crate::agent::{Agent, Summary};
use crate::model::event;

/// More time is asked for this often, and each time for three times as long.
const EXTEND: Duration = Duration::from_secs(10);
/// No start and no stop is given more than this: a step may take 15 minutes.
const LONGEST: Duration = Duration::from_mins(20);
/// Without a watchdog, this often: what is stuck shows in `status` all the same.
const UNWATCHED: Duration = Duration::from_mins(1);
/// The status line follows what happens at most this often.
const GATHER: Duration = Duration::from_secs(1);

/// Says what is being done, in the status line.
pub(super) fn doing(what: &str) {
    tell(&[NotifyState::Status(what)]);
}

/// Says that the daemon answers, and follows what is declared.
pub(super) fn ready(summary: &Summary) {
    tell(&[NotifyState::Ready, NotifyState::Status(&line(summary))]);
}

/// Says that the root half answers.
pub(super) fn serving() {
    tell(&[NotifyState::Ready, NotifyState::Status("Waiting for what is asked of it")]);
}

pub(super) fn reloading() {
    // Where the clock cannot be read, an old systemd does not miss it.
    let now = NotifyState::monotonic_usec_now();
    let mut states = vec![NotifyState::Reloading, NotifyState::Status("Reading the configuration again")];
    states.extend(now);
    tell(&states);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("Stopping after the steps at hand")]);
}

/// Waits for a start, reload or stop, and asks systemd for more time for as long as it takes.
pub(super) async fn patiently<T>(work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let asking = async {
        while began.elapsed() < LONGEST {
            sleep(EXTEND).await;
            let more = u32::try_from((EXTEND * 3).as_micros()).unwrap_or(u32::MAX);
            tell(&[NotifyState::ExtendTimeoutUsec(more)]);
        }
        std::future::pending::<T>().await
    };
    tokio::select! {
        done = work => done, // the only branch that ends
        done = asking => done,
    }
}

/// Feeds the watchdog with the agent's progress, until dropped.
pub(super) async fn feed(agent: Agent) {
    let watched = sd_notify::watchdog_enabled();
    let beat = watched.map_or(UNWATCHED, |limit| limit / 3);
    let mut beats = interval_at(tokio::time::Instant::now() + beat, beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut starving = false;
    loop {
        beats.tick().await;
        match agent.progresses(beat / 2).await {
            Ok(()) => {
                starving = false;
                if watched.is_some() {
                    tell(&[NotifyState::Watchdog]);
                }
            }
            Err(starved) if starving => tracing::debug!(%starved, "still no progress"),
            Err(starved) => {
                starving = true;
                tracing::error!(event = event::WATCHDOG_STARVED.name, "no progress: {starved}");
            }
        }
    }
}

/// Keeps the status line true, until dropped.
pub(super) async fn show(agent: Agent) {
    let mut shown = String::new();
    loop {
        agent.changed().await;
        sleep(GATHER).await;
        let line = line(&agent.summary());
        if line != shown {
            doing(&line);
            shown = line;
        }
    }
}

/// Returns the status line: `1 repository, 3 applications: 2 applied, 1 held`.
fn line(summary: &Summary) -> String {
    let applications: usize = summary.applications.values().sum();
    if applications == 0 && summary.repositories == 0 {
        return "Nothing is declared yet: name a repository, a target and an application in the configuration".into();
    }
    let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    let repositories = count(summary.repositories, "repository", "repositories");
    let mut line = format!("{repositories}, {}", count(applications, "application", "applications"));
    for (at, (state, number)) in summary.applications.iter().enumerate() {
        let _ = write!(line, "{} {number} {state}", if at == 0 { ":" } else { "," });
    }
    line
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "could not tell systemd");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_counts_what_there_is() {
        let mut summary = Summary::default();
        assert!(line(&summary).starts_with("Nothing is declared yet"));
        summary.repositories = 1;
        summary.applications = [("applied", 2), ("held", 1)].into();
        assert_eq!(line(&summary), "1 repository, 3 applications: 2 applied, 1 held");
    }
}
