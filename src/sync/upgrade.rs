//! After another version of trueup: what this one would change that the other left alone, on the same inputs.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Purpose};
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use super::{Candidate, Origin, RENDER};
use crate::audit::{self, Filter, Kind};
use crate::model::{
    Action, After, Cause, Complete, Desired, Guard, Inventory, Live, ObjectId, Outcome, Owned, Preview, Previews, Spec,
    Time,
};
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

    /// Returns the drift that is none of others', as far as can be told: this version sees otherwise what the other one left. No
    /// plan but the one that waits for a person changes it.
    pub(super) fn unmoved(&self, previews: &Previews, complete: &Complete, owned: &Inventory) -> BTreeSet<ObjectId> {
        let Some(Before { last, .. }) = &self.memory.before else { return BTreeSet::new() };
        let moved = Moved::new(previews, owned, *last);
        let kept = |id: &ObjectId| {
            let spec = complete.objects.get(id).map(Spec::digest);
            owned.objects.get(id).filter(|owned| Some(owned.left.spec) == spec)
        };
        let drifted = previews.items.iter().filter(|preview| matches!(preview.after, After::Is(_)));
        drifted
            .filter(|preview| kept(&preview.id).is_some_and(|owned| !moved.tells(preview, owned)))
            .map(|preview| preview.id.clone())
            .collect()
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

/// Returns what of a plan is this version's doing: the same tree makes something else of it, or nothing on the target moved.
fn differences(
    planned: &Planned,
    (previews, owned): (&Previews, &Inventory),
    (old, new): (&Complete, &Complete),
    last: Option<Time>,
) -> Vec<ObjectId> {
    let moved = Moved::new(previews, owned, last);
    let found: BTreeMap<&ObjectId, &Preview> = previews.items.iter().map(|preview| (&preview.id, preview)).collect();
    let digest = |complete: &Complete, id: &ObjectId| complete.objects.get(id).map(Spec::digest);
    let steps = planned.plan.steps.iter().filter(|step| {
        if digest(old, &step.id) != digest(new, &step.id) {
            return true;
        }
        let (Some(preview), Some(owned)) = (found.get(&step.id), owned.objects.get(&step.id)) else { return false };
        step.cause == Cause::Corrective && step.action != Action::Run && !moved.tells(preview, owned)
    });
    steps.map(|step| step.id.clone()).collect()
}

/// Tells what others moved from what only looks otherwise to another version.
struct Moved<'a> {
    last: Option<Time>,
    /// Kinds of which some fingerprint is the one that was remembered: this version makes them as the other did, so that another one
    /// proves something.
    comparable: BTreeSet<&'a str>,
}

impl<'a> Moved<'a> {
    fn new(previews: &'a Previews, owned: &Inventory, last: Option<Time>) -> Self {
        let same = |preview: &&Preview| match (&preview.live, owned.objects.get(&preview.id)) {
            (Live::Known(state), Some(owned)) => state.fingerprint == owned.left.fingerprint,
            _ => false,
        };
        let comparable = previews.items.iter().filter(same).map(|preview| &*preview.id.kind).collect();
        Self { last, comparable }
    }

    /// Whether the object was moved since it was left.
    fn tells(&self, preview: &Preview, owned: &Owned) -> bool {
        let Live::Known(state) = &preview.live else { return true };
        let at = preview.touched.as_ref().and_then(|touched| touched.at);
        let since = at.zip(self.last).is_some_and(|(at, last)| at > last);
        let comparable = self.comparable.contains(&*preview.id.kind);
        since || (comparable && state.fingerprint != owned.left.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Fingerprint, Left, Origin, State, Touched};

    const LAST: Time = Time(100);

    fn owned(fingerprint: &str) -> Owned {
        let left = Left {
            spec: Digest::of(b"spec"),
            state: Digest::of(b"left"),
            fingerprint: Fingerprint(fingerprint.into()),
        };
        Owned { origin: Origin::Created, left }
    }

    fn drifted(kind: &'static str, name: &str, fingerprint: Option<&str>, at: Option<i64>) -> Preview {
        let state = |text: &str, fingerprint: &str| {
            let (digest, fingerprint) = (Digest::of(text.as_bytes()), Fingerprint(fingerprint.into()));
            Box::new(State { digest, fingerprint, sort: "file".into(), spec: None, content: None, hidden: false })
        };
        Preview {
            id: ObjectId::new(kind, name),
            live: fingerprint.map_or(Live::Absent, |fingerprint| Live::Known(state("live", fingerprint))),
            after: After::Is(state("right", "")),
            calls: vec![],
            rank: 0,
            wave: 0,
            protected: None,
            touched: at.map(|at| Box::new(Touched { at: Some(Time(at)), ..Touched::default() })),
        }
    }

    /// Looks at one object beside one of its kind that did not move.
    fn moved(preview: &Preview, left: &str, beside: bool) -> bool {
        let mut same = drifted("path", "/beside", Some("same"), None);
        same.id.kind = preview.id.kind.clone();
        let inventory = Inventory { objects: [(same.id.clone(), owned("same"))].into() };
        let items = if beside { vec![same] } else { vec![] };
        let previews = Previews { items, ..Previews::default() };
        Moved::new(&previews, &inventory, Some(LAST)).tells(preview, &owned(left))
    }

    #[test]
    fn what_others_moved_is_told_from_what_only_looks_otherwise() {
        let path = |fingerprint, at| drifted("path", "/a", fingerprint, at);
        assert!(moved(&path(Some("2"), None), "1", true), "its fingerprint moved");
        assert!(!moved(&path(Some("1"), None), "1", true), "nothing of it moved");
        assert!(moved(&path(None, None), "1", true), "it is gone");
        // Where no fingerprint is what it was, this version makes them otherwise: then only the time tells.
        assert!(!moved(&path(Some("2"), Some(100)), "1", false));
        assert!(moved(&path(Some("2"), Some(101)), "1", false));
        // The fingerprint of a unit says nothing of how it is.
        let unit = |at| drifted("unit", "a.service", Some("unit:running"), at);
        assert!(!moved(&unit(None), "unit:running", true));
        assert!(!moved(&unit(Some(99)), "unit:running", true), "the version before saw it so, and left it");
        assert!(moved(&unit(Some(101)), "unit:running", true));
    }
}
