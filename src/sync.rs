//! One sync of one application: each room once, in order. The only file that knows the whole flow.

mod candidate;
mod close;
mod course;
mod destroy;
mod draft;
mod edits;
mod facts;
mod fights;
mod go_back;
mod hold;
mod inherited;
mod neighbours;
mod preimages;
mod progress;
mod proposal;
mod recover;
mod refusal;
mod roll_back;
mod run;
mod secrets;
mod subject;
mod tell;
mod upgrade;
mod view;
mod within;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::view::SyncReport;
use crate::model::{Complete, Decision, Desired, Guard, Outcome};
use crate::store::{BadInputs, Known};

pub use candidate::{Candidate, Holds, Origin};
pub use course::{Course, Passage, Passed, Room};
pub use destroy::{destroy, preview_destroy};
pub use draft::{Draft, Purpose};
pub use inherited::Inherited;
pub use neighbours::Neighbours;
pub use progress::{Progress, Wait};
pub use proposal::{Proposal, propose};
pub use refusal::Refusal;
pub use subject::{Memory, Ring, Subject};
pub use tell::flush_quiet;
pub use upgrade::Before;
pub use view::{explain, preview};
pub use within::Within;

/// What a render may take: it is bounded by size, and this is far more than the largest needs.
const RENDER: Duration = Duration::from_mins(10);

/// Syncs once: poll, render, preview, plan, judge, execute, settle. Where the newest revision is refused or held, the
/// application is kept true to what was last applied.
pub async fn sync(subject: &mut Subject, ring: &Ring) -> SyncReport {
    let began = Instant::now();
    let mut report = Box::pin(subject.sync(ring)).await;
    report.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

impl Subject {
    async fn sync(&mut self, ring: &Ring) -> SyncReport {
        if let Some(open) = self.memory.open.clone() {
            let resumed = self.resume(open).await;
            if self.memory.open.is_some() {
                return resumed;
            }
        }
        if let Some(suspended) = &self.memory.state.suspended {
            return self.report(Outcome::Suspended).because("suspended", &suspended.reason);
        }
        let forward = match Box::pin(self.go_back(ring)).await {
            Ok(None) => Box::pin(self.forward(ring)).await,
            Ok(Some(report)) => Ok(report),
            Err(refusal) => Err(refusal),
        };
        match forward {
            Ok(report) if report.outcome != Outcome::Held => report,
            Ok(held) => self.keep(ring, held).await,
            Err(refusal) => self.refused(ring, refusal).await,
        }
    }

    /// Goes to what the followed ref says.
    async fn forward(&mut self, ring: &Ring) -> Result<SyncReport, Refusal> {
        self.refresh().await.map_err(|error| Refusal::store(&error))?;
        // Before anything is fetched: that would take the room of the last records.
        self.store.may_begin().map_err(|error| Refusal::store(&error))?;
        if let Some(draft) = Box::pin(self.upgraded(ring)).await? {
            let report = self.carry(draft, ring).await?;
            // What Git has beside it waited for this, and waits no longer.
            self.memory.again = self.applied_before().is_none();
            return Ok(report);
        }
        if !self.is_lost() {
            self.proven().await?;
        }
        let candidate = self.candidate(ring).await?;
        self.see(&candidate);
        if !ring.insist {
            self.untried(&candidate)?;
        }
        let desired = candidate.desired.clone();
        let inputs = candidate.inputs;
        let draft = self.draft(Purpose::Forward(candidate.clone()), desired, inputs, ring).await?;
        if !candidate.missing.is_empty() && draft.planned.plan.steps.is_empty() {
            let message =
                format!("could not find {} in revision {}", candidate.missing.join(", "), candidate.revision.short());
            return Err(Refusal::new(Outcome::Refused, "render.path-missing", message));
        }
        if draft.planned.plan.steps.is_empty() {
            // Whatever another version made of it, this one leaves it as it is.
            self.proven().await?;
        }
        let report = self.carry(draft, ring).await?;
        self.let_go_of_tree();
        Ok(report)
    }

    /// Refuses inputs that failed before, also where Git has gone on meanwhile and came back to them.
    fn untried(&mut self, candidate: &Candidate) -> Result<(), Refusal> {
        let state = &mut self.memory.state;
        let Some(bad) = state.mark(&candidate.inputs).cloned() else { return Ok(()) };
        let (name, failed, reason) = (&self.name, bad.revision.short(), &bad.reason);
        let message = if bad.revision == candidate.revision {
            format!("revision {failed} failed before: {reason}")
        } else {
            let again = format!("`trueup sync {name}` tries it all the same");
            format!("revision {} is what failed as {failed} before: {reason}; {again}", candidate.revision.short())
        };
        // Unless there is something to take back first, which must not be forgotten.
        let current = |now: &BadInputs| now.inputs == bad.inputs || now.created.is_some();
        if !state.bad_inputs.as_ref().is_some_and(current) {
            state.mark_bad(Some(bad));
        }
        Err(Refusal::new(Outcome::Refused, "sync.bad-inputs", message))
    }

    /// Takes note of a revision that is new here. It is written down with whatever is written next: nothing rests on it before
    /// something is held.
    fn see(&mut self, candidate: &Candidate) {
        let known = &mut self.memory.state.known;
        if known.as_ref().is_none_or(|known| known.revision != candidate.revision) {
            *known = Some(Known { revision: candidate.revision.clone(), at: self.clock.now() });
        }
    }

    /// Takes contents from the store once it has them all, so that the mirror that they came from can go.
    fn let_go_of_tree(&mut self) {
        let applied = self.memory.state.applied.as_ref().map(|applied| applied.inputs);
        let Some(candidate) = self.memory.candidate.as_mut().filter(|it| !it.stored && Some(it.inputs) == applied)
        else {
            return;
        };
        candidate.stored = true;
        if let Desired::Objects(complete) = candidate.desired.as_ref() {
            let complete = Complete { objects: complete.objects.clone(), contents: self.store.contents() };
            candidate.desired = Arc::new(Desired::Objects(complete));
        }
        self.neighbours.rendered(&self.name, candidate);
    }

    /// Carries out a draft, holds it, or finds that there is nothing to do.
    async fn carry(&mut self, draft: Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        if draft.verdict().decision == Decision::Hold {
            return self.hold(&draft, ring).await;
        }
        if self.is_settled(&draft, ring) {
            return self.settled(&draft, ring).await;
        }
        self.run(draft, ring).await
    }

    /// Whether carrying out the draft would change neither the target nor what is remembered.
    fn is_settled(&self, draft: &Draft, ring: &Ring) -> bool {
        let news = match &draft.purpose {
            Purpose::Forward(candidate) => {
                self.memory.state.applied.as_ref().is_none_or(|applied| applied.inputs != candidate.inputs)
                    || self.memory.state.bad_inputs.is_some()
            }
            Purpose::Upgrade(_) => true,
            Purpose::Keep | Purpose::RollBack { .. } | Purpose::Destroy => false,
        };
        let still = draft.planned.is_empty() && draft.inherited.from.is_empty();
        still && !news && !(ring.adopt && self.has_matched())
    }

    /// Nothing to do but to say what was left out, if anything was.
    async fn settled(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        for (id, fingerprint) in draft.moved_fingerprints(&self.memory.inventory) {
            if let Some(owned) = self.memory.inventory.objects.get_mut(&id) {
                owned.left.fingerprint = fingerprint;
            }
        }
        self.make_peace(draft).await?;
        if !draft.verdict().findings.is_empty() {
            return self.left_out(draft, ring).await;
        }
        if !draft.planned.drifted.is_empty() || !draft.planned.edited.is_empty() {
            return self.observed(draft, ring).await;
        }
        self.unchanged(draft, ring).await
    }

    /// Forgets the fights that are over.
    async fn make_peace(&mut self, draft: &Draft) -> Result<(), Refusal> {
        let over = fights::over(&self.memory.state.heals, &draft.previews, self.clock.now());
        if over.is_empty() {
            return Ok(());
        }
        let mut state = self.memory.state.clone();
        state.heals.retain(|id, _| !over.contains(id));
        self.remember(state).await.map_err(|error| Refusal::store(&error))
    }

    /// Takes back a failed sync, or keeps the application true to what was last applied; and reports what kept it from going
    /// further.
    async fn keep(&mut self, ring: &Ring, mut held: SyncReport) -> SyncReport {
        // What a person adopts is what Git says now, not what it said before.
        let ring = &Ring { adopt: false, ..ring.clone() };
        if let Some(owed) = self.owed_back() {
            return match self.roll_back(owed, ring, held.clone()).await {
                Ok(report) => report,
                Err(refusal) => self.not_kept(&refusal, held),
            };
        }
        let state = &self.memory.state;
        let applied = state.applied.as_ref().map(|applied| (applied.desired, applied.inputs));
        let good = state.good.as_ref().map(|good| (good.desired, good.inputs));
        let Some((desired, inputs)) = applied.or(good) else { return held };
        // A held plan that only corrects is the corrective plan: nothing is left to keep.
        if held.outcome == Outcome::Held && held.findings.iter().any(|finding| finding.guard == Guard::DriftHeld) {
            return held;
        }
        let kept = async {
            let desired = self.kept(desired).await?;
            let mut draft = self.draft(Purpose::Keep, desired, inputs, ring).await?;
            // What is left as it is was told with the plan that is held.
            draft.watches = held.outcome == Outcome::Refused;
            if draft.planned.plan.steps.is_empty() || draft.verdict().decision == Decision::Hold {
                self.watched(&draft, ring).await?;
                return Ok(None);
            }
            self.run(draft, ring).await.map(Some)
        };
        match kept.await {
            Ok(Some(kept)) => {
                held.steps = kept.steps;
                held.corrective = kept.corrective;
                if kept.outcome == Outcome::Failed {
                    // What is not kept true is told, and backs off: as a hold it would be tried at each interval.
                    let (why, also) = (held.message.unwrap_or_default(), kept.message.unwrap_or_default());
                    held.message = Some(format!("{why}; could not be kept true: {also}"));
                    (held.outcome, held.code) = (Outcome::Failed, kept.code);
                }
                held
            }
            Ok(None) => held,
            Err(refusal) => self.not_kept(&refusal, held),
        }
    }

    fn not_kept(&self, refusal: &Refusal, held: SyncReport) -> SyncReport {
        tracing::warn!(app = %self.name, code = %refusal.code, error = %refusal.message, "could not keep the application true");
        held
    }

    async fn refused(&mut self, ring: &Ring, refusal: Refusal) -> SyncReport {
        if refusal.outcome == Outcome::Stopped {
            return self.report(refusal.outcome).because(&refusal.code, &refusal.message);
        }
        let report = self.refuse(ring, &refusal).await;
        // With the store or the target failing there is nothing that could be done about drift either.
        if refusal.outcome == Outcome::Refused { self.keep(ring, report).await } else { report }
    }

    /// Asks the source, and renders what is new.
    async fn candidate(&mut self, ring: &Ring) -> Result<Candidate, Refusal> {
        let source = &self.origin.source;
        // Someone else's poll may have to end first.
        self.progress.waits("Git", self.origin.repository.limits.timeout.0 * 4);
        let asked = async {
            match ring.since {
                Some(since) => source.poll(since).await,
                None => source.head().await,
            }
        };
        let inside = self.course.enter(Room::Source);
        let polled = tokio::select! {
            polled = asked => polled, // whoever else waits for the same poll asks again
            () = self.cancel.cancelled() => { // level-triggered
                return Err(Refusal::stopped());
            }
        };
        inside.leave(&polled.head);
        let head = polled.head.map_err(|error| Refusal::poll(&error))?;
        self.progress.waits("the render", RENDER);
        let inside = self.course.enter(Room::Render);
        let candidate = self.origin.candidate(&self.name, &head, self.memory.candidate.as_ref()).await;
        inside.leave(&candidate);
        let candidate = candidate.map_err(|refusal| refusal.of(&head.revision))?;
        self.neighbours.rendered(&self.name, &candidate);
        self.memory.candidate = Some(candidate.clone());
        Ok(candidate)
    }

    /// Returns the stored Desired with this digest.
    async fn kept(&mut self, digest: crate::model::Digest) -> Result<Arc<Desired>, Refusal> {
        if let Some((known, desired)) = &self.memory.kept
            && *known == digest
        {
            return Ok(desired.clone());
        }
        let desired = Arc::new(run::stored_desired(&self.store, &digest).await?);
        self.learn(&desired).await;
        self.memory.kept = Some((digest, desired.clone()));
        Ok(desired)
    }
}
