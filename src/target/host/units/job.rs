//! Jobs of systemd, waited for.

use std::future::poll_fn;
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use zbus::export::futures_core::Stream;
use zbus_systemd::systemd1::ManagerProxy;

use super::Units;
use super::manager::{Facts, SERVICE};
use crate::target::command::neutral;
use crate::target::{Call, TargetError};

/// How often a job is asked about where its signal is lost: the bus may be what is restarted.
const LOST: Duration = Duration::from_millis(250);

/// What a unit said last is quoted, if it is to be had within this.
const JOURNAL: Duration = Duration::from_secs(5);
/// In bytes, before it is escaped.
const MOST_READ: u64 = 16 * 1024;
/// In characters.
const MOST_TOLD: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Start,
    Stop,
    Restart,
    Reload,
}

impl Work {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

enum Ended {
    With(String),
    /// The signal cannot come any more.
    Lost,
    TooLate,
    Cancelled,
}

impl Units {
    /// Has systemd do its work on a unit, and waits for the result, no longer than `seconds`.
    ///
    /// # Errors
    /// `Invalid` where the unit fails or takes too long, with what is known of why.
    pub(super) async fn work(&self, call: &Call, work: Work, unit: &str, seconds: u32) -> Result<(), TargetError> {
        let deadline = call.deadline.min(Instant::now() + Duration::from_secs(seconds.into()));
        let name = unit.to_owned();
        let doing = format!("{} {unit}", work.as_str());
        let queued = self.bus.ask(call, &doing, |bus| async move {
            let manager = ManagerProxy::new(&bus).await?;
            // Signals come to subscribers only; who is one already is told so.
            let _ = manager.subscribe().await;
            // Before the call: a job may be over before its answer is here.
            let removed = manager.receive_job_removed().await?;
            let mode = "replace".to_owned();
            let job = match work {
                Work::Start => manager.start_unit(name, mode).await,
                Work::Stop => manager.stop_unit(name, mode).await,
                Work::Restart => manager.restart_unit(name, mode).await,
                Work::Reload => manager.reload_unit(name, mode).await,
            };
            // What systemd refuses is an answer too.
            match job {
                Err(zbus::Error::MethodError(_, said, _)) => Ok(Err(said.unwrap_or_default())),
                other => other.map(|job| Ok((job, removed))),
            }
        });
        let (job, mut removed) = queued.await?.map_err(|said| TargetError::Invalid {
            code: "host.unit-refused".into(),
            reason: format!("systemd does not {} {unit}: {}", work.as_str(), quoted(&said)),
        })?;
        if super::own(unit) {
            // It ends us, or who waits for us: the next start sees that it happened.
            return Ok(());
        }
        let ended = loop {
            let signal = poll_fn(|context| Pin::new(&mut removed).poll_next(context));
            // The stream lives outside of the loop, and a signal is taken only by the arm that completes.
            let signal = tokio::select! {
                signal = signal => signal,
                () = tokio::time::sleep_until(deadline) => break Ended::TooLate,
                () = call.cancel.cancelled() => break Ended::Cancelled,
            };
            match signal.as_ref().map(zbus_systemd::systemd1::JobRemoved::args) {
                None => break Ended::Lost,
                Some(Ok(args)) if args.job == job => break Ended::With(args.result.clone()),
                Some(_) => {}
            }
        };
        let number = job.as_str().rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let result = match ended {
            Ended::With(result) => result,
            Ended::Lost => self.outlast(call, work, unit, number, deadline).await?,
            Ended::Cancelled => return Err(TargetError::Cancelled),
            Ended::TooLate => {
                self.cancel(call, number).await;
                return Err(TargetError::Invalid {
                    code: "host.unit-timeout".into(),
                    reason: format!(
                        "could not {} {unit} within {seconds} s{}",
                        work.as_str(),
                        self.why(call, unit).await
                    ),
                });
            }
        };
        match result.as_str() {
            "done" | "skipped" => Ok(()),
            result => Err(TargetError::Invalid {
                code: "host.unit-failed".into(),
                reason: format!(
                    "could not {} {unit}: the job ended as {result}{}",
                    work.as_str(),
                    self.why(call, unit).await
                ),
            }),
        }
    }

    /// Waits for the end of a job whose signal is lost, and tells from the unit how it ended.
    async fn outlast(
        &self,
        call: &Call,
        work: Work,
        unit: &str,
        job: u32,
        until: Instant,
    ) -> Result<String, TargetError> {
        loop {
            let there = self.bus.ask(call, "look at a job", |bus| async move {
                match ManagerProxy::new(&bus).await?.get_job(job).await {
                    Err(zbus::Error::MethodError(..)) => Ok(false),
                    other => other.map(|_| true),
                }
            });
            if matches!(there.await, Ok(false)) {
                let facts = self.fact(call, unit).await?;
                let well = facts.running() == (work != Work::Stop);
                return Ok(if well { "done" } else { "failed" }.into());
            }
            if Instant::now() >= until {
                return Ok("timeout".into());
            }
            tokio::time::sleep(LOST).await;
        }
    }

    /// Nothing that nobody waits for any more is left behind.
    async fn cancel(&self, call: &Call, job: u32) {
        let cancelled = self
            .bus
            .ask(call, "cancel a job", |bus| async move { ManagerProxy::new(&bus).await?.cancel_job(job).await });
        if let Err(error) = cancelled.await {
            tracing::debug!("job {job} could not be cancelled: {error}");
        }
    }

    /// Returns what is known of why a unit is not well, to stand behind a sentence.
    pub(super) async fn why(&self, call: &Call, unit: &str) -> String {
        let facts = self.fact(call, unit).await.unwrap_or_default();
        let told = self.result(call, &facts).await;
        let journal = last_words(unit).await;
        let journal = if journal.is_empty() { String::new() } else { format!("; it said last:\n{journal}") };
        if told.is_empty() { journal } else { format!(" ({told}){journal}") }
    }

    async fn result(&self, call: &Call, facts: &Facts) -> String {
        if !facts.id.ends_with(".service") {
            return format!("it is {} ({})", facts.active, facts.sub);
        }
        let Ok(service) = self.properties(call, facts, Some(SERVICE)).await else { return String::new() };
        let (result, status) = (service.text("Result"), service.number("ExecMainStatus"));
        format!("it is {} ({}), result {result}, status {status}", facts.active, facts.sub)
    }
}

/// Returns the last lines that a unit wrote to the journal, as [`quoted`].
async fn last_words(unit: &str) -> String {
    let read = async {
        let mut command = tokio::process::Command::new("/usr/bin/journalctl");
        command.args(["-n", "5", "--no-pager", "-o", "cat", "-u", unit]).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().ok()?;
        let mut said = vec![];
        // A line of the journal may be as long as its sender likes.
        child.stdout.take()?.take(MOST_READ).read_to_end(&mut said).await.ok()?;
        Some(String::from_utf8_lossy(&said).trim_end().to_owned())
    };
    let said = tokio::time::timeout(JOURNAL, read).await.ok().flatten().unwrap_or_default();
    quoted(&said)
}

/// Returns what somebody else said, escaped for a terminal and no longer than a person reads.
pub(super) fn quoted(said: &str) -> String {
    let escaped = neutral(said);
    match escaped.char_indices().nth(MOST_TOLD) {
        Some((end, _)) => format!("{}…", &escaped[..end]),
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_escaped_and_bounded() {
        assert_eq!(quoted("a\u{1b}[2J"), "a\\u{1b}[2J");
        let long = quoted(&"\u{202e}".repeat(100_000));
        assert!(long.chars().count() == MOST_TOLD + 1 && long.ends_with('…'), "{}", long.len());
    }
}
