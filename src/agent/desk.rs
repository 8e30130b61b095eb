//! What people and programs ask of the daemon.

use async_trait::async_trait;
use tokio::time::Instant;

use super::commands::{Asked, Command, ask};
use super::problems::{refused, store_problem};
use super::{Agent, Daemon, preimages, unknown};
use crate::audit::{self, Act, ActBody, Body, Entry};
use crate::config::{Application, Config, Declared};
use crate::model::view::{
    ApplicationStatus, BreakGlassAsked, BreakGlassView, Edits, NotifyReport, PlanView, PolicyListed, PolicyView,
    PreimagesView, Status, SyncReport,
};
use crate::model::{Actor, Guard, Name, Outcome, PassedBy, PlanId, Problem, Time};
use crate::policy::Facts;
use crate::store::{Approval, Found, Held, Purpose, Rejection, StoreError, Tx};
use crate::sync::Ring;

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
            left_out: self.inner.left_out.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
            trail: self.inner.trail.status(),
            repositories: self.inner.board.repositories(),
            applications: self.inner.board.applications(),
            notifications: self.inner.board.notifications(),
            orphans: self.inner.board.orphans(),
        }
    }

    async fn plan(&self, application: &str, revision: Option<&str>) -> Result<PlanView, Problem> {
        let (_, commands) = match self.find(application).await {
            Ok(found) => found,
            // What was made for it may be there still.
            Err(unknown) if revision.is_none() => {
                let better = |problem: Problem| if problem.status == 404 { unknown } else { problem };
                return self.plan_of_orphan(application).await.map_err(better);
            }
            Err(unknown) => return Err(unknown),
        };
        let view = ask(&commands, |reply| Command::Plan(revision.map(str::to_owned), reply)).await?;
        view.map_err(|refusal| refused(&refusal))
    }

    async fn sync(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        let (name, commands) = self.find(application).await?;
        self.act(Act::Sync, Some(&name), None, None, &actor).await?;
        let ring = Ring { actor, since: Some(Instant::now()), insist: true, adopt: false };
        ask(&commands, |reply| Command::Sync(ring, reply)).await
    }

    async fn approve(&self, plan: &str, actor: Actor) -> Result<SyncReport, Problem> {
        let held = self.held_plan(plan).await?;
        let plan = &held.prepared.plan;
        if held.prepared.purpose == Purpose::Destroy {
            let report = self.end_orphan(plan.application.as_str(), Act::Approve, Some(plan.id), actor).await?;
            return unmoved(plan.id, report);
        }
        let (name, commands) = self.find(plan.application.as_str()).await?;
        self.act(Act::Approve, Some(&name), Some(plan.id), None, &actor).await?;
        let ring = Ring { actor, since: None, insist: false, adopt: false };
        let report = ask(&commands, |reply| Command::Sync(ring, reply)).await?;
        unmoved(plan.id, report)
    }

    async fn destroy(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        self.end_orphan(application, Act::Destroy, None, actor).await
    }

    async fn go_back(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        let (_, commands) = self.find(application).await?;
        ask(&commands, |reply| Command::GoBack(actor, reply)).await?.map_err(|refusal| refused(&refusal))
    }

    async fn reject(&self, plan: &str, reason: Option<String>, actor: Actor) -> Result<SyncReport, Problem> {
        let held = self.held_plan(plan).await?;
        let plan = &held.prepared.plan;
        let found = self.find(plan.application.as_str()).await;
        let name = plan.application.clone();
        let time = self.inner.clock.now();
        let rejection =
            Rejection { plan: plan.id, application: name.clone(), actor: actor.clone(), time, reason: reason.clone() };
        let body = Body::Act(ActBody { act: Act::Reject, reason, expires: None });
        let entry = act_entry(Some(&name), Some(plan.id), &actor, body);
        if found.is_err() && held.prepared.purpose == Purpose::Destroy {
            return self.spare(&rejection, &entry).await;
        }
        let (_, commands) = found?;
        self.write(&[entry], async |tx| tx.reject(&rejection).await).await?;
        let ring = Ring { actor, since: None, insist: false, adopt: false };
        ask(&commands, |reply| Command::Sync(ring, reply)).await
    }

    async fn policies(&self) -> Vec<PolicyListed> {
        let rules = self.inner.rules.get();
        let estate = self.inner.estate.lock().await;
        let applications = &estate.config.applications;
        let bound = |policy: &PolicyListed| {
            let about = |(name, declared): &(&Name, &Declared<Application>)| {
                rules.binds(&policy.name, &facts_of(name, declared, &estate.config, self.inner.clock.now()))
            };
            applications.iter().filter(about).map(|(name, _)| name.clone()).collect()
        };
        rules.listed().map(|policy| PolicyListed { applications: bound(&policy), ..policy }).collect()
    }

    async fn explain(&self, application: &str) -> Result<Vec<PolicyView>, Problem> {
        let (_, commands) = self.find(application).await?;
        ask(&commands, Command::Explain).await?.map_err(|refusal| refused(&refusal))
    }

    fn person(&self, unix: &[&str]) -> Option<Name> {
        self.inner.rules.get().people().unix_user(unix).cloned()
    }

    fn break_glass(&self) -> Vec<BreakGlassView> {
        self.glasses()
    }

    async fn break_glass_requests(&self) -> Vec<BreakGlassAsked> {
        self.requests().await
    }

    async fn break_glass_asked(&self, asked: BreakGlassAsked) -> Result<BreakGlassAsked, Problem> {
        self.filled(asked).await
    }

    async fn open_break_glass(&self, asked: BreakGlassAsked, actor: Actor) -> Result<BreakGlassView, Problem> {
        self.open_glass(asked, actor).await
    }

    async fn agree_break_glass(&self, id: &str, actor: Actor) -> Result<BreakGlassView, Problem> {
        self.agree(id, actor).await
    }

    async fn close_break_glass(&self, id: &str, actor: Actor) -> Result<BreakGlassView, Problem> {
        self.close_glass(id, actor).await
    }

    async fn edits(&self, id: &str, actor: Actor) -> Result<Vec<Edits>, Problem> {
        let edits = Agent::edits(self, id).await?;
        if !edits.is_empty() {
            let name = if let [one] = &edits[..] { Some(&one.application) } else { None };
            let what = format!("what was edited by hand under break-glass {id}");
            self.act(Act::Read, name, None, Some(what), &actor).await?;
        }
        Ok(edits)
    }

    async fn adopt(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        let (name, commands) = self.find(application).await?;
        let held = self.inner.store.held_plan(&name).await.map_err(|error| store_problem(&error))?;
        let plan = held.map(|held| only_adoption(&held)).transpose()?;
        self.act(Act::Adopt, Some(&name), plan, None, &actor).await?;
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

    async fn preimage(&self, plan: &str, number: usize, actor: Actor) -> Result<Vec<u8>, Problem> {
        let store = &self.inner.store;
        let (of, content) = preimages::content(store, plan, number).await?;
        if !preimages::is_told(store, &of, &actor, self.inner.clock.now()).await? {
            let reason = Some("what it overwrote or deleted".into());
            let body = Body::Act(ActBody { act: Act::Read, reason, expires: None });
            let entry = act_entry(Some(&of.application), Some(of.plan), &actor, body);
            self.write(&[entry], async |_| Ok(())).await?;
        }
        Ok(content)
    }

    async fn suspend(&self, application: &str, reason: &str, actor: Actor) -> Result<ApplicationStatus, Problem> {
        let (_, commands) = self.find(application).await?;
        ask(&commands, |reply| Command::Suspend(reason.to_owned(), actor, reply)).await?
    }

    async fn resume(&self, application: &str, actor: Actor) -> Result<ApplicationStatus, Problem> {
        let (_, commands) = self.find(application).await?;
        ask(&commands, |reply| Command::Resume(actor, reply)).await?
    }

    async fn test_notification(&self, name: &str, actor: Actor) -> Result<NotifyReport, Problem> {
        let Some(sink) = self.inner.board.sink(name) else {
            let known: Vec<_> = self.inner.board.notifications().into_iter().map(|one| one.name.to_string()).collect();
            return Err(unknown::no_notification().hint(format!("declared are: {}", known.join(", "))));
        };
        self.act(Act::Test, None, None, Some(format!("the notification {name}")), &actor).await?;
        let (id, answer) = sink.test(&actor).await?;
        let status = sink.status();
        Ok(NotifyReport { name: status.name, kind: status.kind, id, answer })
    }
}

impl Agent {
    pub(super) async fn find(&self, application: &str) -> Result<(Name, Asked), Problem> {
        let estate = self.inner.estate.lock().await;
        if let Some((name, kept)) = estate.applications.get_key_value(application) {
            return Ok((name.clone(), kept.commands.clone()));
        }
        Err(unknown::no_application())
    }

    /// Records what a person did; a yes to a plan is written down with it.
    pub(super) async fn act(
        &self,
        act: Act,
        name: Option<&Name>,
        plan: Option<PlanId>,
        reason: Option<String>,
        actor: &Actor,
    ) -> Result<(), Problem> {
        let now = self.inner.clock.now();
        let expires = plan.map(|_| now.plus_seconds(APPROVAL_LASTS));
        let body = Body::Act(ActBody { act, reason, expires });
        self.write(&[act_entry(name, plan, actor, body)], async |tx| {
            if let (Some(plan), Some(expires)) = (plan, expires) {
                tx.approve(&Approval { plan, actor: actor.clone(), time: now, expires }).await?;
            }
            if let (Act::Sync | Act::Destroy, Some(name)) = (act, name) {
                // A person says so: what was rejected may be offered again.
                tx.lift_rejections(name).await?;
            }
            Ok(())
        })
        .await
    }

    /// Writes a change and the records that tell of it, together.
    pub(super) async fn write(
        &self,
        entries: &[Entry],
        change: impl AsyncFnOnce(&mut Tx) -> Result<(), StoreError>,
    ) -> Result<(), Problem> {
        let ledger = self.ledger().await;
        let written = async {
            let mut tx = ledger.store.write().await?;
            change(&mut tx).await?;
            audit::append(&mut tx, ledger.clock.now(), &ledger.redactor, entries).await?;
            tx.commit().await
        };
        written.await.map_err(|error: StoreError| store_problem(&error))
    }

    /// Returns the one held plan whose id begins so.
    async fn held_plan(&self, plan: &str) -> Result<Box<Held>, Problem> {
        long_enough(plan)?;
        match self.inner.store.find_plan(plan).await.map_err(|error| store_problem(&error))? {
            Found::One(held) => Ok(held),
            Found::None => Err(unknown::no_held_plan(plan)),
            Found::Many(_) => Err(ambiguous(plan)),
        }
    }
}

/// # Errors
/// Where the beginning of an id is too short to be one.
pub(super) fn long_enough(plan: &str) -> Result<(), Problem> {
    if plan.len() >= SHORTEST_PLAN {
        return Ok(());
    }
    let problem = Problem::new(400, "plan.too-short", "a plan id has at least 8 digits");
    Err(problem.hint("`trueup status` shows the plans that wait"))
}

pub(super) fn ambiguous(plan: &str) -> Problem {
    Problem::new(409, "plan.ambiguous", format!("more than one held plan begins with {plan}"))
}

fn act_entry(name: Option<&Name>, plan: Option<PlanId>, actor: &Actor, body: Body) -> Entry {
    Entry { application: name.cloned(), revision: None, plan, sync: None, actor: actor.clone(), body }
}

/// Returns what can be said of an application without a look at Git or its target.
fn facts_of(name: &Name, declared: &Declared<Application>, config: &Config, now: Time) -> Facts {
    let source = &declared.spec.source.repository;
    let reference = config.repositories.get(source).map(super::begin::reference).unwrap_or_default();
    let facts = Facts::of(name.clone(), declared.spec.target.clone(), source.clone(), now);
    Facts { labels: declared.labels.clone(), reference, ..facts }
}

/// Returns the id of a held plan that only waits for adoption.
fn only_adoption(held: &Held) -> Result<PlanId, Problem> {
    let plan = held.prepared.plan.id;
    // What takes a yes of its own is not said yes to by the way.
    let adoption = |guard: Guard| {
        let takes_a_yes = [PassedBy::Approval, PassedBy::Approvals, PassedBy::Acceptance].contains(&guard.passed_by());
        !takes_a_yes || matches!(guard, Guard::Adoption | Guard::Manual)
    };
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
