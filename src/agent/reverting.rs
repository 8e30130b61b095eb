//! Takes what failed out of Git: one commit, written down before it is pushed, tried until it is taken, and told. The network is
//! waited for beside the application's task, which alone writes what is remembered.

mod errand;
mod message;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::application::Task;
use crate::audit::{self, Body, Entry, RevertBody, RevertEvent};
use crate::model::{Actor, Pace, SyncId, chain};
use crate::source::{Reverter, SourceError, SourceErrorKind};
use crate::store::{ApplicationState, BadInputs, MadeCommit, Revert, RevertStage, StoreError};

pub(super) use errand::Came;
use errand::{Errand, Failure};

/// How soon it is tried again, at first; and at last.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_mins(1);
/// What fails for longer than this is told, though it may pass by itself.
const PATIENCE: Duration = Duration::from_mins(10);

/// Who writes for an application, and what it is about.
pub(super) struct Reverting {
    /// `None` where the repository does not say how.
    reverter: Option<Arc<Reverter>>,
    /// The followed branch, without `refs/heads/`; empty where it is none.
    pub(super) branch: String,
    attempt: Option<JoinHandle<Came>>,
    /// What the attempt is about: the sync that failed.
    about: Option<SyncId>,
    /// Rung once it is pushed: the repository is looked at now.
    bell: Arc<Notify>,
    /// When it is tried again, and was last.
    due: Instant,
    tried: Option<Instant>,
    failures: u32,
    /// Since when nothing else came of it, and whether people know.
    failing: Option<Instant>,
    told: bool,
    pace: Pace,
}

/// The followed branch does not take it.
const PROTECTED: &str = "revert.protected";

impl Reverting {
    pub(super) fn new(reverter: Option<Arc<Reverter>>, reference: &str, bell: Arc<Notify>, pace: Pace) -> Self {
        let branch = reference.strip_prefix("refs/heads/").unwrap_or_default().to_owned();
        let pace = pace.up_to(LAST_RETRY);
        let (due, failures, failing, told) = (Instant::now(), 0, None, false);
        Self { reverter, branch, attempt: None, about: None, bell, due, tried: None, failures, failing, told, pace }
    }

    /// Waits until something came of it. Nothing is lost where this is dropped.
    pub(super) async fn came(&mut self) -> Came {
        let Some(attempt) = &mut self.attempt else { return std::future::pending().await };
        let came = attempt.await;
        self.attempt = None;
        // One that panicked is tried again.
        came.unwrap_or_else(|error| {
            let message = "could not finish the revert";
            let source = Some(error.into());
            Came::Failed(SourceError { kind: SourceErrorKind::Mirror, message: message.into(), source }.into())
        })
    }

    /// Returns when the next attempt is due, where none is under way.
    pub(super) fn due(&self, state: &ApplicationState) -> Option<Instant> {
        let idle = self.attempt.is_none() && state.suspended.is_none();
        state.revert.as_ref().filter(|revert| idle && revert.is_pending()).map(|_| self.due)
    }

    /// Ends an attempt, and waits until it has: what a person says now comes first.
    pub(super) async fn ended(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.abort();
            // That it was cancelled is what is waited for; the next one finds what it did.
            let _ = attempt.await;
            self.about = None;
        }
    }

    /// Ends an attempt with the task: what it pushed is found by the next one.
    pub(super) fn end(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.abort();
        }
    }
}

impl Task {
    /// Begins an attempt where one is due.
    pub(super) async fn take_out(&mut self) {
        let state = &self.subject.memory.state;
        let Some(revert) = state.revert.clone().filter(|_| self.reverting.due(state).is_some()) else { return };
        let commit = |bad: &BadInputs| bad.reverted.clone();
        let came = match (&self.reverting.reverter, state.mark(&revert.inputs)) {
            (None, _) => Came::Dropped("its repository does not say any more how it is written into".into()),
            (_, None) => Came::Dropped("what failed was applied since, or tried again by a person".into()),
            (_, Some(bad)) if bad.reverted.is_some() && revert.made.is_none() => {
                Came::Refused("revert.again", "a commit took the same out of Git before, and it came back".into())
            }
            (Some(writer), Some(_)) => {
                let errand = Errand {
                    name: self.subject.name.clone(),
                    earlier: state.bad_inputs.iter().chain(&state.marked).filter_map(commit).collect(),
                    branch: self.reverting.branch.clone(),
                    reverter: writer.clone(),
                    source: self.subject.origin.source.clone(),
                    application: self.subject.origin.application.clone(),
                    repository: self.subject.origin.repository.clone(),
                    redactor: self.subject.redactor.clone(),
                    board: self.board.clone(),
                    revert,
                };
                self.reverting.about = Some(errand.revert.sync.clone());
                self.reverting.attempt = Some(tokio::spawn(errand.go()));
                self.reverting.tried = Some(Instant::now());
                return;
            }
        };
        self.taken_out(came).await;
    }

    /// Writes down what came of an attempt, tells it, and says when the next one is due.
    pub(super) async fn taken_out(&mut self, came: Came) {
        let about = self.reverting.about.take();
        // Something else may have failed meanwhile: what was done for the one before is found by looking at the branch.
        let current = |revert: &Revert| about.is_none_or(|about| about == revert.sync);
        let Some(before) = self.subject.memory.state.revert.clone().filter(current) else { return };
        let failed = matches!(came, Came::Failed(_) | Came::Moved);
        if failed {
            self.reverting.failing.get_or_insert_with(Instant::now);
        } else {
            (self.reverting.failing, self.reverting.told) = (None, false);
        }
        let (after, what) = self.after_attempt(&before, came);
        let delayed = matches!(what, Some((RevertEvent::Delayed, _)));
        self.reverting.failures = if failed { self.reverting.failures + 1 } else { 0 };
        let wait =
            if failed { self.reverting.pace.back_off(FIRST_RETRY, self.reverting.failures) } else { Duration::ZERO };
        self.reverting.due = Instant::now() + wait;
        let over = after.as_ref().is_none_or(|after| !after.is_pending());
        if let Err(error) = self.note(&before, after, what).await {
            tracing::warn!(app = %self.subject.name, error = chain(&error), "could not record what became of a revert");
            self.reverting.due = Instant::now() + FIRST_RETRY;
        } else if delayed {
            self.reverting.told = true;
        } else if matches!(&self.subject.memory.state.revert, Some(revert) if revert.stage == RevertStage::Pushed) {
            self.reverting.bell.notify_one();
        }
        if over && let Some(reverter) = &self.reverting.reverter {
            reverter.forget();
        }
        self.show();
    }

    /// Returns what is remembered of it from here on, and what is told.
    fn after_attempt(&self, before: &Revert, came: Came) -> (Option<Revert>, Option<(RevertEvent, Option<String>)>) {
        let masked = |text: &str| self.subject.redactor.mask(text).into_owned();
        let mut revert = Revert { code: None, message: None, ..before.clone() };
        let what = match came {
            Came::Made(MadeCommit { commit, tip }) => {
                revert.made = Some(MadeCommit { commit, tip });
                (revert.stage, revert.beside) = (RevertStage::Made, None);
                Some((RevertEvent::Made, None))
            }
            Came::Pushed => {
                revert.stage = RevertStage::Pushed;
                revert.beside = None;
                Some((RevertEvent::Pushed, None))
            }
            Came::Proposed(pull) => {
                (revert.stage, revert.message) = (
                    RevertStage::Proposed,
                    before.message.clone().filter(|_| before.code.as_deref() == Some(PROTECTED)),
                );
                match pull {
                    Some(Ok(link)) => revert.link = Some(masked(&link)),
                    Some(Err(why)) => revert.message = Some(masked(&format!("no pull request could be opened: {why}"))),
                    None => {}
                }
                Some((RevertEvent::Proposed, None))
            }
            // What was said is said again with what becomes of it beside.
            Came::Protected(beside, why) => {
                (revert.beside, revert.code) = (Some(beside), Some(PROTECTED.into()));
                revert.message = Some(masked(&why));
                None
            }
            // It is made anew, or dropped, by what is found now.
            Came::Moved => None,
            Came::Refused(code, why) => {
                let why = masked(&why);
                (revert.stage, revert.code, revert.message) = (RevertStage::Refused, Some(code.into()), Some(why));
                Some((RevertEvent::Refused, None))
            }
            Came::Dropped(why) => return (None, Some((RevertEvent::Dropped, Some(masked(&why))))),
            Came::Failed(Failure { code, message, passing }) => {
                let lasts = self.reverting.failing.is_some_and(|since| since.elapsed() >= PATIENCE);
                let news = before.code.as_deref() != Some(code) && !passing || lasts && !self.reverting.told;
                (revert.code, revert.message) = (Some(code.into()), Some(masked(&message)));
                if news { Some((RevertEvent::Delayed, None)) } else { None }
            }
        };
        (Some(revert), what)
    }

    /// Writes what is remembered of it, with the record that tells of it.
    async fn note(
        &mut self,
        before: &Revert,
        after: Option<Revert>,
        what: Option<(RevertEvent, Option<String>)>,
    ) -> Result<(), StoreError> {
        let mut state = self.subject.memory.state.clone();
        state.revert.clone_from(&after);
        let commit = after.as_ref().filter(|after| after.is_out()).and_then(|after| after.made.clone());
        if let Some(made) = commit {
            let marks = state.bad_inputs.iter_mut().chain(&mut state.marked);
            marks.filter(|bad| bad.inputs == before.inputs).for_each(|bad| bad.reverted = Some(made.commit.clone()));
        }
        settle(&mut state);
        let told = after.as_ref().unwrap_or(before);
        let entry = what.map(|(what, message)| self.entry(told, what, message));
        let subject = &self.subject;
        let write = || async {
            let mut tx = subject.store.write().await?;
            tx.put_application(&subject.name, &state).await?;
            audit::append(&mut tx, subject.clock.now(), &subject.redactor, entry.as_slice()).await?;
            tx.commit().await
        };
        if state != subject.memory.state || entry.is_some() {
            subject.store.insist(write).await?;
        }
        self.subject.memory.state = state;
        Ok(())
    }

    fn entry(&self, revert: &Revert, what: RevertEvent, message: Option<String>) -> Entry {
        let made = revert.made.as_ref();
        let body = RevertBody {
            what,
            branch: revert.beside.clone().unwrap_or_else(|| self.reverting.branch.clone()),
            commit: made.map(|made| made.commit.clone()),
            tip: made.map(|made| made.tip.clone()),
            good: revert.good.clone(),
            failed: revert.sync.clone(),
            code: revert.code.clone(),
            message: message.or_else(|| revert.message.clone()),
            link: revert.link.clone(),
        };
        let (application, revision) = (Some(self.subject.name.clone()), Some(revert.bad.clone()));
        let actor = revert.asked.clone().unwrap_or_else(|| Actor::daemon("revert"));
        Entry { application, revision, plan: revert.plan, sync: None, actor, body: Body::Revert(body) }
    }

    /// After a sync: forgets a commit that Git has gone on from, and does not wait longer for a host that answers again.
    pub(super) fn gone_on(&mut self) {
        // Written down with whatever is written next: a start finds it gone on as well.
        settle(&mut self.subject.memory.state);
        let state = &self.subject.memory.state;
        let reached = self.subject.origin.source.last().is_some_and(|polled| polled.head.is_ok());
        let recent = self.reverting.tried.is_some_and(|tried| tried.elapsed() < FIRST_RETRY);
        let waited = state.revert.as_ref().is_some_and(|revert| {
            let codes = [SourceErrorKind::Unreachable.code(), SourceErrorKind::TimedOut.code()];
            let away = revert.code.as_deref().is_some_and(|code| codes.contains(&code));
            revert.is_pending() && (away || state.bad_inputs.is_none())
        });
        if waited && reached && !recent {
            self.reverting.due = Instant::now();
        }
    }
}

/// Forgets a commit that has nothing left to wait for: what is live came after what failed.
fn settle(state: &mut ApplicationState) {
    let over = state.bad_inputs.is_none() && state.revert.as_ref().is_some_and(|revert| !revert.is_pending());
    if over {
        state.revert = None;
    }
}
