use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::bells::Bells;
use super::commands::Command;
use super::metrics::Counts;
use super::owners::Owners;
use super::reverting::Reverting;
use super::status::Board;
use super::traces::{Told, Traces};
use super::watchdog::Turns;
use crate::audit::{self, Act, ActBody, Body, Entry};
use crate::model::view::{ApplicationStatus, SyncReport};
use crate::model::{Action, Actor, Digest, Guard, Name, Outcome, Pace, Problem};
use crate::store::{StoreError, Suspended};
use crate::sync::{self, Ring, Subject};

/// How soon a failed application is tried again, at first.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// How soon one is planned anew whose target moved under the plan.
const STALE_RETRY: Duration = Duration::from_secs(1);
/// What waited for a time is not looked at more often than this, whatever the clock does.
const SOONEST: Duration = Duration::from_millis(20);
/// Syncs that found nothing to do are written down this often.
const QUIET: Duration = Duration::from_hours(24);

/// The task of one application: at most one sync at a time, whoever rings.
pub(super) struct Task {
    pub(super) subject: Subject,
    pub(super) commands: mpsc::Receiver<Box<Command>>,
    pub(super) board: Arc<Board>,
    pub(super) bells: Arc<Bells>,
    pub(super) owners: Arc<Owners>,
    pub(super) counts: Arc<Counts>,
    pub(super) traces: Arc<Traces>,
    pub(super) pace: Pace,
    pub(super) turns: Arc<Turns>,
    pub(super) begun: CancellationToken,
    pub(super) stop: CancellationToken,
    pub(super) failures: u32,
    pub(super) reverting: Reverting,
}

impl Task {
    /// Syncs at once (which takes up what a crash left open), and whenever a bell, an interval or a person says so.
    pub(super) async fn run(mut self) {
        self.show();
        let mut due = Instant::now();
        let mut quiet = Instant::now() + QUIET;
        let mut waiting = self.look_on().await;
        while !self.stop.is_cancelled() {
            let Some(command) = self.next(&mut waiting, due.min(quiet)).await else { break };
            if Instant::now() >= quiet {
                Box::pin(self.flush()).await;
                quiet = Instant::now() + QUIET;
            }
            if let Some(next) = self.obey(command).await {
                due = next;
            }
            self.gather(&mut waiting);
        }
        self.reverting.end();
        Box::pin(self.flush()).await;
    }

    /// Keeps what was edited by hand, where it is asked to, and does nothing else before the daemon has begun; returns what was
    /// asked for meanwhile.
    async fn look_on(&mut self) -> VecDeque<Box<Command>> {
        let mut waiting = VecDeque::new();
        let begun = self.begun.clone();
        loop {
            let command = tokio::select! {
                command = self.commands.recv() => command, // cancel-safe: nothing is taken unless it is returned
                () = begun.cancelled() => return waiting, // level-triggered
                () = self.stop.cancelled() => return waiting, // level-triggered
            };
            match command {
                Some(command) if matches!(*command, Command::Edits(..)) => {
                    self.obey(command).await;
                }
                Some(command) => waiting.push_back(command),
                None => return waiting,
            }
        }
    }

    /// Returns what to do next, or nothing when it is time to stop.
    async fn next(&mut self, waiting: &mut VecDeque<Box<Command>>, due: Instant) -> Option<Box<Command>> {
        // What somebody proposes has time.
        let first = waiting.iter().position(|command| !matches!(**command, Command::Propose(..)));
        if let Some(command) = waiting.remove(first.unwrap_or_default()) {
            return Some(command);
        }
        let again = self.reverting.due(&self.subject.memory.state);
        tokio::select! {
            command = self.commands.recv() => command, // cancel-safe: nothing is taken unless it is returned
            came = self.reverting.came() => Some(Box::new(Command::TakeOut(Some(came)))), // an attempt that goes on is waited for again
            () = sleep_until(again.unwrap_or(due)), if again.is_some() => Some(Box::new(Command::TakeOut(None))), // a timer holds no data
            () = sleep_until(due) => Some(Box::new(Command::Ring(Ring::daemon("interval")))), // a timer holds no data
            () = self.stop.cancelled() => None, // level-triggered
        }
    }

    /// Takes what was asked meanwhile; the sync that comes next answers every bell that rang before it.
    fn gather(&mut self, waiting: &mut VecDeque<Box<Command>>) {
        waiting.retain(|command| !command.is_forsaken());
        while let Ok(command) = self.commands.try_recv() {
            let rung = |command: &Command| matches!(command, Command::Ring(_));
            let again = rung(&command) && waiting.iter().any(|command| rung(command));
            if !again && !command.is_forsaken() {
                waiting.push_back(command);
            }
        }
    }

    /// Returns when to sync next, where a sync was done. What takes room is boxed: most of the time a task only waits.
    async fn obey(&mut self, command: Box<Command>) -> Option<Instant> {
        if command.is_forsaken() {
            return None;
        }
        // A reply that nobody waits for any more is no error: who asked has gone.
        match *command {
            Command::Ring(ring) => Some(self.sync(&ring).await.0),
            Command::TakeOut(came) => {
                match came {
                    Some(came) => Box::pin(self.taken_out(came)).await,
                    None => Box::pin(self.take_out()).await,
                }
                None
            }
            Command::Sync(ring, reply) => {
                let (due, report) = self.sync(&ring).await;
                let _ = reply.send(report);
                Some(due)
            }
            Command::Plan(revision, reply) => {
                let turns = self.turns.clone();
                let _busy = turns.aside(&self.subject.name, &self.subject.progress);
                let view = Box::pin(sync::preview(&mut self.subject, revision.as_deref())).await;
                let _ = reply.send(view);
                None
            }
            Command::Propose(proposal, reply) => {
                let turns = self.turns.clone();
                let _busy = turns.aside(&self.subject.name, &self.subject.progress);
                let _ = reply.send(Box::pin(sync::propose(&mut self.subject, &proposal)).await);
                None
            }
            Command::Edits(patterns, reply) => {
                let turns = self.turns.clone();
                let _busy = turns.aside(&self.subject.name, &self.subject.progress);
                let _ = reply.send(Box::pin(self.subject.keep_edits(&patterns)).await);
                None
            }
            Command::Explain(reply) => {
                let turns = self.turns.clone();
                let _busy = turns.aside(&self.subject.name, &self.subject.progress);
                let _ = reply.send(Box::pin(sync::explain(&mut self.subject)).await);
                None
            }
            Command::GoBack(actor, reply) => {
                let turns = self.turns.clone();
                let busy = turns.aside(&self.subject.name, &self.subject.progress);
                let asked = Box::pin(self.subject.ask_back(&actor)).await;
                drop(busy);
                if let Err(refusal) = asked {
                    let _ = reply.send(Err(refusal));
                    return None;
                }
                let (due, report) = self.sync(&Ring { actor, ..Ring::daemon("rollback") }).await;
                // Who asked has the answer; nothing is left to wait for.
                if matches!(report.outcome, Outcome::Refused | Outcome::Failed)
                    && let Err(refusal) = self.subject.forget_asked().await
                {
                    tracing::warn!(app = %self.subject.name, error = %refusal.message, "could not forget what was asked for");
                }
                let _ = reply.send(Ok(report));
                Some(due)
            }
            Command::Suspend(reason, actor, reply) => {
                let _ = reply.send(Box::pin(self.suspend(Some(reason), &actor)).await);
                None
            }
            Command::Resume(actor, reply) => {
                let _ = reply.send(Box::pin(self.suspend(None, &actor)).await);
                Some(Instant::now())
            }
        }
    }

    async fn sync(&mut self, ring: &Ring) -> (Instant, SyncReport) {
        let (name, turns) = (self.subject.name.clone(), self.turns.clone());
        let _turn = turns.take(&name, &self.subject.progress).await;
        if ring.insist {
            self.reverting.ended().await;
        }
        self.board.syncing(&name, true);
        let let_go = self.board.times_let_go();
        let before = self.applied();
        // What plans for people passed through is no part of it.
        let _ = self.subject.course.take();
        let began = self.subject.clock.now();
        let report = Box::pin(sync::sync(&mut self.subject, ring)).await;
        let passed = self.subject.course.take();
        self.counts.synced(&report, &passed);
        let (target, repository) = (&self.subject.target_name, &self.subject.origin.application.source.repository);
        self.traces.tell(&Told { report: &report, passed: &passed, target, repository, began });
        // Of an execution that was taken up first the report says nothing.
        if name == Name::declarations() && self.applied() != before {
            self.board.declared.notify_one();
        }
        let due = self.after(&report);
        let claims = report.findings.iter().any(|finding| finding.guard == Guard::Claim);
        // What another application held may be free since we looked.
        let freed = claims && self.board.times_let_go() != let_go;
        let again = std::mem::take(&mut self.subject.memory.again) || freed;
        (if again { Instant::now() } else { due }, report)
    }

    /// Returns what was last applied.
    fn applied(&self) -> Option<Digest> {
        self.subject.memory.state.applied.as_ref().map(|applied| applied.desired)
    }

    /// Shows how a sync ended, and returns when the next one is due.
    fn after(&mut self, report: &SyncReport) -> Instant {
        self.gone_on();
        let (name, now) = (self.subject.name.clone(), self.subject.clock.now());
        self.board.ended(&name, report, now);
        self.show();
        if report.steps.iter().any(|step| matches!(step.action, Action::Release | Action::Delete)) {
            self.board.let_go();
            self.ring_held(Guard::Claim, "claim");
        }
        if !report.steps.is_empty() {
            self.ring_held(Guard::Limit, "another application's sync has ended");
        }
        if matches!(report.outcome, Outcome::Applied | Outcome::Degraded | Outcome::Held)
            && !self.board.orphans().is_empty()
        {
            self.board.taken_over.notify_one();
        }
        let wait = match report.outcome {
            Outcome::Failed => {
                self.failures += 1;
                self.pace.back_off(FIRST_RETRY, self.failures)
            }
            Outcome::Stale => {
                self.failures += 1;
                self.pace.back_off(STALE_RETRY, self.failures)
            }
            _ => {
                self.failures = 0;
                self.pace.jitter(self.subject.policy.interval.0)
            }
        };
        // What waits for a window goes when it opens.
        let opens = report.changes_at.map(|at| at.since(self.subject.clock.now()).max(SOONEST));
        Instant::now() + opens.map_or(wait, |opens| opens.min(wait))
    }

    /// Rings for those who wait for what has just ended.
    fn ring_held(&self, guard: Guard, reason: &str) {
        let waiting = self.board.held_by(guard);
        self.bells.ring(reason, |application, _| waiting.contains(application));
    }

    pub(super) fn show(&self) {
        let (name, memory) = (&self.subject.name, &self.subject.memory);
        self.owners.set(name, &memory.inventory);
        self.board.remembered(name, memory, &self.reverting.branch);
    }

    async fn suspend(&mut self, reason: Option<String>, actor: &Actor) -> Result<ApplicationStatus, Problem> {
        let act = if reason.is_some() { Act::Suspend } else { Act::Resume };
        let mut state = self.subject.memory.state.clone();
        let at = self.subject.clock.now();
        state.suspended = reason.clone().map(|reason| Suspended { by: actor.clone(), at, reason });
        if act == Act::Resume {
            // A person says so: what failed before may be tried again.
            state.bad_inputs = None;
            state.marked.clear();
        }
        let entry = Entry {
            application: Some(self.subject.name.clone()),
            revision: None,
            plan: None,
            sync: None,
            actor: actor.clone(),
            body: Body::Act(ActBody { act, reason, expires: None }),
        };
        let written = async {
            let mut tx = self.subject.store.write().await?;
            tx.put_application(&self.subject.name, &state).await?;
            audit::append(&mut tx, at, &self.subject.redactor, &[entry]).await?;
            tx.commit().await
        };
        written.await.map_err(|error: StoreError| super::problems::store_problem(&error))?;
        self.subject.memory.state = state;
        self.show();
        let status = self.board.application(&self.subject.name);
        status.ok_or_else(|| Problem::new(404, "application.unknown", "the application was removed meanwhile"))
    }

    async fn flush(&mut self) {
        if let Err(error) = sync::flush_quiet(&mut self.subject).await {
            tracing::warn!(app = %self.subject.name, error = %crate::model::chain(&error), "could not record quiet syncs");
        }
    }
}
