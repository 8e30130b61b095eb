//! Applications that are declared no more: they are shown, and end by a person's word alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Agent;
use super::estate::{Estate, StartError};
use super::problems::{refused, stopping, store_problem};
use crate::audit::{Act, Entry};
use crate::config::{AppSource, Application, Config, Repository, SyncPolicy};
use crate::model::view::{OrphanStatus, PlanView, SyncReport};
use crate::model::{Actor, Guard, Name, Outcome, Pace, PlanId, Problem, chain};
use crate::render::MemoryCache;
use crate::source::{Gone, Shared};
use crate::store::{ApplicationState, Definition, Open, Purpose, Rejection, StoreError, Tx};
use crate::sync::{self, Course, Holds, Memory, Neighbours, Origin, Progress, Ring, Subject};

/// How soon one whose step is in doubt is taken up again, at first.
const AGAIN: Duration = Duration::from_secs(10);

/// An application that is just being destroyed, from outside.
pub(super) struct Leaving {
    target: Name,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// Destroys an application that is declared no more, as far as that may go now; `act` is what a person said of it.
    pub(super) async fn end_orphan(
        &self,
        name: &str,
        act: Act,
        plan: Option<PlanId>,
        actor: Actor,
    ) -> Result<SyncReport, Problem> {
        let (known, _) = self.idle_orphan(&*self.inner.estate.lock().await, name).await?;
        self.act(act, Some(&known), plan, None, &actor).await?;
        let mut estate = self.inner.estate.lock().await;
        let (name, target) = self.idle_orphan(&estate, name).await?;
        let mut subject = self.leaving(&estate, &name, &target).await.map_err(|error| store_problem(&error))?;
        subject.memory.open = self.open_of(&name).await.map_err(|error| store_problem(&error))?;
        let ring = Ring { actor, since: None, insist: false, adopt: false };
        let answer = self.take_away(&mut estate, subject, ring);
        drop(estate);
        answer.await.map_err(|_| stopping())
    }

    /// Returns what destroying an application that is declared no more would do now.
    pub(super) async fn plan_of_orphan(&self, name: &str) -> Result<PlanView, Problem> {
        let mut subject = {
            let estate = self.inner.estate.lock().await;
            let (name, target) = self.orphan(&estate, name).await?;
            self.leaving(&estate, &name, &target).await.map_err(|error| store_problem(&error))?
        };
        sync::preview_destroy(&mut subject).await.map_err(|refusal| refused(&refusal))
    }

    /// Writes down that a person said no to the end of an application: what is left of it stays.
    pub(super) async fn spare(&self, rejection: &Rejection, entry: &Entry) -> Result<SyncReport, Problem> {
        let application = rejection.application.clone();
        let state = self.inner.store.application(&application).await.map_err(|error| store_problem(&error))?;
        // Asked for once more, it is offered once more.
        let state = ApplicationState { told: None, ..state };
        let change = async |tx: &mut Tx| {
            tx.reject(rejection).await?;
            tx.put_application(&application, &state).await
        };
        self.write(std::slice::from_ref(entry), change).await?;
        let neighbours = self.inner.estate.lock().await.neighbours.clone();
        self.see_orphans(&neighbours).await;
        Ok(SyncReport {
            application,
            outcome: Outcome::Held,
            revision: None,
            plan: None,
            code: Some(Guard::Rejected.code().into()),
            message: Some("it stays as it is".into()),
            findings: vec![],
            steps: vec![],
            corrective: 0,
            milliseconds: 0,
            changes_at: None,
        })
    }

    /// Finds one that is not being destroyed just now.
    async fn idle_orphan(&self, estate: &Estate, name: &str) -> Result<(Name, Name), Problem> {
        let (name, target) = self.orphan(estate, name).await?;
        if estate.leaving.get(&name).is_some_and(|leaving| !leaving.ended.is_finished()) {
            let problem = Problem::new(409, "destroy.running", format!("{name} is being destroyed just now"));
            return Err(problem.hint("`trueup status` shows what is left of it"));
        }
        Ok((name, target))
    }

    /// Finds an application that is declared no more, and a target that it left something on.
    async fn orphan(&self, estate: &Estate, name: &str) -> Result<(Name, Name), Problem> {
        if estate.applications.contains_key(name) {
            let problem = Problem::new(409, "application.declared", format!("{name} is declared"));
            return Err(problem.hint(
                "take its document away first: what it made stays as it is, until `trueup destroy` takes that away too",
            ));
        }
        let orphans = self.left_behind(&estate.neighbours).await.map_err(|error| store_problem(&error))?;
        let held: Vec<_> = orphans.keys().filter(|(application, _)| application.as_str() == name).collect();
        let reached = |one: &&&(Name, Name)| estate.targets.contains_key(&one.1);
        match (held.iter().find(reached), held.first()) {
            (Some((application, target)), _) => Ok((application.clone(), target.clone())),
            (None, Some((_, target))) => {
                let title = format!("{name} left its objects on the target {target}, which is declared no more either");
                Err(Problem::new(409, "target.unknown", title)
                    .hint("declare the target again; no application is needed"))
            }
            (None, None) => {
                let problem =
                    Problem::new(404, "application.unknown", "nothing is left of an application of that name");
                let names: Vec<_> = orphans.keys().map(|(application, _)| application.as_str()).take(20).collect();
                Err(if names.is_empty() {
                    problem
                } else {
                    problem.hint(format!("declared no more are: {}", names.join(", ")))
                })
            }
        }
    }

    /// Returns how many objects each application that is declared no more has on each target. What was declared in Git is none: on
    /// no target is anything of it.
    async fn left_behind(&self, neighbours: &Neighbours) -> Result<BTreeMap<(Name, Name), usize>, StoreError> {
        let mut known = neighbours.names();
        known.insert(Name::declarations());
        self.inner.store.orphans(&known).await
    }

    /// Returns the application as it is remembered: it follows no repository.
    async fn leaving(&self, estate: &Estate, name: &Name, target_name: &Name) -> Result<Subject, StoreError> {
        let memory = Memory::load(&self.inner.store, target_name, name).await?;
        let nothing = || Definition { labels: [].into(), repository: name.clone(), layers: vec![] };
        let Definition { labels, repository, layers } = memory.state.definition.clone().unwrap_or_else(nothing);
        let source = AppSource { repository, path: None, paths: layers };
        let application = Application { source, target: target_name.clone(), sync: SyncPolicy::default() };
        let url = memory.state.applied.as_ref().map(|applied| applied.url.as_str()).unwrap_or_default();
        let origin = Origin {
            application: Arc::new(application),
            repository: Arc::new(Repository::at(url)),
            source: Arc::new(Shared::new(Arc::new(Gone), self.inner.clock.clone())),
            cache: Arc::new(MemoryCache::new(0)),
            key: self.inner.store.key().derive("trueup/secret/v1"),
            redactor: estate.redactor.clone(),
            holds: Holds::default(),
            within: None,
        };
        Ok(Subject {
            name: name.clone(),
            labels,
            target_name: target_name.clone(),
            policy: SyncPolicy::default(),
            rules: self.inner.rules.clone(),
            origin,
            // `orphan` has seen to it that it is declared, and so has `resume_ends`.
            target: estate.targets[target_name].target.clone(),
            neighbours: estate.neighbours.clone(),
            store: self.inner.store.clone(),
            clock: self.inner.clock.clone(),
            redactor: estate.redactor.clone(),
            glasses: self.inner.glasses.clone(),
            cancel: self.inner.stop.child_token(),
            progress: Progress::default(),
            // Nobody follows it room by room.
            course: Course::new(self.inner.clock.clone(), |_| {}),
            memory,
        })
    }

    async fn open_of(&self, name: &Name) -> Result<Option<Open>, StoreError> {
        let open = self.inner.store.open_syncs().await?;
        Ok(open.into_iter().find(|open| open.prepared.plan.application == *name))
    }

    /// Begins, and returns where the answer comes. What stays open (a step in doubt) is taken up again until it is closed.
    fn take_away(&self, estate: &mut Estate, mut subject: Subject, ring: Ring) -> oneshot::Receiver<SyncReport> {
        let (reply, answer) = oneshot::channel();
        let (name, target, stop) = (subject.name.clone(), subject.target_name.clone(), subject.cancel.clone());
        let (agent, neighbours) = (self.clone(), estate.neighbours.clone());
        neighbours.leaves(&target, &name, true);
        let mut pace = Pace::new(self.inner.store.key(), format!("destruction of {name}"));
        let ended = self.inner.tasks.spawn(async move {
            let (mut reply, mut failures, stop) = (Some(reply), 0, subject.cancel.clone());
            loop {
                let report = {
                    let _turn = agent.inner.turns.take(&subject.name, &subject.progress).await;
                    Box::pin(sync::destroy(&mut subject, &ring)).await
                };
                neighbours.leaves(&subject.target_name, &subject.name, subject.memory.open.is_some());
                agent.ring_waiting();
                agent.see_orphans(&neighbours).await;
                // Whoever asked may have gone.
                if let Some(reply) = reply.take() {
                    let _ = reply.send(report);
                }
                if subject.memory.open.is_none() || stop.is_cancelled() {
                    return;
                }
                failures += 1;
                tokio::select! {
                    () = sleep(pace.back_off(AGAIN, failures)) => {} // a timer holds no data
                    () = stop.cancelled() => return, // level-triggered
                }
            }
        });
        estate.leaving.insert(name, Leaving { target, stop, ended });
        answer
    }

    /// Ends what takes away an application that is declared again, or whose target is another now.
    pub(super) async fn end_leaving(&self, estate: &mut Estate, config: &Config, gone: impl Fn(&Name) -> bool) {
        let ends = |name: &Name, leaving: &Leaving| config.applications.contains_key(name) || gone(&leaving.target);
        let ending: Vec<Name> = estate.leaving.iter().filter(|(n, l)| ends(n, l)).map(|(n, _)| n.clone()).collect();
        for name in ending {
            let Some(leaving) = estate.leaving.remove(&name) else { continue };
            leaving.stop.cancel();
            // A task that panicked has ended as well.
            let _ = leaving.ended.await;
            estate.neighbours.leaves(&leaving.target, &name, false);
        }
    }

    /// Takes up what a crash or a stop left half taken away.
    pub(super) async fn resume_ends(
        &self,
        estate: &mut Estate,
        open: impl IntoIterator<Item = Open>,
    ) -> Result<(), StartError> {
        for open in open {
            let (name, target) = (open.prepared.plan.application.clone(), open.prepared.plan.target.clone());
            let busy = estate.leaving.get(&name).is_some_and(|leaving| !leaving.ended.is_finished());
            if open.prepared.purpose != Purpose::Destroy || busy || !estate.targets.contains_key(&target) {
                continue;
            }
            let mut subject = self.leaving(estate, &name, &target).await?;
            let ring = Ring { actor: open.actor.clone(), ..Ring::daemon("recovery") };
            subject.memory.open = Some(open);
            drop(self.take_away(estate, subject, ring));
        }
        Ok(())
    }

    /// Shows the applications that are declared no more and left something.
    pub(super) async fn see_orphans(&self, neighbours: &Neighbours) {
        let seen = async {
            let mut all = vec![];
            for ((name, target), objects) in self.left_behind(neighbours).await? {
                let held = self.inner.store.held_plan(&name).await?;
                let held = held.filter(|held| held.prepared.purpose == Purpose::Destroy);
                all.push(OrphanStatus { name, target, objects, plan: held.map(|held| held.prepared.plan.id) });
            }
            Ok::<_, StoreError>(all)
        };
        match seen.await {
            Ok(all) => self.inner.board.orphaned(all),
            Err(error) => {
                tracing::warn!(error = chain(&error), "could not tell which applications are declared no more");
            }
        }
    }

    /// Looks again at what is left of applications whenever another one may have taken some of it over, until the daemon stops.
    pub(super) fn follow_orphans(&self) {
        let agent = self.clone();
        self.inner.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = agent.inner.board.taken_over.notified() => {} // a permit that is not taken stays
                    () = agent.inner.stop.cancelled() => return, // level-triggered
                }
                let neighbours = agent.inner.estate.lock().await.neighbours.clone();
                agent.see_orphans(&neighbours).await;
            }
        });
    }
}
