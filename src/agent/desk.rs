//! What people and programs ask of the daemon.

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::commands::{Asked, Command};
use super::{Agent, Daemon, preimages};
use crate::audit::{self, Act, ActBody, Body, Entry};
use crate::model::view::{ApplicationStatus, PlanView, PreimagesView, Status, SyncReport};
use crate::model::{Actor, Guard, Name, Outcome, PassedBy, PlanId, Problem, chain};
use crate::store::{Approval, Found, Held, StoreError, StoreErrorKind};
use crate::sync::{Refusal, Ring};

/// An approval that nobody used expires after this many seconds.
const APPROVAL_LASTS: i64 = 24 * 60 * 60;
/// Fewer digits of a plan id might name another plan tomorrow.
pub(super) const SHORTEST_PLAN: usize = 8;

#[async_trait]
impl Daemon for Agent {
    fn status(&self) -> Status {
        let rejected = self.inner.rejected.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            started: self.inner.started,
            rejected_configuration: rejected.clone(),
            trail: self.inner.trail.status(),
            repositories: self.inner.board.repositories(),
            applications: self.inner.board.applications(),
        }
    }

    async fn plan(&self, application: &str, revision: Option<&str>) -> Result<PlanView, Problem> {
        let (_, commands) = self.find(application).await?;
        let view = ask(&commands, |reply| Command::Plan(revision.map(str::to_owned), reply)).await?;
        view.map_err(|refusal| refused(&refusal))
    }

    async fn sync(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        let (name, commands) = self.find(application).await?;
        self.act(Act::Sync, &name, None, &actor).await?;
        let ring = Ring { actor, since: Some(Instant::now()), insist: true, adopt: false };
        ask(&commands, |reply| Command::Sync(ring, reply)).await
    }

    async fn approve(&self, plan: &str, actor: Actor) -> Result<SyncReport, Problem> {
        if plan.len() < SHORTEST_PLAN {
            let problem = Problem::new(400, "plan.too-short", "a plan id has at least 8 digits");
            return Err(problem.hint("`trueup status` shows the plans that wait"));
        }
        let held = match self.inner.store.find_plan(plan).await.map_err(|error| store_problem(&error))? {
            Found::One(held) => held,
            Found::None => {
                let problem = Problem::new(404, "plan.unknown", format!("no held plan begins with {plan}"));
                return Err(problem.hint("it may have moved: `trueup status` shows the plans that wait"));
            }
            Found::Many(_) => {
                return Err(Problem::new(409, "plan.ambiguous", format!("more than one held plan begins with {plan}")));
            }
        };
        let plan = &held.prepared.plan;
        let (name, commands) = self.find(plan.application.as_str()).await?;
        self.act(Act::Approve, &name, Some(plan.id), &actor).await?;
        let ring = Ring { actor, since: None, insist: false, adopt: false };
        let report = ask(&commands, |reply| Command::Sync(ring, reply)).await?;
        unmoved(plan.id, report)
    }

    async fn adopt(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        let (name, commands) = self.find(application).await?;
        let held = self.inner.store.held_plan(&name).await.map_err(|error| store_problem(&error))?;
        let plan = held.map(|held| only_adoption(&held)).transpose()?;
        self.act(Act::Adopt, &name, plan, &actor).await?;
        // Not polled: what is adopted is what the person could look at.
        let ring = Ring { actor, since: None, insist: false, adopt: true };
        let report = ask(&commands, |reply| Command::Sync(ring, reply)).await?;
        match plan {
            Some(plan) => unmoved(plan, report),
            None => Ok(report),
        }
    }

    async fn preimages(&self, plan: &str) -> Result<PreimagesView, Problem> {
        preimages::view(&self.inner.store, plan).await
    }

    async fn preimage(&self, plan: &str, number: usize) -> Result<Vec<u8>, Problem> {
        preimages::content(&self.inner.store, plan, number).await
    }

    async fn suspend(&self, application: &str, reason: &str, actor: Actor) -> Result<ApplicationStatus, Problem> {
        let (_, commands) = self.find(application).await?;
        ask(&commands, |reply| Command::Suspend(reason.to_owned(), actor, reply)).await?
    }

    async fn resume(&self, application: &str, actor: Actor) -> Result<ApplicationStatus, Problem> {
        let (_, commands) = self.find(application).await?;
        ask(&commands, |reply| Command::Resume(actor, reply)).await?
    }
}

impl Agent {
    async fn find(&self, application: &str) -> Result<(Name, Asked), Problem> {
        let estate = self.inner.estate.lock().await;
        if let Some((name, kept)) = estate.applications.get_key_value(application) {
            return Ok((name.clone(), kept.commands.clone()));
        }
        let known: Vec<_> = estate.applications.keys().map(Name::as_str).take(20).collect();
        let problem = Problem::new(404, "application.unknown", "no application of that name is declared");
        Err(problem.hint(format!("declared are: {}", known.join(", "))))
    }

    /// Records what a person did; a yes to a plan is written down with it.
    async fn act(&self, act: Act, name: &Name, plan: Option<PlanId>, actor: &Actor) -> Result<(), Problem> {
        let ledger = self.ledger().await;
        let now = ledger.clock.now();
        let expires = plan.map(|_| now.plus_seconds(APPROVAL_LASTS));
        let body = Body::Act(ActBody { act, reason: None, expires });
        let entry =
            Entry { application: Some(name.clone()), revision: None, plan, sync: None, actor: actor.clone(), body };
        let written = async {
            let mut tx = ledger.store.write().await?;
            if let (Some(plan), Some(expires)) = (plan, expires) {
                tx.approve(&Approval { plan, actor: actor.clone(), time: now, expires }).await?;
            }
            audit::append(&mut tx, now, &ledger.redactor, &[entry]).await?;
            tx.commit().await
        };
        written.await.map_err(|error: StoreError| store_problem(&error))
    }
}

/// Returns the id of a held plan that only waits for adoption.
fn only_adoption(held: &Held) -> Result<PlanId, Problem> {
    let plan = held.prepared.plan.id;
    let adoption =
        |guard: Guard| guard.passed_by() != PassedBy::Approval || matches!(guard, Guard::Adoption | Guard::Manual);
    match held.prepared.verdict.findings.iter().find(|finding| !adoption(finding.guard)) {
        None => Ok(plan),
        Some(other) => {
            let title = format!("plan {} does more than adopt: {}", plan.short(), other.message);
            Err(Problem::new(409, other.guard.code(), title)
                .hint("look at it with `trueup plan`, and approve it by its id"))
        }
    }
}

/// Refuses a sync that came to another plan than the one that a person said yes to.
fn unmoved(plan: PlanId, report: SyncReport) -> Result<SyncReport, Problem> {
    if report.outcome == Outcome::Held && report.plan.is_some_and(|other| other != plan) {
        let title = format!("plan {} is not what would run now", plan.short());
        return Err(Problem::new(409, "plan.stale", title).hint("look at the new plan with `trueup plan`"));
    }
    Ok(report)
}

/// Asks the task of an application, and waits for the answer.
async fn ask<T>(commands: &Asked, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Problem> {
    let stopping = || Problem::new(503, "daemon.stopping", "the daemon is stopping, or the application was removed");
    let (reply, answer) = oneshot::channel();
    commands.send(Box::new(command(reply))).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

fn refused(refusal: &Refusal) -> Problem {
    let status = if refusal.outcome == Outcome::Failed { 503 } else { 422 };
    let mut problem = Problem::new(status, &refusal.code, &refusal.message);
    problem.mistakes.clone_from(&refusal.mistakes);
    problem
}

pub(super) fn store_problem(error: &StoreError) -> Problem {
    let problem = Problem::new(503, error.code(), chain(error));
    match error.kind {
        StoreErrorKind::Full => problem.hint("nothing is changed while it lasts; make room on the data folder's disk"),
        _ => problem,
    }
}

pub(super) fn internal(error: &serde_json::Error) -> Problem {
    Problem::new(500, "internal", format!("could not encode the answer: {error}"))
}
