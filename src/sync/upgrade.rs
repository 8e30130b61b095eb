//! After another version of trueup: what this one would change that the other left alone, on the same inputs.

mod moved;

use std::collections::BTreeSet;

use self::moved::{differences, looks_otherwise};
use super::draft::{Draft, Purpose};
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use super::{Candidate, Origin, RENDER};
use crate::audit::{self, Filter, Kind};
use crate::model::{Complete, Desired, Guard, Inventory, ObjectId, Outcome, Previews, Time};
use crate::plan::Planned;
use crate::policy;
use crate::store::{Applied, Store, StoreError};

/// This version, as the store remembers who planned what was applied.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is known of the version that was here before.
#[derive(Clone)]
pub struct Before {
    version: String,
    /// When it is last known to have been at work.
    last: Option<Time>,
    again: Again,
}

/// What was last applied, rendered once more.
#[derive(Clone)]
enum Again {
    NotYet,
    /// With why it cannot be told what is this version's doing, where that is so.
    Rendered(Box<Candidate>, Option<String>),
    /// It cannot be rendered any more, and why.
    Lost(String),
}

impl Subject {
    /// Returns what was applied by another version, and not compared yet.
    pub(super) fn applied_before(&self) -> Option<&Applied> {
        self.memory.state.applied.as_ref().filter(|applied| applied.version != VERSION)
    }

    /// Finds out about the version that was here before, where there was one.
    pub(super) async fn look_back(&mut self) -> Result<(), Refusal> {
        let Some(applied) = self.applied_before() else {
            self.memory.before = None;
            return Ok(());
        };
        if self.memory.before.is_none() {
            let version = applied.version.clone();
            let last = last_at_work(&self.store).await.map_err(|error| Refusal::store(&error))?;
            self.memory.before = Some(Before { version, last, again: Again::NotYet });
        }
        Ok(())
    }

    /// Compares what this version would do with what another one left. Returns the plan where there is a difference: nothing newer
    /// goes before a person has said yes to it.
    pub(super) async fn upgraded(&mut self, ring: &Ring) -> Result<Option<Draft>, Refusal> {
        self.look_back().await?;
        let Some(applied) = self.applied_before().cloned() else { return Ok(None) };
        if matches!(self.memory.before, Some(Before { again: Again::NotYet, .. })) {
            self.progress.waits("the render", RENDER);
            let again = again(&self.origin, &applied).await?;
            self.learnt(again);
        }
        let Some(Before { again: Again::Rendered(candidate, _), .. }) = self.memory.before.clone() else {
            return Ok(None);
        };
        self.kept(applied.desired).await?;
        let (desired, inputs) = (candidate.desired.clone(), candidate.inputs);
        let draft = match self.draft(Purpose::Upgrade(*candidate), desired, inputs, ring).await {
            Ok(draft) => draft,
            Err(refusal) if is_lost(&refusal) => {
                self.learnt(lost(&applied, &refusal));
                return Ok(None);
            }
            Err(refusal) => return Err(refusal),
        };
        if draft.verdict().findings.iter().any(|finding| finding.guard == Guard::Upgrade) {
            return Ok(Some(draft));
        }
        Ok(None)
    }

    /// Whether what another version applied cannot be compared.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.memory.before, Some(Before { again: Again::Lost(_), .. }))
    }

    fn learnt(&mut self, again: Again) {
        if let Some(before) = &mut self.memory.before {
            before.again = again;
        }
    }

    /// Takes note that this version sees what was applied as the one before did.
    pub(super) async fn proven(&mut self) -> Result<(), Refusal> {
        let mut state = self.memory.state.clone();
        if let Some(applied) = state.applied.as_mut().filter(|applied| applied.version != VERSION) {
            applied.version = VERSION.into();
            self.remember(state).await.map_err(|error| Refusal::store(&error))?;
        }
        self.memory.before = None;
        Ok(())
    }

    /// Returns what the guards may know of the version that was here before.
    pub(super) fn upgrade(
        &self,
        purpose: &Purpose,
        planned: &Planned,
        (previews, owned): (&Previews, &Inventory),
        complete: &Complete,
    ) -> Option<policy::Upgrade> {
        let Before { version, last, again } = self.memory.before.as_ref()?;
        let before = version.clone();
        match (purpose, again) {
            (Purpose::Forward(_), Again::Lost(why)) => {
                Some(policy::Upgrade { before, objects: vec![], unclear: Some(why.clone()) })
            }
            (Purpose::Upgrade(_), Again::Rendered(_, unclear)) => {
                let old = self.memory.kept.as_ref().map(|(_, desired)| desired.as_ref());
                let Some(Desired::Objects(old)) = old else { return None };
                let objects = differences(planned, (previews, owned), (old, complete), *last);
                (!objects.is_empty()).then(|| policy::Upgrade { before, objects, unclear: unclear.clone() })
            }
            _ => None,
        }
    }

    /// Returns the drift that is none of others', as far as can be told: no plan but the one that waits for a person changes it.
    pub(super) fn unmoved(&self, previews: &Previews, complete: &Complete, owned: &Inventory) -> BTreeSet<ObjectId> {
        match &self.memory.before {
            Some(Before { last, .. }) => looks_otherwise(previews, complete, owned, *last),
            None => BTreeSet::new(),
        }
    }
}

/// Renders what was last applied.
///
/// # Errors
/// Where that may go better another time.
async fn again(origin: &Origin, applied: &Applied) -> Result<Again, Refusal> {
    match origin.again(applied).await {
        Ok((candidate, same)) => {
            let unclear = "what it is rendered from, or its definition, changed as well";
            Ok(Again::Rendered(Box::new(candidate), (!same).then(|| unclear.into())))
        }
        Err(refusal) if is_lost(&refusal) => Ok(lost(applied, &refusal)),
        Err(refusal) => Err(refusal),
    }
}

/// Whether nothing but a person can help: it is not there any more, or is none that this version takes.
fn is_lost(refusal: &Refusal) -> bool {
    let gone = ["source.revision-missing", "source.bad-tree", "source.too-large"];
    refusal.outcome == Outcome::Refused
        && (!refusal.code.starts_with("source.") || gone.contains(&refusal.code.as_str()))
}

fn lost(applied: &Applied, why: &Refusal) -> Again {
    let (revision, why) = (applied.revision.short(), why.full_message());
    Again::Lost(format!("revision {revision}, which was applied last, cannot be planned again: {why}"))
}

/// Returns when the daemon that ran before this one last wrote something down.
async fn last_at_work(store: &Store) -> Result<Option<Time>, StoreError> {
    let newest = Filter { newest_first: true, limit: 1, ..Filter::default() };
    let started = audit::list(store, &Filter { kinds: vec![Kind::Started], ..newest.clone() }).await?;
    let Some(started) = started.first() else { return Ok(None) };
    let before = audit::list(store, &Filter { before: Some(started.seq), ..newest }).await?;
    Ok(before.first().map(|record| record.time))
}
