use tokio::time::Instant;

use super::candidate::Candidate;
use super::draft::{Draft, Purpose};
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::model::Revision;
use crate::model::view::{PlanView, PolicyView};
use crate::{plan, policy};

/// Returns what a sync would do now, or what it would do at another revision: a branch not merged yet, an older commit. Changes
/// nothing, and is never executed.
///
/// # Errors
/// When there is no plan: Git, the render or the target does not allow one.
pub async fn preview(subject: &mut Subject, revision: Option<&str>) -> Result<PlanView, Refusal> {
    let ring = Ring::daemon("plan");
    // What the newest revision would do comes after that.
    let upgraded = if revision.is_none() { subject.upgraded(&ring).await? } else { None };
    let draft = if let Some(draft) = upgraded {
        draft
    } else {
        let candidate = match revision {
            // What a person asked to go back to comes before what Git says.
            None => match subject.asked_candidate().await? {
                Some(asked) => asked,
                None => newest(subject).await?,
            },
            Some(name) => named(subject, name).await?,
        };
        let (desired, inputs) = (candidate.desired.clone(), candidate.inputs);
        subject.draft(Purpose::Forward(candidate), desired, inputs, &ring).await?
    };
    let revision = draft.purpose.stored().revision().cloned();
    let commit = match &revision {
        Some(revision) => subject.origin.source.source().commit(revision).await.ok(),
        None => None,
    };
    let commit = commit.map(|commit| format!("{} <{}> {}", commit.author, commit.email, commit.subject()));
    shown(draft, revision, commit).await
}

/// Returns a plan as people look at it.
pub(super) async fn shown(
    draft: Draft,
    revision: Option<Revision>,
    commit: Option<String>,
) -> Result<PlanView, Refusal> {
    // New contents are read for their diffs, from the tree or the store.
    let compared = tokio::task::spawn_blocking(move || {
        let changes = plan::changes(&draft.planned.plan, &draft.previews, draft.complete()?);
        Ok((draft, changes))
    });
    let (draft, changes) = compared.await.map_err(|error| Refusal::broken("comparison of contents", &error))??;
    let (verdict, matched) = (draft.judged.verdict, draft.planned.matched.len());
    Ok(PlanView { plan: draft.planned.plan, revision, commit, verdict, changes, matched })
}

/// Returns which policies bind an application, and what they say of the plan that would run now.
///
/// # Errors
/// When there is no plan: Git, the render or the target does not allow one.
pub async fn explain(subject: &mut Subject) -> Result<Vec<PolicyView>, Refusal> {
    let candidate = newest(subject).await?;
    let (desired, inputs) = (candidate.desired.clone(), candidate.inputs);
    let draft = subject.draft(Purpose::Forward(candidate), desired, inputs, &Ring::daemon("plan")).await?;
    let (rules, facts) = (subject.rules.get(), &draft.judged.facts);
    Ok(policy::explain(&rules, facts, draft.verdict()))
}

async fn newest(subject: &mut Subject) -> Result<Candidate, Refusal> {
    let polled = subject.origin.source.poll(Instant::now()).await;
    let head = polled.head.map_err(|error| Refusal::source(&error))?;
    subject.origin.candidate(&subject.name, &head, subject.memory.candidate.as_ref()).await
}

async fn named(subject: &Subject, name: &str) -> Result<Candidate, Refusal> {
    let source = subject.origin.source.source();
    // Not the followed ref: whether it descends from what was applied is no question here.
    let head = source.resolve(name).await.map_err(|error| Refusal::source(&error))?;
    subject.origin.candidate(&subject.name, &head, None).await
}
