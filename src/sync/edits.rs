//! What people edited by hand under break-glass: found, shown, and kept as pre-images are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::preimages::found;
use super::refusal::Refusal;
use super::subject::{PATIENCE, Subject};
use crate::model::host::PATH;
use crate::model::{Actor, Complete, Live, ObjectId, Plan, PlanId, Previews, Step, matches};
use crate::plan;
use crate::store::{Preimage, StoreError, new_sync_id};

impl Subject {
    /// Looks at the objects that these patterns name, and keeps what differs from what was last applied: by the id of the plan
    /// that would put it right, and no other. `None` where nothing differs.
    ///
    /// # Errors
    /// When the target cannot be looked at, or the store not be written.
    pub async fn keep_edits(&mut self, patterns: &[String]) -> Result<Option<PlanId>, Refusal> {
        self.refresh().await.map_err(|error| Refusal::store(&error))?;
        let Some(applied) = self.memory.state.applied.clone() else { return Ok(None) };
        let desired = self.kept(applied.desired).await?;
        let complete = super::draft::objects(&desired)?;
        let sync = new_sync_id().map_err(|error| Refusal::store(&error))?;
        let call = self.call(sync.clone(), &Actor::daemon("live edit"));
        self.progress.waits("the target's preview", PATIENCE);
        let previews = self.target.preview(&call, &desired, &self.memory.inventory).await;
        let previews = previews.map_err(|error| Refusal::target(&error))?;
        let planned = plan::plan(&plan::Inputs {
            application: &self.name,
            target: &self.target_name,
            inputs: applied.inputs,
            desired: complete,
            owned: &self.memory.inventory,
            previews: &previews,
            owed: &BTreeSet::new(),
            held: &BTreeMap::new(),
            handed: &BTreeMap::new(),
            prune: false,
            no_deletes: None,
            only_delete: None,
            beyond: &BTreeSet::new(),
            ends: false,
            report_drift: false,
            left_alone: &BTreeSet::new(),
            glasses: &[],
        });
        let edited = |step: &&Step| step.id.kind == PATH && patterns.iter().any(|one| matches(one, &step.id.name));
        let steps: Vec<Step> = planned.plan.steps.iter().filter(edited).cloned().collect();
        if steps.is_empty() {
            return Ok(None);
        }
        let plan = Plan::new(self.name.clone(), self.target_name.clone(), applied.inputs, steps);
        let (complete, at) = (complete.clone(), plan.clone());
        // Contents are read for their diffs, from the store.
        let shown = tokio::task::spawn_blocking(move || objects(&at, &previews, &complete));
        let (objects, contents) = shown.await.map_err(|error| Refusal::broken("comparison of contents", &error))?;
        let mut preimages = self.no_preimages(plan.id, sync, self.clock.now());
        (preimages.revision, preimages.objects) = (Some(applied.revision), objects);
        let kept = async {
            let mut tx = self.store.write().await?;
            for content in &contents {
                tx.put_content(content).await?;
            }
            tx.keep_preimages(&preimages).await?;
            tx.commit().await
        };
        kept.await.map_err(|error: StoreError| Refusal::store(&error))?;
        Ok(Some(plan.id))
    }
}

/// Returns what was found at each step, with the contents that can be kept. Blocking: reads contents.
fn objects(plan: &Plan, previews: &Previews, complete: &Complete) -> (Vec<Preimage>, Vec<Arc<[u8]>>) {
    let steps: Vec<&Step> = plan.steps.iter().collect();
    let (mut objects, contents) = found(&steps, previews, |id| complete.objects.get(id));
    objects.extend(steps.iter().filter(|step| is_gone(previews, &step.id)).map(|step| Preimage {
        id: step.id.clone(),
        action: step.action,
        spec: None,
        place: complete.objects.get(&step.id).map(|spec| spec.place().clone()),
        hidden: false,
        lost: None,
        withheld: false,
        gone: true,
        edited: None,
    }));
    let mut edits = plan::edits(plan, previews, complete);
    for object in &mut objects {
        let edit = edits.iter().position(|edit| edit.step.id == object.id);
        object.edited = edit.map(|at| edits.swap_remove(at));
    }
    (objects, contents)
}

fn is_gone(previews: &Previews, id: &ObjectId) -> bool {
    previews.items.iter().any(|preview| preview.id == *id && matches!(preview.live, Live::Absent))
}
