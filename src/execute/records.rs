use super::Timed;
use crate::audit::{
    Body, BreakGlassBody, ClosedBody, Counts, Entry, GlassEvent, IntentBody, ObservedBody, OutcomeBody, PlannedBody,
    Quiet, ResumedBody, StepOutcomeBody, StepResult, StepSummary,
};
use crate::model::{BreakGlassId, Name, ObjectId, Observed, Outcome, Step, chain};
use crate::store::Open;

/// Why a sync ended as it did.
#[derive(Clone, Debug, Default)]
pub struct Reason {
    /// Stable.
    pub code: Option<String>,
    pub message: Option<String>,
}

/// Returns a record of an execution.
#[must_use]
pub fn entry(open: &Open, body: Body) -> Entry {
    Entry {
        application: Some(open.prepared.plan.application.clone()),
        revision: open.prepared.purpose.revision().cloned(),
        plan: Some(open.prepared.plan.id),
        sync: Some(open.sync.clone()),
        actor: open.actor.clone(),
        body,
    }
}

pub(super) fn planned(open: &Open) -> Entry {
    let (verdict, steps) = (open.prepared.verdict.clone(), StepSummary::of(&open.prepared.plan));
    entry(open, Body::Planned(PlannedBody { verdict, signer: open.prepared.purpose.signer(), steps }))
}

pub(super) fn intent(open: &Open, wave: u32) -> Entry {
    let of_wave = |(_, step): &(usize, &Step)| step.wave == wave;
    let steps = open.prepared.plan.steps.iter().enumerate().filter(of_wave);
    let steps = steps.map(|(number, step)| StepSummary::new(number, step)).collect();
    entry(open, Body::Intent(IntentBody { wave, steps }))
}

/// Returns the record that this plan goes because of break-glass.
pub(super) fn forced(open: &Open, glass: &BreakGlassId) -> Entry {
    entry(open, Body::BreakGlass(BreakGlassBody::new(glass, GlassEvent::Used)))
}

/// Returns the record of what others made of what the plan is about, where they did.
pub(super) fn observed(open: &Open, seen: &[Observed]) -> Option<Entry> {
    (!seen.is_empty()).then(|| entry(open, Body::Observed(ObservedBody::of(seen.to_vec()))))
}

/// Returns the record that objects of an application that is declared no more belong to this one now.
pub(super) fn inherited(open: &Open, holder: &Name, objects: &[ObjectId]) -> Entry {
    let message = format!("taken over from {holder}, which is declared no more");
    entry(open, Body::Observed(ObservedBody { message, objects: objects.to_vec(), changes: vec![] }))
}

/// Returns the record of what became of the steps of one wave.
#[must_use]
pub fn outcome(open: &Open, outcomes: &[Timed]) -> Entry {
    let steps = &open.prepared.plan.steps;
    let wave = outcomes.first().and_then(|timed| steps.get(timed.outcome.number)).map_or(0, |step| step.wave);
    entry(open, Body::Outcome(OutcomeBody { wave, outcomes: bodies(open, outcomes) }))
}

/// Returns how each step ended, as records tell it.
#[must_use]
pub fn bodies(open: &Open, outcomes: &[Timed]) -> Vec<StepOutcomeBody> {
    let step = |timed: &Timed| open.prepared.plan.steps.get(timed.outcome.number);
    outcomes.iter().filter_map(|timed| Some(body(step(timed)?, timed))).collect()
}

fn body(step: &Step, timed: &Timed) -> StepOutcomeBody {
    let result = &timed.outcome.result;
    StepOutcomeBody {
        number: timed.outcome.number,
        object: step.id.clone(),
        action: step.action,
        result: match result {
            Ok(done) if done.already => StepResult::Already,
            Ok(_) => StepResult::Done,
            Err(_) => StepResult::Failed,
        },
        code: result.as_ref().err().map(|error| error.code().into()),
        message: result.as_ref().err().map(|error| chain(error.as_ref())),
        output: result.as_ref().ok().and_then(|done| done.output.clone()),
        duration_ms: timed.milliseconds,
    }
}

/// Returns the record that an execution was taken up again after a restart.
#[must_use]
pub fn resumed(open: &Open) -> Entry {
    entry(open, Body::Resumed(ResumedBody { open: (0..open.prepared.plan.steps.len()).collect() }))
}

/// Returns the payload of the last record of a sync.
#[must_use]
pub fn closed_body(outcome: Outcome, reason: Reason, counts: Counts, quiet: Option<Quiet>) -> ClosedBody {
    let Reason { code, message } = reason;
    ClosedBody { outcome, code, message, counts, duration_ms: None, quiet }
}
