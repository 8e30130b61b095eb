//! Begins what a configuration declares: pollers, watches, and the tasks of applications.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::Agent;
use super::application::Task;
use super::commands::Asked;
use super::declared::Force;
use super::estate::{Estate, Following, Kept, Reached, StartError};
use super::poller::Poller;
use super::reverting::Reverting;
use super::status::Followed;
use super::watcher::Watcher;
use crate::config::{Application, Declared, Repository};
use crate::model::{Actor, Guard, Name, Pace, SyncId};
use crate::store::{Applied, Open};
use crate::sync::{Course, Memory, Progress, Subject};
use crate::target::Call;

/// Commands queue here while a sync runs; a bell that finds the queue full is answered by the sync that comes anyway.
const QUEUE: usize = 32;

impl Agent {
    pub(super) fn follow(&self, name: &Name, following: &Following) {
        let followed = Followed {
            url: following.declared.url.clone(),
            reference: reference(&following.declared),
            source: following.source.clone(),
        };
        self.inner.board.follow(name, followed);
        let poller = Poller {
            name: name.clone(),
            source: following.source.clone(),
            store: self.inner.store.clone(),
            interval: following.declared.poll.0,
            bell: self.inner.hooks.bell(name),
            counts: self.inner.counts.clone(),
            pace: Pace::new(self.inner.store.key(), format!("repository {name}")),
            stop: following.stop.clone(),
        };
        let (agent, name) = (self.clone(), name.clone());
        self.inner.tasks.spawn(poller.run(move || agent.ring_followers(&name)));
    }

    /// Removes what a crash left half-way, then watches.
    pub(super) async fn reach(
        &self,
        name: &Name,
        reached: &Reached,
        open: &BTreeMap<Name, Open>,
    ) -> Result<(), StartError> {
        let mut touched = self.inner.store.owned_on(name).await?;
        let plans = open.values().map(|open| &open.prepared.plan).filter(|plan| plan.target == *name);
        touched.extend(plans.flat_map(|plan| plan.steps.iter().map(|step| step.id.clone())));
        let call = Call {
            deadline: tokio::time::Instant::now() + std::time::Duration::from_mins(1),
            cancel: reached.stop.clone(),
            fence: self.inner.store.fence(),
            sync: SyncId("recover".into()),
            actor: Actor::daemon("recovery"),
        };
        if let Err(error) = reached.target.recover(&call, &touched).await {
            let message = crate::model::chain(&error);
            tracing::warn!(target_name = %name, error = message, "could not clean up after the last run");
        }
        let watcher = Watcher {
            name: name.clone(),
            target: reached.target.clone(),
            owners: reached.owners.clone(),
            stop: reached.stop.clone(),
        };
        let agent = self.clone();
        self.inner.tasks.spawn(watcher.run(move |name| agent.ring(name, "live change")));
        Ok(())
    }

    pub(super) async fn open_syncs(&self) -> Result<BTreeMap<Name, Open>, StartError> {
        let open = self.inner.store.open_syncs().await?;
        Ok(open.into_iter().map(|open| (open.prepared.plan.application.clone(), open)).collect())
    }

    /// Begins the task of an application.
    pub(super) async fn keep(
        &self,
        estate: &Estate,
        force: &Force,
        name: &Name,
        declared: &Declared<Application>,
        open: Option<Open>,
    ) -> Result<Kept, StartError> {
        let spec = &declared.spec;
        // `check` has seen to it that both are declared.
        let (following, reached) = (&estate.repositories[&spec.source.repository], &estate.targets[&spec.target]);
        let mut memory = Memory::load(&self.inner.store, &spec.target, name).await?;
        memory.open = open;
        // What another repository had last is no part of this one's history.
        let same = |applied: &&Applied| applied.url == following.declared.url;
        if let Some(applied) = memory.state.applied.as_ref().filter(same) {
            following.source.applied(name, applied.revision.clone());
        }
        if let Some(accepted) = memory.state.accepted.as_ref().filter(|one| one.url == following.declared.url) {
            following.source.accepted(name, accepted.revision.clone());
        }
        let origin = estate.origin(force, name, spec, self.inner.store.key());
        let (holds, within) = (origin.holds.clone(), origin.within.clone());
        self.inner.board.declare(name, declared);
        let stop = self.inner.stop.child_token();
        let (board, shown) = (self.inner.board.clone(), name.clone());
        let course = Course::new(self.inner.clock.clone(), move |room| board.inside(&shown, room));
        let subject = Subject {
            name: name.clone(),
            target_name: spec.target.clone(),
            labels: declared.labels.clone(),
            policy: spec.sync.clone(),
            rules: self.inner.rules.clone(),
            origin,
            target: reached.target.clone(),
            neighbours: estate.neighbours.clone(),
            store: self.inner.store.clone(),
            clock: self.inner.clock.clone(),
            redactor: estate.redactor.clone(),
            glasses: self.inner.glasses.clone(),
            cancel: stop.clone(),
            progress: Progress::default(),
            course,
            memory,
        };
        let folder = self.inner.store.folder().join("reverts").join(name.as_str());
        let refused = |source| StartError::Source { name: spec.source.repository.clone(), source };
        let reverter = following.reverter(folder).map_err(refused)?;
        let pace = Pace::new(self.inner.store.key(), format!("revert of {name}"));
        let reverting = Reverting::new(
            reverter,
            &reference(&following.declared),
            self.inner.hooks.bell(&spec.source.repository),
            pace,
        );
        let (commands, receiver) = mpsc::channel(QUEUE);
        let commands = Asked::new(commands);
        let task = Task {
            subject,
            commands: receiver,
            board: self.inner.board.clone(),
            traces: self.inner.traces.clone(),
            counts: self.inner.counts.clone(),
            bells: self.inner.bells.clone(),
            owners: reached.owners.clone(),
            pace: Pace::new(
                self.inner.store.key(),
                format!("application {name} of {}", force.config.daemon.data.display()),
            ),
            turns: self.inner.turns.clone(),
            begun: self.inner.begun.clone(),
            stop: stop.clone(),
            failures: 0,
            reverting,
        };
        self.inner.bells.hang(name, &spec.source.repository, commands.clone());
        let ended = self.inner.tasks.spawn(task.run());
        Ok(Kept { declared: declared.clone(), holds, within, commands, stop, ended })
    }

    pub(super) fn ring(&self, name: &Name, reason: &str) {
        self.inner.bells.ring(reason, |application, _| application == name);
    }

    /// Rings for those that wait for an object which another application held.
    pub(super) fn ring_waiting(&self) {
        self.inner.board.let_go();
        let waiting = self.inner.board.held_by(Guard::Claim);
        self.inner.bells.ring("claim", |application, _| waiting.contains(application));
    }

    fn ring_followers(&self, repository: &Name) {
        self.inner.bells.ring("poll", |_, followed| followed == repository);
        self.inner.hooks.news(repository);
    }
}

pub(super) fn reference(declared: &Repository) -> String {
    match (&declared.branch, &declared.tag, &declared.commit) {
        (_, _, Some(commit)) => commit.clone(),
        (_, Some(tag), _) => format!("refs/tags/{tag}"),
        (Some(branch), ..) => format!("refs/heads/{branch}"),
        (None, None, None) => "refs/heads/main".into(),
    }
}
