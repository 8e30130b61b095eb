//! One step: judged, written down, carried out, and its end written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::guarded::Guarded;
use super::judge::{content, fenced, named};
use super::ledger::{Entry, Intent};
use super::preimages::Preimage;
use crate::model::host::PATH;
use crate::model::{Action, Complete, Contents, Desired, Digest, Inventory, Live, Spec, Step};
use crate::target::host::blocking;
use crate::target::protocol::is_secret;
use crate::target::protocol::message::{Failure, Finished};
use crate::target::{Act, Batch, Call, Done, Target, TargetError};

/// What is to become of a step.
enum Due {
    /// It has an outcome.
    Answered(Result<Finished, Failure>),
    /// It was begun, and how it ended is not known.
    Again,
    /// It was previewed, and not yet begun.
    New(Intent),
}

impl Guarded {
    /// Judges a step by what was previewed and done. Writes nothing.
    fn judge(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>) -> Result<Due, TargetError> {
        let denied = |code: &'static str, reason: String| TargetError::Denied { code: code.into(), reason };
        let journal = self.acts.journal();
        journal.sound()?;
        let (ledger, step) = (&journal.ledger, act.step);
        fenced(call, ledger.fence)?;
        let content = content(batch, act);
        if let Some(pair) = ledger.pair(&call.sync, act.number) {
            if pair.intent.content != content {
                let reason = format!("step {} of sync {} was another one before", act.number, call.sync);
                return Err(denied("host.replayed", reason));
            }
            return Ok(pair.outcome.clone().map_or(Due::Again, Due::Answered));
        }
        if ledger.is_spent(&call.sync) {
            return Err(denied("host.replayed", format!("sync {} is over", call.sync)));
        }
        let spec = act.spec.map(Spec::digest);
        let offer = ledger.offered(&step.id, |offer| {
            let same = (offer.before, offer.after, offer.spec) == (step.before, step.after, spec);
            same && offer.change.is(step.action)
        });
        let Some(offer) = offer else {
            let reason = format!("the root half has not previewed that it would {} {} so", step.action, step.id);
            return Err(denied("host.not-previewed", reason));
        };
        Ok(Due::New(Intent {
            sync: call.sync.clone(),
            number: act.number,
            content,
            plan: batch.plan.0,
            action: step.action,
            actor: call.actor.to_string().chars().take(200).collect(),
            time: self.acts.clock.now().0,
            offer: offer.clone(),
        }))
    }

    pub(super) async fn act(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>) -> Result<Done, TargetError> {
        if act.step.action == Action::Release {
            return Ok(Done::default());
        }
        named(&call.sync)?;
        let turn = self.acts.turn(&call.sync);
        let _turn = tokio::select! {
            turn = turn.lock() => turn,
            () = call.cancel.cancelled() => return Err(TargetError::Cancelled), // nothing was begun
            () = tokio::time::sleep_until(call.deadline) => {
                let doing = "another step of the same sync still runs".into();
                return Err(TargetError::Unavailable { doing, source: None });
            }
        };
        match self.judge(call, batch, act)? {
            Due::Answered(Ok(done)) => return Ok(Done { already: true, ..done.into() }),
            Due::Answered(Err(error)) => return Err(error.into()),
            Due::Again if self.happened(call, act).await => {
                let done = Done { already: true, ..Done::default() };
                self.ended(call, act, &Ok(done.clone()))?;
                return Ok(done);
            }
            Due::Again => {}
            Due::New(intent) => blocking(|| self.begin(call, batch, act, intent))?,
        }
        let result = self.carry_out(call, batch, act).await;
        self.ended(call, act, &result)?;
        result
    }

    /// Keeps what is overwritten, and writes down what is about to happen. Both are durable before anything changes.
    fn begin(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>, intent: Intent) -> Result<(), TargetError> {
        let writes = matches!(act.step.action, Action::Update | Action::Replace | Action::Delete | Action::Adopt);
        if writes && act.step.id.kind == PATH && self.acts.bounds.bytes > 0 {
            self.keep(call, batch, act)?;
        }
        let mut journal = self.acts.journal();
        // It was judged before the pre-image was written, which takes its time.
        fenced(call, journal.ledger.fence)?;
        let mut entries = vec![];
        if call.fence > journal.ledger.fence {
            entries.push(Entry::Fence { fence: call.fence });
        }
        let (object, offer) = (intent.offer.object.clone(), intent.offer.clone());
        // Another sync may have used it up meanwhile.
        if journal.ledger.offered(&object, |other| *other == offer).is_none() {
            let reason = format!("the preview of {object} was used up by another step");
            return Err(TargetError::Denied { code: "host.not-previewed".into(), reason });
        }
        entries.push(Entry::Intent(intent));
        journal.append(&entries)?;
        drop(journal);
        let (step, actor) = (act.step, call.actor.to_string());
        tracing::info!(sync = %call.sync, number = act.number, plan = %batch.plan, object = %step.id, action = %step.action, actor, "step begins");
        Ok(())
    }

    fn keep(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>) -> Result<(), TargetError> {
        let Some(kept) = self.inner.keep(&act.step.id, act.step.before)? else { return Ok(()) };
        let preimage = Preimage {
            plan: batch.plan,
            sync: call.sync.clone(),
            number: act.number,
            path: act.step.id.name.to_string(),
            sort: kept.sort.into(),
            access: kept.access,
            to: kept.to,
            content: kept.content.as_deref().map(Digest::of),
            size: kept.size,
            time: self.acts.clock.now(),
            hidden: kept.access.is_some_and(|(mode, ..)| mode & 0o004 == 0)
                || !self.inner.everyone_reaches(&act.step.id.name)
                || act.spec.is_some_and(is_secret),
        };
        let written = self.acts.preimages.keep(&preimage, kept.content.as_deref(), self.acts.bounds);
        written.map_err(|error| TargetError::Unavailable {
            doing: format!("could not keep what {} is now", act.step.id),
            source: Some(error.into()),
        })
    }

    async fn carry_out(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>) -> Result<Done, TargetError> {
        let fingerprint = act.step.fingerprint.as_ref().map(|fingerprint| self.acts.unmarked(fingerprint));
        let step = Step { fingerprint, ..act.step.clone() };
        let acts = vec![Act { number: act.number, step: &step, spec: act.spec }];
        let (plan, contents) = (batch.plan, batch.contents);
        let (artifact, precondition) = (batch.artifact, batch.precondition);
        let (outcomes, mut told) = mpsc::unbounded_channel();
        self.inner.apply(call, &Batch { plan, acts, contents, artifact, precondition }, &outcomes).await?;
        let told = told.try_recv().ok().and_then(|outcome| outcome.result.ok());
        told.ok_or_else(|| TargetError::InDoubt { doing: "the target said nothing of the step".into(), source: None })
    }

    /// Writes down how a step ended, where that is settled: what was cancelled, or is in doubt, is looked at again when it is
    /// asked for again.
    fn ended(&self, call: &Call, act: &Act<'_>, result: &Result<Done, TargetError>) -> Result<(), TargetError> {
        let told = match result {
            Ok(_) => "done",
            Err(error) => error.code(),
        };
        tracing::info!(sync = %call.sync, number = act.number, object = %act.step.id, result = told, "step ended");
        let (done, error) = match result {
            Ok(done) => (Some(Finished::from(done)), None),
            Err(
                error @ (TargetError::Stale { .. }
                | TargetError::Conflict { .. }
                | TargetError::Denied { .. }
                | TargetError::Invalid { .. }),
            ) => (None, Some(Failure::from(error))),
            Err(_) => return Ok(()),
        };
        let entry = Entry::Outcome { sync: call.sync.clone(), number: act.number, done, error };
        blocking(|| self.acts.journal().append(&[entry])).map_err(|error| TargetError::InDoubt {
            doing: format!("could not write down how the step on {} ended", act.step.id),
            source: Some(error.into()),
        })
    }

    /// Tells whether a run whose outcome is not known shows on what it ran on: a unit that was restarted is another invocation.
    async fn happened(&self, call: &Call, act: &Act<'_>) -> bool {
        let (Some(spec), Some(before)) = (act.spec, &act.step.fingerprint) else { return false };
        if act.step.action != Action::Run {
            return false;
        }
        let objects = BTreeMap::from([(act.step.id.clone(), spec.clone())]);
        let desired = Desired::Objects(Complete { objects, contents: Arc::new(Nothing) });
        let Ok(previews) = self.inner.preview(call, &desired, &Inventory::default()).await else { return false };
        let now = previews.items.iter().find(|item| item.id == act.step.id);
        let before = self.acts.unmarked(before);
        matches!(now.map(|item| &item.live), Some(Live::Known(state)) if state.fingerprint != before)
    }
}

/// No contents: a preview reads none.
struct Nothing;

impl Contents for Nothing {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, crate::model::ContentsError> {
        Err(crate::model::ContentsError { digest: *digest, source: anyhow::anyhow!("a preview has no contents") })
    }
}
