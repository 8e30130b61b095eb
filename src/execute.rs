//! Carries out a plan, step by step: intent before act, outcome after it.
//!
//! # Expected flow
//! 1. [`begin`]: one transaction claims the objects, uses up the approval, keeps every content, owes every handler, and writes
//!    the intent of the first wave. Nothing live changed before it is durable.
//! 2. [`carry_out`]: each step of each wave, through the target; the outcome of a wave and the intent of the next one are one
//!    transaction.
//! 3. The caller closes the execution together with the outcomes of the last wave ([`settle_outcomes`]).
//!
//! After a crash the open execution is carried out again from the start: a step whose object already equals *after* is done,
//! one that still equals *before* runs, anything else is stale.

mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::audit::{self, BreakGlasses, Redactor};
use crate::model::{
    Action, Clock, Contents, Digest, Inventory, Left, Name, ObjectId, Observed, Origin, Owned, Spec, Step, Time, host,
};
use crate::policy::{Bounds, DeleteBound};
use crate::store::{ApplicationState, Approval, Open, Owed, Preimages, Purpose, Spent, Store, StoreError, Tx};
use crate::target::{Act, Batch, Call, Done, StepOutcome, Target, TargetError};

pub use records::{Reason, bodies, closed_body, entry, outcome, resumed};

/// Where an execution writes, and what it reads time from.
#[derive(Clone)]
pub struct Ledger {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub redactor: Arc<Redactor>,
    pub glasses: BreakGlasses,
}

/// What `begin` makes durable beside the execution itself.
#[derive(Default)]
pub struct Preparation {
    /// Objects that change hands first: those of applications that are declared no more.
    pub inherited: BTreeMap<Name, Vec<ObjectId>>,
    /// Objects of the inventory that change without a step: found identical, adopted as they are, remembered anew.
    pub inventory: BTreeMap<ObjectId, Owned>,
    /// Contents that a resumed plan, or a return to this state, will need.
    pub contents: Vec<Arc<[u8]>>,
    /// Digests of all contents that must be kept from now on, those above and those that are kept already.
    pub needs: Vec<Digest>,
    /// The approvals that let the plan through: they are used up.
    pub approvals: Vec<Approval>,
    /// How many objects it deletes without a person having said so, against budgets.
    pub deletes: u64,
    /// What must still hold now that it begins.
    pub bounds: Bounds,
    /// What the plan overwrites and deletes, where it does; its contents are among those above.
    pub preimages: Option<Preimages>,
    /// What others made of what the plan is about.
    pub observed: Vec<Observed>,
    /// What is remembered of the application from now on, where that changes before the first act.
    pub state: Option<ApplicationState>,
}

/// Why an execution did not begin. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{object} is already kept true by {holder}")]
    Claimed { object: ObjectId, holder: String },
    #[error("an approval was used up or has expired")]
    Approval,
    #[error("a person has said no to it meanwhile")]
    Rejected,
    #[error("the break-glass that let it through has ended")]
    Glass,
    #[error("other plans began meanwhile, and all of them together would be more than may be; it is planned anew")]
    Bounds,
    #[error("a content went while the plan was made; it is planned anew")]
    Swept,
}

/// How an execution ended. The outcomes of its last wave are not written down yet.
pub struct Carried {
    pub outcomes: Vec<Timed>,
    pub end: End,
}

pub enum End {
    Done,
    /// This step failed; those after it did not run.
    Failed(usize, Arc<TargetError>),
    /// Cancelled between two steps: stays open, and is resumed at the next start.
    Stopped,
}

/// An outcome, and how long the step took.
#[derive(Clone)]
pub struct Timed {
    pub outcome: StepOutcome,
    pub milliseconds: u64,
}

/// Makes the intent durable.
///
/// # Errors
/// Then nothing of it happened, and nothing live may change.
pub async fn begin(ledger: &Ledger, open: &Open, preparation: &Preparation) -> Result<(), BeginError> {
    let plan = &open.prepared.plan;
    let (target, application) = (&plan.target, &plan.application);
    ledger.store.may_begin()?;
    let mut tx = ledger.store.write().await?;
    let written = |step: &&Step| step.action != Action::Run;
    let mut ids: Vec<_> = plan.steps.iter().filter(written).map(|step| step.id.clone()).collect();
    ids.extend(preparation.inventory.keys().cloned());
    for (holder, ids) in &preparation.inherited {
        if let (true, Some(object)) = (tx.is_destroyed(holder).await?, ids.first()) {
            return Err(BeginError::Claimed { object: object.clone(), holder: holder.to_string() });
        }
        tx.move_objects(target, holder, application, ids).await?;
    }
    if let Some((object, holder)) = tx.claim(target, application, &ids).await?.into_iter().next() {
        return Err(BeginError::Claimed { object, holder: holder.to_string() });
    }
    let now = ledger.clock.now();
    if !preparation.approvals.is_empty() {
        let taken = tx.take_approvals(&plan.id, now).await?;
        if !preparation.approvals.iter().all(|approval| taken.contains(approval)) {
            return Err(BeginError::Approval);
        }
    }
    if tx.is_rejected(&plan.id).await? {
        return Err(BeginError::Rejected);
    }
    let glasses = ledger.glasses.in_force(application, now, &ledger.clock.boot());
    if !open.prepared.verdict.forced_by.iter().all(|id| glasses.iter().any(|glass| glass.id == *id)) {
        return Err(BeginError::Glass);
    }
    keep_within(&mut tx, preparation).await?;
    if preparation.deletes > 0 {
        tx.spend(&Spent { time: now, application: application.clone(), deletes: preparation.deletes }).await?;
    }
    for (id, owned) in &preparation.inventory {
        tx.put_owned(target, application, id, owned).await?;
    }
    for content in &preparation.contents {
        tx.put_content(content).await?;
    }
    if !tx.missing(&preparation.needs).await?.is_empty() {
        return Err(BeginError::Swept);
    }
    if let Some(preimages) = &preparation.preimages {
        tx.keep_preimages(preimages).await?;
    }
    for owed in owed_by(open) {
        tx.put_owed(application, &owed).await?;
    }
    if let Some(state) = &preparation.state {
        tx.put_application(application, state).await?;
    }
    // What is held stays on offer while drift is put right: it is told once, and would not be offered again.
    if !matches!(open.prepared.purpose, Purpose::Keep) {
        tx.drop_plans(application).await?;
    }
    tx.open_sync(open).await?;
    let mut entries: Vec<_> =
        preparation.inherited.iter().map(|(holder, ids)| records::inherited(open, holder, ids)).collect();
    entries.extend(records::observed(open, &preparation.observed));
    entries.extend([records::planned(open), records::intent(open, first_wave(open))]);
    entries.extend(open.prepared.verdict.forced_by.iter().map(|glass| records::forced(open, glass)));
    let numbers = audit::append(&mut tx, now, &ledger.redactor, &entries).await?;
    ledger.glasses.follow(&mut tx, now, &numbers, &entries);
    Ok(tx.commit().await?)
}

/// Holds a plan against the bounds that others may have come up to since it was judged.
async fn keep_within(tx: &mut Tx, preparation: &Preparation) -> Result<(), BeginError> {
    let bounds = &preparation.bounds;
    if let Some(most) = bounds.at_once {
        let running = tx.running().await?.iter().filter(|name| bounds.among.contains(*name)).count();
        if running as u64 >= most {
            return Err(BeginError::Bounds);
        }
    }
    for DeleteBound { since, most, more } in &bounds.deletes {
        if *more > 0 && tx.spent_since(*since).await? + more > *most {
            return Err(BeginError::Bounds);
        }
    }
    Ok(())
}

/// Carries out every step that is left, wave by wave.
///
/// # Errors
/// Only where an outcome cannot be written down: then the execution stays open, and nothing more is done.
pub async fn carry_out(
    ledger: &Ledger,
    target: &dyn Target,
    open: &Open,
    call: &Call,
    inventory: &mut Inventory,
) -> Result<Carried, StoreError> {
    let plan = &open.prepared.plan;
    let contents = ledger.store.contents();
    let mut outcomes = vec![];
    let mut wave = first_wave(open);
    for (number, step) in plan.steps.iter().enumerate() {
        if step.wave != wave {
            wave = step.wave;
            let entries = [records::outcome(open, &outcomes), records::intent(open, wave)];
            let write = || async {
                let mut tx = ledger.store.write().await?;
                let changed = settle_outcomes(&mut tx, open, &outcomes, inventory).await?;
                audit::append(&mut tx, ledger.clock.now(), &ledger.redactor, &entries).await?;
                tx.commit().await.map(|()| changed)
            };
            let changed = ledger.store.insist(write).await?;
            remember(inventory, changed);
            outcomes.clear();
        }
        if call.cancel.is_cancelled() {
            return Ok(Carried { outcomes, end: End::Stopped });
        }
        let began = Instant::now();
        let outcome = perform(target, call, &batch(open, number, step, &contents), number).await;
        let outcome = masked(outcome, &ledger.redactor);
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let failed = outcome.result.as_ref().err().cloned();
        outcomes.push(Timed { outcome, milliseconds });
        match failed {
            Some(error) if matches!(*error, TargetError::Cancelled) => {
                outcomes.pop();
                return Ok(Carried { outcomes, end: End::Stopped });
            }
            Some(error) => return Ok(Carried { outcomes, end: End::Failed(number, error) }),
            None => {}
        }
    }
    Ok(Carried { outcomes, end: End::Done })
}

/// Returns the batch of one step.
fn batch<'a>(open: &'a Open, number: usize, step: &'a Step, contents: &'a Arc<dyn Contents>) -> Batch<'a> {
    let prepared = &open.prepared;
    Batch {
        plan: prepared.plan.id,
        acts: vec![Act { number, step, spec: prepared.specs.get(&number) }],
        contents,
        artifact: prepared.artifact,
        precondition: prepared.precondition,
    }
}

/// Carries out one batch of one step, and returns its outcome.
async fn perform(target: &dyn Target, call: &Call, batch: &Batch<'_>, number: usize) -> StepOutcome {
    if batch.acts.iter().all(|act| act.step.action == Action::Release) {
        return StepOutcome { number, result: Ok(Done::default()) };
    }
    let (sender, mut receiver) = mpsc::unbounded_channel();
    // A stop waits for the step in hand, a handler half-way through included; who cannot wait signals twice, or kills.
    let call = Call { cancel: CancellationToken::new(), ..call.clone() };
    let applied = target.apply(&call, batch, &sender).await;
    drop(sender);
    let reported = receiver.recv().await;
    match (applied, reported) {
        (Err(error), _) => StepOutcome { number, result: Err(Arc::new(error)) },
        (Ok(()), Some(outcome)) => outcome,
        (Ok(()), None) => {
            let doing = "the target said nothing of the step".into();
            StepOutcome { number, result: Err(Arc::new(TargetError::InDoubt { doing, source: None })) }
        }
    }
}

/// Masks what a validator, check or handler printed, before it goes to records, log and people.
fn masked(outcome: StepOutcome, redactor: &Redactor) -> StepOutcome {
    let clean = |text: &str| redactor.mask(text).into_owned();
    let result = match outcome.result {
        Ok(done) => Ok(Done { output: done.output.as_deref().map(clean), ..done }),
        Err(error) => Err(match &*error {
            TargetError::Invalid { code, reason } => {
                Arc::new(TargetError::Invalid { code: code.clone(), reason: clean(reason) })
            }
            TargetError::Denied { code, reason } => {
                Arc::new(TargetError::Denied { code: code.clone(), reason: clean(reason) })
            }
            _ => error,
        }),
    };
    StepOutcome { result, ..outcome }
}

/// Writes what the steps left behind into the inventory, and strikes the handlers that ran.
///
/// # Errors
/// When the store cannot be written.
pub async fn settle_outcomes(
    tx: &mut Tx,
    open: &Open,
    outcomes: &[Timed],
    inventory: &Inventory,
) -> Result<Vec<(ObjectId, Option<Owned>)>, StoreError> {
    let plan = &open.prepared.plan;
    let (target, application) = (&plan.target, &plan.application);
    let mut changed = vec![];
    for timed in outcomes {
        let Some(step) = plan.steps.get(timed.outcome.number) else { continue };
        if strikes(open, timed) {
            tx.remove_owed(application, &step.id).await?;
        }
        let Ok(done) = &timed.outcome.result else { continue };
        let id = std::slice::from_ref(&step.id);
        match step.action {
            Action::Run => continue,
            Action::Delete => tx.remove_objects(target, application, id).await?,
            Action::Release => match open.prepared.handed.get(&step.id) {
                Some(other) => {
                    tx.move_objects(target, application, other, id).await?;
                }
                None => tx.remove_objects(target, application, id).await?,
            },
            Action::Create | Action::Update | Action::Replace | Action::Adopt => {
                let spec = open.prepared.specs.get(&timed.outcome.number);
                let Some(mut owned) = left(step, spec, done, inventory) else { continue };
                if matches!(open.prepared.purpose, Purpose::RollBack { .. }) && owned.origin == Origin::Adopted {
                    // Its adoption may be what was taken back: it is somebody else's again, and never deleted unless adopted anew.
                    owned.origin = Origin::Matched;
                }
                tx.put_owned(target, application, &step.id, &owned).await?;
                changed.push((step.id.clone(), Some(owned)));
                continue;
            }
        }
        changed.push((step.id.clone(), None));
    }
    Ok(changed)
}

/// Whether a handler is owed no longer. One that ran and failed still is, as long as something names it: else no revision could
/// ever end it.
#[must_use]
pub fn strikes(open: &Open, timed: &Timed) -> bool {
    let Some(step) = open.prepared.plan.steps.get(timed.outcome.number) else { return false };
    step.action == Action::Run
        && match &timed.outcome.result {
            Ok(_) => true,
            Err(error) => matches!(**error, TargetError::Invalid { .. }) && open.prepared.unnamed.contains(&step.id),
        }
}

/// Follows in memory what was written.
pub fn remember(inventory: &mut Inventory, changed: Vec<(ObjectId, Option<Owned>)>) {
    for (id, owned) in changed {
        match owned {
            Some(owned) => inventory.objects.insert(id, owned),
            None => inventory.objects.remove(&id),
        };
    }
}

/// Returns what the inventory says of an object that a step has written.
fn left(step: &Step, spec: Option<&Spec>, done: &Done, inventory: &Inventory) -> Option<Owned> {
    let (state, fingerprint) = done.left.clone()?;
    let origin = match (step.action, inventory.objects.get(&step.id)) {
        (Action::Adopt, _) => Origin::Adopted,
        (_, Some(owned)) => owned.origin,
        (_, None) => Origin::Created,
    };
    Some(Owned { origin, left: Left { spec: spec?.digest(), state, fingerprint } })
}

/// Returns the handlers of a plan, which stay owed until they ran. A check is asked again by whatever plan comes next, and is
/// never owed: one of a failed revision must not judge the state that is restored after it.
pub fn owed_by(open: &Open) -> impl Iterator<Item = Owed> + '_ {
    let steps = open.prepared.plan.steps.iter().enumerate();
    steps.filter(|(_, step)| step.action == Action::Run && step.id.kind != host::CHECK).filter_map(|(number, step)| {
        let spec = open.prepared.specs.get(&number)?.clone();
        Some(Owed { id: step.id.clone(), spec })
    })
}

fn first_wave(open: &Open) -> u32 {
    open.prepared.plan.steps.first().map_or(0, |step| step.wave)
}

/// Returns the time since an execution began, in milliseconds.
#[must_use]
pub fn lasted(open: &Open, now: Time) -> u64 {
    u64::try_from(now.since(open.started).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
