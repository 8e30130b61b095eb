//! The target as a front half gets it: everything that acts goes through the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::journal::Journal;
use super::ledger::{Change, Entry, Intent, Offer};
use super::own::Own;
use super::preimages::{Bounds, Preimage, Preimages};
use crate::model::host::PATH;
use crate::model::{
    Action, After, Clock, Complete, Contents, Desired, Digest, Fingerprint, Health, Inventory, Live, ObjectId, Preview,
    Previews, Spec, State, Step, SyncId,
};
use crate::target::host::{HostTarget, blocking};
use crate::target::protocol::is_secret;
use crate::target::protocol::message::{Failure, Finished};
use crate::target::{Act, Asked, Batch, Bell, Call, Done, Interest, Outcomes, StepOutcome, Target, TargetError};

/// What all targets of one root half share.
pub(super) struct Acts {
    journal: Mutex<Journal>,
    preimages: Preimages,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    /// What every fingerprint that is handed out ends with. One without it was taken where states digest under another key: by
    /// the daemon itself, say, before it got a root half. It is not trusted, so that the object is read and its digest renewed.
    mark: String,
    /// One act of a sync at a time: a client that lost its connection may ask for one that still runs.
    turns: Mutex<HashMap<SyncId, Weak<tokio::sync::Mutex<()>>>>,
}

impl Acts {
    pub(super) fn new(
        journal: Journal,
        preimages: Preimages,
        bounds: Bounds,
        clock: Arc<dyn Clock>,
        mark: String,
    ) -> Self {
        Self { journal: Mutex::new(journal), preimages, bounds, clock, mark, turns: Mutex::default() }
    }

    fn marked(&self, fingerprint: &Fingerprint) -> Fingerprint {
        Fingerprint(format!("{}@{}", fingerprint.0, self.mark).into())
    }

    /// Returns the fingerprint that was marked; one that nothing has, where it was not.
    fn unmarked(&self, fingerprint: &Fingerprint) -> Fingerprint {
        let taken_here = fingerprint.0.strip_suffix(&self.mark).and_then(|rest| rest.strip_suffix('@'));
        Fingerprint(taken_here.unwrap_or_default().into())
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, sync: &SyncId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(sync).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(sync.clone(), Arc::downgrade(&turn));
        turn
    }
}

/// What is to become of a step.
enum Due {
    /// It has an outcome.
    Answered(Result<Finished, Failure>),
    /// It was begun, and how it ended is not known.
    Again,
    /// It was previewed, and not yet begun.
    New(Intent),
}

/// One host target behind the journal.
pub(super) struct Guarded {
    inner: HostTarget,
    acts: Arc<Acts>,
    own: Arc<Own>,
}

impl Guarded {
    pub(super) const fn new(inner: HostTarget, acts: Arc<Acts>, own: Arc<Own>) -> Self {
        Self { inner, acts, own }
    }

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

    async fn act(&self, call: &Call, batch: &Batch<'_>, act: &Act<'_>) -> Result<Done, TargetError> {
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

    /// Takes out of a preview what a front half may not see.
    fn withhold(&self, item: &mut Preview, reached: &mut HashMap<String, bool>) {
        let path = item.id.name.to_string();
        let Live::Known(state) = &mut item.live else { return };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let mut open_way = || *reached.entry(folder.clone()).or_insert_with(|| self.inner.everyone_reaches(&path));
        if item.id.kind != PATH || (open(state) && open_way()) {
            return;
        }
        // Whatever the document says of it (`show`): this host decides what its front half may read.
        (state.hidden, state.content, state.spec) = (true, None, None);
    }
}

/// Whether everyone may read what lies there, as far as it shows itself.
fn open(state: &State) -> bool {
    let mode = state.spec.as_ref().and_then(|spec| spec.body().get("mode")).and_then(serde_json::Value::as_u64);
    match &*state.sort {
        "file" => mode.is_some_and(|mode| mode & 0o004 != 0),
        _ => true,
    }
}

fn fenced(call: &Call, fence: u64) -> Result<(), TargetError> {
    if call.fence >= fence {
        return Ok(());
    }
    let reason = format!(
        "a daemon with the fence {fence} acted on this host, and this one has {}: it is not the one that holds the store now. If it \
         is, and its store was made anew or restored, stop trueup-host.service and remove its journal",
        call.fence
    );
    Err(TargetError::Denied { code: "host.fenced".into(), reason })
}

/// A SyncId is what is remembered for ever, so it is as short as it says it is.
fn named(sync: &SyncId) -> Result<(), TargetError> {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if sync.0.len() == 32 && sync.0.bytes().all(hexadecimal) {
        return Ok(());
    }
    let reason = "a SyncId has 32 hexadecimal digits".into();
    Err(TargetError::Invalid { code: "host.sync-id".into(), reason })
}

/// Returns the digest of all that a step says.
fn content(batch: &Batch<'_>, act: &Act<'_>) -> Digest {
    let step = act.step;
    let said = (&step.id, step.action, step.before, step.after, &step.fingerprint, act.spec.map(Spec::digest));
    Digest::of_json("trueup/root-act/v1", &(batch.plan, act.number, said))
}

/// Returns what a preview that would change something offers.
fn offer(item: &Preview, spec: Option<&Spec>) -> Option<Offer> {
    let (before, sort) = match &item.live {
        Live::Known(state) => (state.digest, Some(&state.sort)),
        Live::Absent => (Digest::ABSENT, None),
        Live::Unknown(_) => return None,
    };
    let (change, before, after, spec) = match &item.after {
        After::Is(state) => {
            let change = match sort {
                None => Change::Create,
                Some(sort) if *sort == state.sort => Change::Update,
                Some(_) => Change::Replace,
            };
            (change, before, state.digest, spec)
        }
        After::Absent if sort.is_some() => (Change::Delete, before, Digest::ABSENT, None),
        // A run has nothing before it, whatever is known of what it runs on.
        After::Run(digest) => (Change::Run, Digest::ABSENT, *digest, spec),
        After::Same | After::Absent | After::Released => return None,
    };
    Some(Offer { object: item.id.clone(), change, before, after, spec: spec.map(Spec::digest) })
}

#[async_trait]
impl Target for Guarded {
    async fn preview(&self, call: &Call, desired: &Desired, owned: &Inventory) -> Result<Previews, TargetError> {
        if let Desired::Objects(complete) = desired {
            complete.objects.keys().try_for_each(|id| self.own.spares(id))?;
        }
        let mut known = owned.clone();
        for owned in known.objects.values_mut() {
            owned.left.fingerprint = self.acts.unmarked(&owned.left.fingerprint);
        }
        let mut previews = self.inner.preview(call, desired, &known).await?;
        let Desired::Objects(complete) = desired else { return Ok(previews) };
        let spec = |id: &ObjectId| complete.objects.get(id).or_else(|| previews.runs.get(id));
        // What Git has no more may still be among what was left here before it was our own: it stays.
        let free = previews.items.iter().filter(|item| !self.own.has(&item.id));
        let offers: Vec<_> = free.filter_map(|item| offer(item, spec(&item.id))).collect();
        blocking(|| {
            let mut journal = self.acts.journal();
            if journal.sound().is_err() {
                // Looking goes on; nothing of it can be carried out.
                return Ok(());
            }
            let new: Vec<_> = offers.into_iter().filter(|offer| !journal.ledger.again(offer)).collect();
            let entries: Vec<_> = new.chunks(500).map(|offers| Entry::Offered { offers: offers.to_vec() }).collect();
            if entries.is_empty() { Ok(()) } else { journal.append(&entries) }
        })?;
        let mut reached = HashMap::new();
        blocking(|| previews.items.iter_mut().for_each(|item| self.withhold(item, &mut reached)));
        for item in &mut previews.items {
            if let Live::Known(state) = &mut item.live {
                state.fingerprint = self.acts.marked(&state.fingerprint);
            }
        }
        Ok(previews)
    }

    async fn apply(&self, call: &Call, batch: &Batch<'_>, outcomes: &Outcomes) -> Result<(), TargetError> {
        for act in &batch.acts {
            let result = self.act(call, batch, act).await;
            let (told, failed) = match result {
                Ok(Done { left, already, output }) => {
                    let left = left.map(|(digest, fingerprint)| (digest, self.acts.marked(&fingerprint)));
                    (Ok(Done { left, already, output }), None)
                }
                Err(error) => (Err(Arc::new(TargetError::from(Failure::from(&error)))), Some(error)),
            };
            // Nobody listens only where the caller is gone: the journal has it.
            let _ = outcomes.send(StepOutcome { number: act.number, result: told });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn health(&self, call: &Call, asked: &[Asked<'_>]) -> Result<Vec<Health>, TargetError> {
        self.inner.health(call, asked).await
    }

    async fn watch(&self, call: &Call, interest: Interest, bell: Bell) -> Result<(), TargetError> {
        self.inner.watch(call, interest, bell).await
    }

    async fn recover(&self, call: &Call, owned: &[ObjectId]) -> Result<(), TargetError> {
        fenced(call, self.acts.journal().ledger.fence)?;
        self.inner.recover(call, owned).await
    }
}

/// No contents: a preview reads none.
struct Nothing;

impl Contents for Nothing {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, crate::model::ContentsError> {
        Err(crate::model::ContentsError { digest: *digest, source: anyhow::anyhow!("a preview has no contents") })
    }
}
