use std::collections::BTreeSet;
use std::time::Duration;

use super::course::{Inside, Room};
use super::fights;
use super::refusal::Refusal;
use super::subject::{PATIENCE, Ring, Subject};
use crate::audit::{self, Body, Counts};
use crate::execute::{self, Carried, End, Reason, Timed};
use crate::health;
use crate::model::view::{StepReport, SyncReport};
use crate::model::{
    Action, Cause, Digest, Guard, HealthState, ObjectId, Outcome, PassedBy, Step, chain, declared, host,
};
use crate::store::{self, Accepted, ApplicationState, Applied, BadInputs, Good, LeftOut, Open};
use crate::target::{Asked, Call, TargetError};

/// How long changed objects may take to settle.
const SETTLE: Duration = Duration::from_mins(5);

/// How often a plan with a step in doubt is taken up again before it counts as failed: with the agent's pauses, for about a
/// quarter of an hour.
const DOUBTS: u32 = 6;

/// How an execution ended, and what follows from it.
struct Ending {
    outcome: Outcome,
    reason: Reason,
    /// The target may be able to do later what it could not do now: that says nothing against the inputs.
    passing: bool,
}

impl Ending {
    fn new(outcome: Outcome, code: &str, message: String) -> Self {
        Self { outcome, reason: Reason { code: Some(code.into()), message: Some(message) }, passing: false }
    }
}

impl Subject {
    /// Carries an execution to its end, and closes it. A failed step is followed by a plan back to last good.
    pub(super) async fn finish(
        &mut self,
        open: Open,
        ring: &Ring,
        mut executing: Inside,
    ) -> Result<SyncReport, Refusal> {
        self.course.executes(&open.sync);
        let call = self.call(open.sync.clone(), &open.actor);
        let ledger = self.ledger();
        let target = self.target.clone();
        let inventory = &mut self.memory.inventory;
        self.progress.waits("the target's steps", PATIENCE);
        let carried = execute::carry_out(&ledger, target.as_ref(), &open, &call, inventory).await;
        if matches!(&carried, Err(_) | Ok(Carried { end: End::Failed(..), .. })) {
            executing.fails();
        }
        drop(executing);
        let carried = carried.map_err(|error| Refusal::store(&error))?;
        let ending = match &carried.end {
            End::Stopped => return Ok(self.report_of(&open, Outcome::Stopped, &carried.outcomes)),
            // It is looked at before it is tried again: the plan stays open, and is taken up after the agent's pause.
            End::Failed(_, error) if matches!(**error, TargetError::InDoubt { .. }) && self.memory.doubts < DOUBTS => {
                self.memory.doubts += 1;
                tracing::warn!(app = %self.name, error = chain(error.as_ref()), "a step is in doubt; its plan stays open");
                let report = self.report_of(&open, Outcome::Failed, &carried.outcomes);
                return Ok(report.because(error.code(), &chain(error.as_ref())));
            }
            End::Failed(number, error) => failed(&open, *number, error),
            End::Done => {
                self.progress.waits("health", SETTLE);
                let mut inside = self.course.enter(Room::Health);
                let ending = self.settle(&open, &call).await;
                if ending.outcome == Outcome::Failed {
                    inside.fails();
                }
                ending
            }
        };
        if ending.outcome == Outcome::Stopped {
            return Ok(self.report_of(&open, Outcome::Stopped, &carried.outcomes));
        }
        let report = self.close(&open, &carried, ending).await?;
        let back = report.outcome == Outcome::Failed && matches!(open.prepared.purpose, store::Purpose::Forward { .. });
        match self.owed_back() {
            Some(owed) if back => self.roll_back(owed, ring, report).await,
            _ => Ok(report),
        }
    }

    /// Closes an execution that was begun on another target than the application's own of today, without another act.
    pub(super) async fn abandon(&mut self, open: &Open) -> Result<SyncReport, Refusal> {
        let carried = Carried { outcomes: vec![], end: End::Stopped };
        let message = format!("the application was on target {} when it began", open.prepared.plan.target);
        self.close(open, &carried, Ending::new(Outcome::Stale, "sync.target-changed", message)).await
    }

    /// Waits for the health of what changed.
    async fn settle(&self, open: &Open, call: &Call) -> Ending {
        let lasting = |step: &Step| !matches!(step.action, Action::Delete | Action::Release);
        let steps = open.prepared.plan.steps.iter().enumerate();
        let changed = steps.filter(|(_, step)| lasting(step) && host::settles(&step.id));
        let asked: Vec<_> =
            changed.map(|(number, step)| Asked { id: &step.id, spec: open.prepared.specs.get(&number) }).collect();
        let own = asked.iter().filter_map(|asked| host::patience(asked.spec?)).max();
        let patience = own.unwrap_or_default().max(SETTLE);
        if !asked.is_empty() {
            match health::settle(self.target.as_ref(), call, &asked, patience).await {
                Ok(health) => {
                    if let Some(ill) = health.iter().find(|health| health.state != HealthState::Progressing) {
                        return Ending::new(Outcome::Failed, "health.degraded", format!("{}: {}", ill.id, ill.message));
                    }
                    if let Some(slow) = health.first() {
                        return Ending::new(Outcome::Failed, "health.timed-out", format!("{} did not settle", slow.id));
                    }
                }
                // It stays open, and the next start asks again.
                Err(error @ TargetError::Cancelled) => {
                    return Ending::new(Outcome::Stopped, error.code(), chain(&error));
                }
                Err(error) => return Ending::new(Outcome::Failed, error.code(), chain(&error)),
            }
        }
        let left_out = open.prepared.verdict.left_out();
        match (&open.prepared.purpose, left_out) {
            (store::Purpose::RollBack { of }, _) => {
                Ending::new(Outcome::RolledBack, "sync.rolled-back", format!("sync {of} failed and was taken back"))
            }
            (_, Some(finding)) if finding.guard == Guard::Unknown => {
                Ending::new(Outcome::Degraded, finding.guard.code(), finding.message.clone())
            }
            (_, Some(finding)) => Ending::new(Outcome::Held, finding.guard.code(), finding.message.clone()),
            (_, None) => Ending { outcome: Outcome::Applied, reason: Reason::default(), passing: false },
        }
    }

    /// Writes the last outcomes, what is remembered, and the last record, in one transaction.
    async fn close(&mut self, open: &Open, carried: &Carried, ending: Ending) -> Result<SyncReport, Refusal> {
        let _inside = self.course.enter(Room::Audit);
        let mut report = self.report_of(open, ending.outcome, &carried.outcomes);
        (report.code, report.message) = (ending.reason.code.clone(), ending.reason.message.clone());
        if ending.outcome == Outcome::Held {
            // It ran, as far as it goes; what was left out of it waits for no approval.
            report.plan = None;
        }
        let mut state = self.state_after(open, carried, &ending);
        let void = self.void(open, carried, &state).await?;
        let ledger = self.ledger();
        let counts = Counts::of(&execute::bodies(open, &carried.outcomes));
        let mut closed = execute::closed_body(ending.outcome, ending.reason, counts, self.memory.quiet);
        closed.duration_ms = Some(execute::lasted(open, ledger.clock.now()));
        let mut entries = vec![execute::outcome(open, &carried.outcomes), execute::entry(open, Body::Closed(closed))];
        entries.extend(self.queued_by(&state));
        let write = || async {
            let mut tx = ledger.store.write().await?;
            let changed = execute::settle_outcomes(&mut tx, open, &carried.outcomes, &self.memory.inventory).await?;
            tx.put_application(&self.name, &state).await?;
            for id in &void {
                tx.remove_owed(&self.name, id).await?;
            }
            tx.close_sync(&open.sync).await?;
            tx.release_claims(&open.prepared.plan.target, &self.name).await?;
            let ended = open.prepared.purpose == store::Purpose::Destroy && !tx.holds_any(&self.name).await?;
            if ended {
                tx.forget_application(&self.name).await?;
            }
            audit::append(&mut tx, ledger.clock.now(), &ledger.redactor, &entries).await?;
            tx.commit().await.map(|()| (changed, ended))
        };
        let (changed, ended) = ledger.store.insist(write).await.map_err(|error| Refusal::store(&error))?;
        execute::remember(&mut self.memory.inventory, changed);
        for timed in carried.outcomes.iter().filter(|timed| execute::strikes(open, timed)) {
            if let Some(step) = open.prepared.plan.steps.get(timed.outcome.number) {
                self.memory.owed.remove(&step.id);
            }
        }
        self.memory.owed.retain(|id, _| !void.contains(id));
        if ended {
            // Declared again meanwhile, it begins anew.
            state = ApplicationState { definition: state.definition, ..ApplicationState::default() };
            self.memory.owed.clear();
        }
        self.memory.state = state;
        self.memory.open = None;
        self.memory.doubts = 0;
        self.memory.quiet = None;
        Ok(report)
    }

    /// Returns what is remembered of the application after this end.
    fn state_after(&self, open: &Open, carried: &Carried, ending: &Ending) -> ApplicationState {
        let mut state = self.memory.state.clone();
        // What does not stay right for long enough to be called so is no fight: it is tried again, ever more slowly.
        let right = matches!(ending.outcome, Outcome::Applied | Outcome::Degraded | Outcome::Held);
        if right && !matches!(open.prepared.purpose, store::Purpose::RollBack { .. }) {
            let findings = &open.prepared.verdict.findings;
            fights::count(&mut state.heals, done(open, carried), findings, self.clock.now());
        }
        // Keeping an application true does not end what keeps it from going forward.
        if !matches!(open.prepared.purpose, store::Purpose::Keep) {
            state.told = told_by(open, ending);
        }
        if let (Outcome::RolledBack, Some(bad)) = (ending.outcome, &mut state.bad_inputs) {
            bad.created = None;
            state.revert = self.owed_revert(&state);
        }
        let store::Purpose::Forward { revision, reference, url, .. } = &open.prepared.purpose else { return state };
        let (inputs, desired) = (open.prepared.plan.inputs, open.prepared.desired);
        match ending.outcome {
            Outcome::Applied | Outcome::Degraded | Outcome::Held => {
                let (at, url, version) = (revision.clone(), url.clone(), open.prepared.version.clone());
                if open.prepared.plan.steps.iter().any(|step| declared::judges(&step.id.kind)) {
                    let accepted = Accepted { revision: at.clone(), reference: reference.clone(), url: url.clone() };
                    state.accepted = Some(accepted);
                    self.origin.source.accepted(&self.name, at.clone());
                }
                state.left_out = left_out(open, &state);
                let before = state.applied.take();
                state.applied =
                    Some(Applied { revision: at, inputs, desired, reference: reference.clone(), url, version });
                // A person had it tried again, or it was mended.
                state.unmark(&inputs);
                state.mark_bad(None);
                // Every step is done and healthy, whatever was left out: going back further would undo this too, and where there
                // was no good state yet, forget all of it.
                let good = Good { revision: Some(revision.clone()), inputs, desired };
                state.earlier = earlier(before, state.earlier.take(), &good);
                state.good = Some(good);
                self.went_back(open, &mut state);
                self.origin.source.applied(&self.name, revision.clone());
            }
            // Nothing was done, and trying again later may do: there is nothing to take back.
            Outcome::Failed if ending.passing && done(open, carried).next().is_none() => {}
            // A plan that only puts right what drifted says nothing against its inputs.
            Outcome::Failed if open.prepared.plan.steps.iter().any(|step| step.cause == Cause::Intentional) => {
                let reason = ending.reason.message.clone().unwrap_or_default();
                let mut created = created(open, carried);
                // An earlier try that was not taken back yet is taken back with this one.
                created.extend(state.bad_inputs.as_ref().and_then(|bad| bad.created.clone()).unwrap_or_default());
                let reverted = state.mark(&inputs).and_then(|bad| bad.reverted.clone());
                let (sync, created, plan) = (open.sync.clone(), Some(created), Some(open.prepared.plan.id));
                let revision = revision.clone();
                state.mark_bad(Some(BadInputs { inputs, revision, reason, sync, created, plan, reverted }));
                state.asked_back = state.asked_back.take().filter(|asked| asked.to.inputs != inputs);
            }
            _ => {}
        }
        state
    }

    pub(super) fn report_of(&self, open: &Open, outcome: Outcome, outcomes: &[Timed]) -> SyncReport {
        let plan = &open.prepared.plan;
        let mut report = self.report(outcome);
        report.plan = Some(plan.id);
        report.revision = open.prepared.purpose.revision().cloned().or(report.revision);
        report.findings.clone_from(&open.prepared.verdict.findings);
        report.steps = outcomes.iter().filter_map(|timed| step_report(open, timed)).collect();
        report.corrective = plan.steps.iter().filter(|step| step.cause == Cause::Corrective).count();
        report
    }
}

/// Returns what the record of this end tells, so that the next sync need not tell again what is still left out.
fn told_by(open: &Open, ending: &Ending) -> Option<Digest> {
    let findings = &open.prepared.verdict.findings;
    let left_out = matches!(ending.outcome, Outcome::Degraded | Outcome::Held) && !findings.is_empty();
    left_out.then(|| Digest::of_json("trueup/told/v1", &(ending.outcome, findings)))
}

fn step_report(open: &Open, timed: &Timed) -> Option<StepReport> {
    let step = open.prepared.plan.steps.get(timed.outcome.number)?;
    let (result, message) = match &timed.outcome.result {
        Ok(done) if done.already => ("already".into(), None),
        Ok(_) => ("done".into(), None),
        Err(error) => (error.code().into(), Some(chain(error.as_ref()))),
    };
    Some(StepReport { id: step.id.clone(), action: step.action, result, message })
}

fn failed(open: &Open, number: usize, error: &TargetError) -> Ending {
    let object = open.prepared.plan.steps.get(number).map(|step| step.id.to_string()).unwrap_or_default();
    let outcome = if matches!(error, TargetError::Stale { .. }) { Outcome::Stale } else { Outcome::Failed };
    let message = chain(error);
    let message = if message.contains(&object) { message } else { format!("{object}: {message}") };
    let passing = matches!(error, TargetError::Unavailable { .. } | TargetError::Locked { .. });
    Ending { passing, ..Ending::new(outcome, error.code(), message) }
}

/// Returns what an execution created: taking it back counts against no limit.
fn created(open: &Open, carried: &Carried) -> BTreeSet<ObjectId> {
    done(open, carried).filter(|step| step.action == Action::Create).map(|step| step.id.clone()).collect()
}

fn done<'a>(open: &'a Open, carried: &'a Carried) -> impl Iterator<Item = &'a Step> {
    let done = carried.outcomes.iter().filter(|timed| timed.outcome.result.is_ok());
    done.filter_map(|timed| open.prepared.plan.steps.get(timed.outcome.number))
}

/// Returns what a person can go back to from `now`: what was applied just before, never what adoption found, which is a stranger's;
/// what could be gone back to until now, where that would be no step back.
fn earlier(before: Option<Applied>, known: Option<Good>, now: &Good) -> Option<Good> {
    let good = |Applied { revision, inputs, desired, .. }| Good { revision: Some(revision), inputs, desired };
    let another = |one: &Good| {
        one.revision.is_some() && one.revision != now.revision && one.inputs != now.inputs && one.desired != now.desired
    };
    before.map(good).filter(another).or_else(|| known.filter(another))
}

/// Returns what is left out from here on, and since when something is.
fn left_out(open: &Open, state: &ApplicationState) -> Option<LeftOut> {
    let left_out =
        open.prepared.verdict.findings.iter().filter(|finding| finding.guard.passed_by() == PassedBy::LeftOut);
    let objects: BTreeSet<_> = left_out.flat_map(|finding| finding.objects.iter().cloned()).collect();
    let since = match &state.left_out {
        Some(before) => before.since.clone(),
        None => state.applied.as_ref().map(|applied| applied.revision.clone()),
    };
    (!objects.is_empty()).then_some(LeftOut { since, objects })
}
