//! What a plan is about to overwrite or delete, kept for `trueup restore`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::{Draft, Purpose};
use super::refusal::Refusal;
use super::subject::Subject;
use crate::execute::Preparation;
use crate::model::host::PATH;
use crate::model::{Action, Live, ObjectId, PlanId, Previews, Revision, Spec, State, Step, SyncId, Time};
use crate::store::{Open, Preimage, Preimages};

impl Subject {
    /// Adds what the preview found where the plan will write. A plan that overwrites nothing leaves nothing.
    pub(super) async fn keep_preimages(
        &self,
        draft: &Draft,
        open: &Open,
        preparation: &mut Preparation,
    ) -> Result<(), Refusal> {
        let overwrites = |step: &&Step| {
            step.id.kind == PATH
                && matches!(step.action, Action::Update | Action::Replace | Action::Delete | Action::Adopt)
        };
        let steps: Vec<_> = draft.planned.plan.steps.iter().filter(overwrites).collect();
        if steps.is_empty() {
            return Ok(());
        }
        let before = self.before(&steps).await?;
        let mut preimages = self.no_preimages(draft.planned.plan.id, open.sync.clone(), open.started);
        preimages.revision = self.revision_of(&draft.purpose);
        let complete = draft.complete()?;
        let declared = |id: &ObjectId| complete.objects.get(id).or_else(|| before.get(id));
        let (objects, contents) = found(&steps, &draft.previews, declared);
        preimages.objects = objects;
        preparation.contents.extend(contents);
        preparation.preimages = Some(preimages);
        Ok(())
    }

    pub(super) fn no_preimages(&self, plan: PlanId, sync: SyncId, time: Time) -> Preimages {
        Preimages {
            plan,
            sync,
            application: self.name.clone(),
            time,
            revision: None,
            url: self.origin.repository.url.clone(),
            layers: self.origin.application.source.layers().into_iter().map(str::to_owned).collect(),
            objects: vec![],
        }
    }

    /// Returns how what goes was declared when it was last applied: the new revision no longer says.
    async fn before(&self, steps: &[&Step]) -> Result<BTreeMap<ObjectId, Spec>, Refusal> {
        let goes = |step: &&Step| step.action == Action::Delete;
        match &self.memory.state.applied {
            Some(applied) if steps.iter().any(goes) => {
                let kept = self.store.desired(&applied.desired).await.map_err(|error| Refusal::store(&error))?;
                Ok(kept.map(|complete| complete.objects).unwrap_or_default())
            }
            _ => Ok(BTreeMap::new()),
        }
    }

    fn revision_of(&self, purpose: &Purpose) -> Option<Revision> {
        let state = &self.memory.state;
        match purpose {
            Purpose::Forward(candidate) | Purpose::Upgrade(candidate) => Some(candidate.revision.clone()),
            Purpose::Keep | Purpose::Destroy => state.applied.as_ref().map(|applied| applied.revision.clone()),
            Purpose::RollBack { .. } => state.good.as_ref().and_then(|good| good.revision.clone()),
        }
    }
}

/// Returns what lies where steps will write, with the contents that can be kept. What is not there is passed over.
pub(super) fn found<'s>(
    steps: &[&Step],
    previews: &Previews,
    declared: impl Fn(&ObjectId) -> Option<&'s Spec>,
) -> (Vec<Preimage>, Vec<Arc<[u8]>>) {
    let live: BTreeMap<_, _> = previews.items.iter().map(|preview| (&preview.id, &preview.live)).collect();
    let (mut objects, mut contents) = (vec![], vec![]);
    for step in steps {
        let Some(Live::Known(state)) = live.get(&step.id) else { continue };
        let (preimage, content) = preimage(step, state, declared(&step.id));
        objects.push(preimage);
        contents.extend(content);
    }
    (objects, contents)
}

fn preimage(step: &Step, state: &State, declared: Option<&Spec>) -> (Preimage, Option<Arc<[u8]>>) {
    let content = state.content.clone();
    // What comes out of an encrypted file must not go back into Git in plain.
    let secret = declared
        .and_then(|spec| spec.body().get("secret"))
        .is_some_and(|secret| !secret.is_null() && secret.as_bool() != Some(false));
    let withheld = !secret && state.hidden && state.spec.is_none() && matches!(&*state.sort, "file" | "symlink");
    let lost = match &state.spec {
        _ if secret => Some("its content came out of an encrypted file"),
        None if withheld => Some("only the root half may read it: as root, --include-hidden writes it into the branch"),
        None => Some("it is something that trueup does not make"),
        Some(spec) if !spec.contents().is_empty() && content.is_none() => {
            Some("its content was not kept: files up to 1 MiB are, and 64 MiB of one plan")
        }
        Some(_) => None,
    };
    let preimage = Preimage {
        id: step.id.clone(),
        action: step.action,
        spec: state.spec.clone(),
        place: declared.map(|spec| spec.place().clone()),
        hidden: state.hidden,
        lost: lost.map(str::to_owned),
        withheld,
        gone: false,
        edited: None,
    };
    (preimage, content.filter(|_| lost.is_none()))
}
