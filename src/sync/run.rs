use std::collections::{BTreeMap, BTreeSet};

use super::course::Room;
use super::draft::{Draft, Found, Purpose};
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use super::upgrade::VERSION;
use crate::execute::{self, BeginError, Ledger, Preparation};
use crate::model::view::SyncReport;
use crate::model::{Action, Complete, Desired, Digest, ObjectId, Origin, Outcome, Owned, Spec, Step, chain};
use crate::store::{ApplicationState, Good, Open, Prepared, Store, encode_desired};

impl Subject {
    pub(super) fn ledger(&self) -> Ledger {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Ledger { store, clock, redactor: self.redactor.clone(), glasses: self.glasses.clone() }
    }

    /// Executes a draft that may go.
    pub(super) async fn run(&mut self, draft: Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let inside = self.course.enter(Room::Execute);
        let (open, preparation) = self.prepare(&draft, ring).await?;
        if !self.rules.get().is(&draft.judged.rules) {
            let message = "the policies have changed since the plan was judged; it is planned anew";
            return Err(Refusal::new(Outcome::Stale, "policy.changed", message));
        }
        execute::begin(&self.ledger(), &open, &preparation).await.map_err(|error| refuse_begin(&error))?;
        self.memory.inventory.objects.extend(draft.inherited.owned.objects);
        self.memory.inventory.objects.extend(preparation.inventory);
        self.memory.owed.extend(execute::owed_by(&open).map(|owed| (owed.id, owed.spec)));
        if let Some(state) = preparation.state {
            self.memory.state = state;
        }
        self.memory.open = Some(open.clone());
        self.finish(open, ring, inside).await
    }

    /// Gathers all that carrying out needs, so that nothing is left to choose or to fetch.
    async fn prepare(&self, draft: &Draft, ring: &Ring) -> Result<(Open, Preparation), Refusal> {
        let complete = draft.complete()?;
        let mut preparation = Preparation {
            inventory: self.remembered(draft, ring),
            inherited: draft.inherited.from.clone(),
            approvals: draft.judged.approvals.clone(),
            deletes: draft.judged.deletes,
            bounds: draft.judged.bounds.clone(),
            ..Preparation::default()
        };
        let desired = match (&draft.purpose, &self.memory.kept) {
            (Purpose::Keep | Purpose::RollBack { .. }, Some((digest, _))) => *digest,
            _ => self.keep_contents(complete, &mut preparation).await?,
        };
        self.keep_found(draft, &mut preparation).await?;
        self.keep_seen(draft, &mut preparation);
        preparation.needs.extend(draft.previews.artifact);
        let prepared = draft.prepared(desired)?;
        let sync = crate::store::new_sync_id().map_err(|error| Refusal::store(&error))?;
        let open = Open { sync, actor: ring.actor.clone(), started: self.clock.now(), prepared };
        self.keep_preimages(draft, &open, &mut preparation).await?;
        Ok((open, preparation))
    }

    /// Returns what changes in the inventory without a step.
    fn remembered(&self, draft: &Draft, ring: &Ring) -> BTreeMap<ObjectId, Owned> {
        let mut remembered = draft.planned.matched.clone();
        remembered.extend(draft.planned.refreshed.clone());
        if ring.adopt {
            let owned = self.memory.inventory.objects.iter().chain(&draft.inherited.owned.objects);
            let matched = owned.filter(|(_, owned)| owned.origin == Origin::Matched);
            for (id, owned) in matched {
                remembered.entry(id.clone()).or_insert_with(|| owned.clone());
            }
            for owned in remembered.values_mut().filter(|owned| owned.origin == Origin::Matched) {
                owned.origin = Origin::Adopted;
            }
        }
        remembered
    }

    pub(super) fn has_matched(&self) -> bool {
        self.memory.inventory.objects.values().any(|owned| owned.origin == Origin::Matched)
    }

    /// Keeps the Desired and the contents that the store may not have yet, and returns the digest of the Desired.
    async fn keep_contents(&self, complete: &Complete, preparation: &mut Preparation) -> Result<Digest, Refusal> {
        let needs: BTreeSet<Digest> =
            complete.objects.values().flat_map(|spec| spec.contents().iter().copied()).collect();
        preparation.needs.extend(needs);
        let missing = self.store.missing(&preparation.needs).await.map_err(|error| Refusal::store(&error))?;
        let contents = complete.contents.clone();
        let read = tokio::task::spawn_blocking(move || {
            missing.iter().map(|digest| contents.read(digest)).collect::<Result<Vec<_>, _>>()
        });
        let read = read.await.map_err(|error| Refusal::broken("reading of contents", &error))?;
        let read = read.map_err(|error| Refusal::new(Outcome::Refused, "source.content", chain(&error)))?;
        preparation.contents.extend(read);
        Ok(keep_desired(&complete.objects, preparation))
    }

    /// Has what others did recorded with the plan, and what of it is left as it is remembered as told.
    fn keep_seen(&self, draft: &Draft, preparation: &mut Preparation) {
        preparation.observed.clone_from(&draft.seen.acted);
        let known = &self.memory.state;
        if draft.watches && draft.spared() != known.seen {
            preparation.observed.extend(draft.seen.spared.iter().cloned());
            preparation.state.get_or_insert_with(|| known.clone()).seen = draft.spared();
        }
    }

    /// Takes what adoption is about to overwrite into *last good*, so that a failure can bring it back.
    async fn keep_found(&self, draft: &Draft, preparation: &mut Preparation) -> Result<(), Refusal> {
        let found = draft.found();
        if found.is_empty() {
            return Ok(());
        }
        let mut state: ApplicationState = self.memory.state.clone();
        let good = match &state.good {
            Some(good) => Some((good.revision.clone(), stored_desired(&self.store, &good.desired).await?)),
            None => None,
        };
        let (revision, mut objects) = match good {
            Some((revision, Desired::Objects(complete))) => (revision, complete.objects),
            Some((_, Desired::Opaque { .. })) | None => (None, BTreeMap::new()),
        };
        for Found { id, spec, content } in found {
            // Without its bytes it could not be brought back: better to leave it to whoever reads the failure.
            if spec.contents().is_empty() || content.is_some() {
                objects.insert(id, spec);
            }
            preparation.contents.extend(content);
        }
        let desired = keep_desired(&objects, preparation);
        let inputs = Digest::of_json("trueup/found/v1", &desired);
        state.good = Some(Good { revision, inputs, desired });
        preparation.state = Some(state);
        Ok(())
    }
}

impl Draft {
    /// Returns the plan with all that carrying it out needs.
    pub(super) fn prepared(&self, desired: Digest) -> Result<Prepared, Refusal> {
        let complete = self.complete()?;
        let plan = self.planned.plan.clone();
        let spec = |(number, step): (usize, &Step)| {
            let spec = self.spec(complete, step)?;
            Some((number, spec.clone()))
        };
        let specs = plan.steps.iter().enumerate().filter_map(spec).collect();
        let (verdict, handed) = (self.verdict().clone(), self.handed.clone());
        let (artifact, precondition) = (self.previews.artifact, self.previews.precondition);
        let (purpose, unnamed) = (self.purpose.stored(), self.unnamed.clone());
        let version = VERSION.into();
        Ok(Prepared { plan, specs, desired, verdict, purpose, handed, unnamed, artifact, precondition, version })
    }

    /// Returns what a step makes or runs.
    fn spec<'a>(&'a self, complete: &'a Complete, step: &Step) -> Option<&'a Spec> {
        let written = || complete.objects.get(&step.id).or_else(|| self.previews.runs.get(&step.id));
        if step.action == Action::Release { None } else { written() }
    }
}

fn refuse_begin(error: &BeginError) -> Refusal {
    match error {
        BeginError::Store(error) => Refusal::store(error),
        BeginError::Claimed { .. } => Refusal::new(Outcome::Held, "guard.claim", chain(error)),
        BeginError::Bounds => Refusal::new(Outcome::Stale, "policy.limit", chain(error)),
        BeginError::Rejected => Refusal::new(Outcome::Stale, "guard.rejected", chain(error)),
        BeginError::Glass => Refusal::new(Outcome::Stale, "break-glass.ended", chain(error)),
        BeginError::Swept => Refusal::new(Outcome::Stale, "store.content-swept", chain(error)),
        BeginError::Approval => Refusal::new(Outcome::Held, "guard.approval-used", chain(error)),
    }
}

/// Adds a Desired to what is to be kept, and returns its digest.
fn keep_desired(objects: &BTreeMap<ObjectId, Spec>, preparation: &mut Preparation) -> Digest {
    let bytes = encode_desired(objects);
    let digest = Digest::of(&bytes);
    preparation.contents.push(bytes.into());
    digest
}

/// Reads a Desired that was kept; its contents come from the store as well.
pub(super) async fn stored_desired(store: &Store, digest: &Digest) -> Result<Desired, Refusal> {
    let kept = store.desired(digest).await.map_err(|error| Refusal::store(&error))?;
    let missing =
        || Refusal::new(Outcome::Failed, "store.content-missing", "the store no longer keeps the desired state");
    kept.map(Desired::Objects).ok_or_else(missing)
}
