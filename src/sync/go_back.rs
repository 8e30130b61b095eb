//! Back to what was live before, out of the store: what a person asks for while the Git host cannot be reached. A forward plan to
//! an older revision, held for an approval like any rewind; the commit that takes what is live out of Git comes when the host is back.

use super::candidate::Candidate;
use super::draft::Purpose;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::audit::{self, Act, ActBody, Body, Entry, RevertBody, RevertEvent};
use crate::model::view::SyncReport;
use crate::model::{Actor, Guard, Outcome};
use crate::store::{ApplicationState, Applied, AskedBack, BadInputs, Good, Open, Revert};

/// How long a person's word to go back waits for an approval, in seconds.
const LONGEST: i64 = 24 * 60 * 60;

impl Subject {
    /// Takes note that a person asks for it, where there is something to go back to; records that, and returns nothing. What
    /// failed already, and is not live any more, is only taken out of Git.
    ///
    /// # Errors
    /// Where the Git host answers, so that Git is the way; or nothing is stored to go back to.
    pub async fn ask_back(&mut self, actor: &Actor) -> Result<(), Refusal> {
        let refuse = |code: &str, message: String| Err(Refusal::new(Outcome::Refused, code, message));
        if self.memory.open.is_some() {
            return refuse("sync.open", "a plan is being carried out, and comes to its end first".into());
        }
        if let Some(suspended) = &self.memory.state.suspended {
            return refuse("suspended", suspended.reason.clone());
        }
        self.progress.waits("Git", self.origin.repository.limits.timeout.0 * 4);
        let polled = self.origin.source.poll(tokio::time::Instant::now()).await;
        if polled.head.is_ok() {
            return refuse(
                "rollback.reachable",
                "the Git host answers: roll back through Git, which tells everybody".into(),
            );
        }
        let mut state = self.memory.state.clone();
        if self.owed_back().is_some() {
            return refuse("sync.open", "what failed is on its way back to last good, and that comes first".into());
        }
        let mut entries = vec![self.act_entry(actor)];
        let waits = |bad: &BadInputs| {
            state.revert.as_ref().is_some_and(|revert| revert.inputs == bad.inputs && !revert.is_refused())
        };
        // What failed last is not live, and nothing else came of Git since; of anything else, what is live is gone back from.
        let last = |bad: &BadInputs| {
            let live = state.applied.as_ref().is_some_and(|applied| applied.inputs == bad.inputs);
            !live && bad.reverted.is_none() && state.known.as_ref().is_some_and(|known| known.revision == bad.revision)
        };
        match (state.bad_inputs.clone(), state.earlier.clone()) {
            (Some(bad), _) if waits(&bad) => {
                let message = "it is gone back already, and the commit that sets Git back waits for the host";
                return refuse("rollback.waits", message.into());
            }
            (Some(bad), _) if last(&bad) && self.may_write() => {
                let good = state.good.as_ref().and_then(|good| good.revision.clone());
                let owed = Revert { asked: Some(actor.clone()), ..Revert::owed(&bad, good, self.clock.now()) };
                entries.extend(self.queued(&owed));
                state.revert = Some(owed);
            }
            (Some(bad), earlier) if last(&bad) || earlier.is_none() => {
                let message = "what failed is not live, and the daemon does not set Git back: a person does, once the host answers";
                return refuse("rollback.nothing", message.into());
            }
            (_, Some(to)) => state.asked_back = Some(AskedBack { by: actor.clone(), to, at: self.clock.now() }),
            (_, None) => {
                let message =
                    "no earlier good state is stored: only what is live, and what was good just before it, is kept";
                return refuse("rollback.nothing", message.into());
            }
        }
        let write = || async {
            let mut tx = self.store.write().await?;
            tx.put_application(&self.name, &state).await?;
            tx.lift_rejections(&self.name).await?;
            audit::append(&mut tx, self.clock.now(), &self.redactor, &entries).await?;
            tx.commit().await
        };
        self.store.insist(write).await.map_err(|error| Refusal::store(&error))?;
        self.memory.state = state;
        Ok(())
    }

    /// Goes back as a person asked, or waits for the approval of that; `None` where nobody asks, or the answer was no.
    pub(super) async fn go_back(&mut self, ring: &Ring) -> Result<Option<SyncReport>, Refusal> {
        // A person says to go forward all the same.
        if ring.insist || self.is_overtaken() {
            self.forget_asked().await?;
        }
        let Some(candidate) = self.asked_candidate().await? else { return Ok(None) };
        self.refresh().await.map_err(|error| Refusal::store(&error))?;
        self.store.may_begin().map_err(|error| Refusal::store(&error))?;
        let (desired, inputs) = (candidate.desired.clone(), candidate.inputs);
        let draft = self.draft(Purpose::Forward(candidate), desired, inputs, ring).await?;
        if draft.planned.plan.steps.is_empty() {
            self.forget_asked().await?;
            let message = "what was good before is what is live: there is nothing to go back to";
            return Err(Refusal::new(Outcome::Refused, "rollback.nothing", message));
        }
        if draft.verdict().findings.iter().any(|finding| finding.guard == Guard::Rejected) {
            self.forget_asked().await?;
            return Ok(None);
        }
        self.carry(draft, ring).await.map(Some)
    }

    /// Returns what a person asked to go back to, as the store has it.
    pub(super) async fn asked_candidate(&mut self) -> Result<Option<Candidate>, Refusal> {
        let state = &self.memory.state;
        let (Some(asked), Some(applied)) = (state.asked_back.clone(), state.applied.clone()) else { return Ok(None) };
        let Good { revision: Some(revision), inputs, desired } = asked.to else { return Ok(None) };
        let Applied { reference, url, .. } = applied;
        let desired = std::sync::Arc::new(super::run::stored_desired(&self.store, &desired).await?);
        self.learn(&desired).await;
        let (onto, signer, missing, stored, asked) = (None, None, vec![], true, Some(asked.by));
        Ok(Some(Candidate { revision, onto, reference, url, signer, inputs, missing, desired, stored, asked }))
    }

    /// Whether what a person asked for has waited too long, or Git has said something new since: then that comes first.
    fn is_overtaken(&self) -> bool {
        let state = &self.memory.state;
        let Some(asked) = &state.asked_back else { return false };
        if self.clock.now() > asked.at.plus_seconds(LONGEST) {
            tracing::warn!(app = %self.name, "nobody approved in time to go back; it is asked for no more");
            return true;
        }
        let Some(head) = self.origin.source.last().and_then(|polled| polled.head.ok()) else { return false };
        let applied = state.applied.as_ref().is_some_and(|applied| applied.revision == head.revision);
        // What was newest when it was asked for: nothing is looked at while it waits.
        let known = state.known.as_ref().is_some_and(|known| known.revision == head.revision);
        if !applied && !known {
            tracing::warn!(app = %self.name, "Git has gone on; to go back is asked for no more");
        }
        !applied && !known
    }

    /// Forgets what a person asked for.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_asked(&mut self) -> Result<(), Refusal> {
        if self.memory.state.asked_back.is_none() {
            return Ok(());
        }
        let state = ApplicationState { asked_back: None, ..self.memory.state.clone() };
        self.remember(state).await.map_err(|error| Refusal::store(&error))
    }

    /// Remembers, where this end is that of going back, that what was live is not to come again, and what Git is owed.
    pub(super) fn went_back(&self, open: &Open, state: &mut ApplicationState) {
        let before = self.memory.state.applied.as_ref();
        let (Some(asked), Some(before)) = (state.asked_back.take(), before) else { return };
        if asked.to.inputs != open.prepared.plan.inputs {
            state.asked_back = Some(asked);
            return;
        }
        let bad = BadInputs {
            inputs: before.inputs,
            revision: before.revision.clone(),
            reason: format!("{} rolled it back", asked.by),
            sync: open.sync.clone(),
            created: None,
            plan: Some(open.prepared.plan.id),
            reverted: None,
        };
        if self.may_write() {
            let owed = Revert::owed(&bad, asked.to.revision.clone(), self.clock.now());
            state.revert = Some(Revert { asked: Some(asked.by), ..owed });
        }
        state.mark_bad(Some(bad));
        state.earlier = None;
    }

    /// Tells of a commit that a person asked for, where this state is the first to have it.
    pub(super) fn queued_by(&self, state: &ApplicationState) -> Option<Entry> {
        let revert = state.revert.as_ref().filter(|revert| revert.asked.is_some() && revert.made.is_none());
        let before = self.memory.state.revert.as_ref();
        revert
            .filter(|revert| before.is_none_or(|before| before.sync != revert.sync))
            .and_then(|revert| self.queued(revert))
    }

    fn queued(&self, revert: &Revert) -> Option<Entry> {
        let asked = revert.asked.clone()?;
        let body = RevertBody {
            what: RevertEvent::Queued,
            branch: self.origin.repository.branch.clone().unwrap_or_else(|| "main".into()),
            commit: None,
            tip: None,
            good: revert.good.clone(),
            failed: revert.sync.clone(),
            code: None,
            message: None,
            link: None,
        };
        let entry = self.entry(&asked, Some(revert.bad.clone()), Body::Revert(body));
        Some(Entry { plan: revert.plan, ..entry })
    }

    fn act_entry(&self, actor: &Actor) -> Entry {
        let body = ActBody { act: Act::Rollback, reason: None, expires: None };
        self.entry(actor, None, Body::Act(body))
    }

    /// Whether the daemon may write into the followed branch.
    fn may_write(&self) -> bool {
        self.origin.repository.revert.is_some()
    }
}
