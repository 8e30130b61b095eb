//! What somebody proposes: the plan that merging it would cause. It is never carried out.

use std::sync::Arc;

use super::candidate::{Candidate, Origin};
use super::draft::Purpose;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use super::view::shown;
use crate::model::view::PlanView;
use crate::model::{Desired, Name, ObjectId, Outcome};
use crate::render;
use crate::source::{Head, Tree};

/// A revision that nobody has merged yet.
pub struct Proposal {
    /// What is proposed.
    pub head: Head,
    /// Where the followed ref is.
    pub onto: Head,
    /// The tree of that.
    pub before: Arc<dyn Tree>,
    /// The tree that a merge would give.
    pub after: Arc<dyn Tree>,
}

/// Returns the plan that a merge would cause; `None` where the application is not touched. Nothing is rendered of what is not signed
/// as the repository asks for, and nothing is shown of a content because the proposal says that it may be.
///
/// # Errors
/// When there is no plan: Git, the render or the target does not allow one.
pub async fn propose(subject: &mut Subject, proposal: &Arc<Proposal>) -> Result<Option<PlanView>, Refusal> {
    let Some(candidate) = subject.origin.proposed(&subject.name, proposal).await? else { return Ok(None) };
    if let Some(bad) = subject.memory.state.mark(&candidate.inputs) {
        let message = format!("the same failed before, at revision {}: {}", bad.revision.short(), bad.reason);
        return Err(Refusal::new(Outcome::Refused, "sync.bad-inputs", message));
    }
    let (desired, inputs) = (candidate.desired.clone(), candidate.inputs);
    let draft = subject.draft(Purpose::Forward(candidate), desired, inputs, &Ring::daemon("proposal")).await?;
    let open = opened(&draft.desired);
    let mut view = shown(draft, Some(proposal.head.revision.clone()), None).await?;
    for change in view.changes.iter_mut().filter(|change| open.contains(&change.step.id)) {
        (change.diff, change.note) = (None, Some("content hidden until it is merged".into()));
    }
    Ok(Some(view))
}

/// Returns the objects whose documents say that everybody may see their content, whoever may read it on the target.
fn opened(desired: &Desired) -> Vec<ObjectId> {
    let Desired::Objects(complete) = desired else { return vec![] };
    let says = |body: &serde_json::Value| body.get("show").and_then(serde_json::Value::as_bool) == Some(true);
    complete.objects.iter().filter(|(_, spec)| says(spec.body())).map(|(id, _)| id.clone()).collect()
}

impl Origin {
    /// Renders what a proposal would give; nothing of it before its signatures were found valid.
    async fn proposed(&self, name: &Name, proposal: &Arc<Proposal>) -> Result<Option<Candidate>, Refusal> {
        let (origin, read) = (self.clone(), proposal.clone());
        let touched = tokio::task::spawn_blocking(move || {
            let inputs = |tree: &Arc<dyn Tree>| {
                render::inputs(tree.as_ref(), &origin.application).map_err(|error| Refusal::source(&error))
            };
            Ok::<_, Refusal>(inputs(&read.before)?.digest != inputs(&read.after)?.digest)
        });
        if !touched.await.map_err(|error| Refusal::broken("render", &error))?? {
            return Ok(None);
        }
        let signer = self.source.verify(&proposal.head, name).await.map_err(|error| Refusal::source(&error))?;
        let (origin, read) = (self.clone(), proposal.clone());
        let rendered = tokio::task::spawn_blocking(move || {
            // It would come by the ref that is followed.
            let head = Head { reference: read.onto.reference.clone(), ..read.head.clone() };
            origin.render(&read.after, &head, None)
        });
        let rendered = rendered.await.map_err(|error| Refusal::broken("render", &error))??;
        Ok(Some(Candidate { signer, onto: Some(proposal.onto.revision.clone()), ..rendered }))
    }
}
