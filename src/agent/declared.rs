//! What is declared in Git, and in force: what the application `declarations` last applied, laid over the machine's own files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::Agent;
use super::reload::refusal;
use crate::config::{Application, Config, Notification, Repository, Target};
use crate::model::{Mistake, Name, chain, event};
use crate::render;
use crate::store::{StoreError, StoreErrorKind};
use crate::sync::{Holds, Within};
use crate::target::Own;

/// Where the package keeps what the daemon lives by.
const PACKAGE: &str = "/etc/trueup";
/// What could not be taken is tried again after this.
const AGAIN: Duration = Duration::from_secs(10);

/// Everything that is in force.
pub(super) struct Force {
    /// What the machine's files declare.
    pub(super) machine: Arc<Config>,
    /// That, and what was accepted from Git.
    pub(super) config: Config,
    /// How far each application reaches that Git declares.
    within: BTreeMap<Name, Arc<Within>>,
    /// Documents of Git that do not fit the machine's files any more.
    left_out: Vec<Mistake>,
}

impl Force {
    pub(super) fn holds(&self, spec: &Application) -> Holds {
        if spec.target == Name::declarations() { Holds::Declarations(self.machine.clone()) } else { Holds::Objects }
    }

    pub(super) fn within(&self, name: &Name) -> Option<Arc<Within>> {
        self.within.get(name).cloned()
    }
}

/// Whether a target is declared, or the one that is built in.
pub(super) fn has_target(config: &Config, name: &Name) -> bool {
    config.targets.contains_key(name) || (config.daemon.declarations.is_some() && *name == Name::declarations())
}

impl Agent {
    /// Returns what is in force by these files of the machine: it comes from the store, whatever Git says now.
    ///
    /// # Errors
    /// When the store cannot be read, or does not keep what was applied: without it nobody could tell which rules are missing.
    pub(super) async fn in_force(&self, machine: Config) -> Result<Force, StoreError> {
        let mut accepted = vec![];
        if machine.daemon.declarations.is_some()
            && let Some(applied) = self.inner.store.application(&Name::declarations()).await?.applied
        {
            let gone =
                || StoreError::new(StoreErrorKind::Damaged, "could not read what is declared in Git: it is not kept");
            let complete = self.inner.store.desired(&applied.desired).await?.ok_or_else(gone)?;
            accepted = render::accepted(&complete.objects);
        }
        let (machine, effective) = (Arc::new(machine.clone()), machine.with_git(&accepted));
        let within = self.reaches(
            &machine,
            effective.from_git.iter().filter_map(|name| {
                let declared = effective.config.applications.get(name)?;
                Some((name, &declared.spec.target))
            }),
        );
        Ok(Force { machine, config: effective.config, within, left_out: effective.left_out })
    }

    fn reaches<'n>(
        &self,
        machine: &Config,
        from_git: impl Iterator<Item = (&'n Name, &'n Name)>,
    ) -> BTreeMap<Name, Arc<Within>> {
        let mut by_target: BTreeMap<&Name, Arc<Within>> = BTreeMap::new();
        let Some(declarations) = &machine.daemon.declarations else { return BTreeMap::new() };
        let reach = |target: &Name| {
            let own = self.own(machine, machine.targets.get(target));
            Arc::new(Within::new(declarations.allow.clone(), own))
        };
        from_git.map(|(name, on)| (name.clone(), by_target.entry(on).or_insert_with(|| reach(on)).clone())).collect()
    }

    /// Returns what the daemon lives by, as paths of a target.
    fn own(&self, machine: &Config, target: Option<&Target>) -> Own {
        let host = target.map(|target| &target.host);
        let mut own = Own::below(host.and_then(|host| host.root.as_deref()));
        let configuration = std::path::absolute(&self.inner.configuration);
        let program = std::env::current_exe();
        let named = [configuration.ok(), program.ok(), host.and_then(|host| host.via.clone())];
        let always = [Path::new(PACKAGE), &machine.daemon.data, &machine.daemon.socket];
        let keys = machine.repositories.values().flat_map(Repository::files);
        let told = machine.notifications.values().flat_map(Notification::files);
        let shown = machine.daemon.files();
        let trail = &machine.daemon.trail;
        let trail = trail.archive.iter().chain(&trail.publish.file).map(PathBuf::as_path);
        for path in
            named.iter().flatten().map(AsRef::as_ref).chain(always).chain(keys).chain(told).chain(shown).chain(trail)
        {
            own.add(path);
        }
        own
    }

    /// Takes what is declared in Git whenever a sync of it has changed what is in force, until the daemon stops.
    pub(super) fn follow_declarations(&self) {
        let agent = self.clone();
        self.inner.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = agent.inner.board.declared.notified() => {} // a permit that is not taken stays
                    () = agent.inner.stop.cancelled() => return, // level-triggered
                }
                while !agent.take_declarations().await {
                    tokio::select! {
                        () = sleep(AGAIN) => {} // a timer holds no data
                        () = agent.inner.stop.cancelled() => return, // level-triggered
                    }
                }
            }
        });
    }

    /// Returns whether it is in force.
    async fn take_declarations(&self) -> bool {
        let _one = self.inner.reloading.lock().await;
        let machine = self.inner.estate.lock().await.machine.clone();
        match self.settle(machine).await {
            Ok(()) => {
                tracing::info!(event = event::DECLARATIONS_TAKEN.name, "what is declared in Git is in force");
                true
            }
            Err(error) => {
                let (event, error) = (event::DECLARATIONS_LEFT_OUT.name, chain(&error));
                tracing::error!(event, "could not take what is declared in Git, and tries again: {error}");
                false
            }
        }
    }

    /// Shows which documents are left out, and tells of it where that is news.
    pub(super) async fn leave_out(&self, force: &Force) {
        let news = {
            let mut before = self.inner.left_out.lock().unwrap_or_else(PoisonError::into_inner);
            let news = *before != force.left_out && !force.left_out.is_empty();
            before.clone_from(&force.left_out);
            news
        };
        if !news {
            return;
        }
        for mistake in &force.left_out {
            let (place, hint) = (mistake.place.to_string(), mistake.hint.as_deref());
            let (event, code) = (event::DECLARATIONS_LEFT_OUT.name, mistake.code.as_str());
            let message = &mistake.message;
            tracing::warn!(event, place, code, hint, "a document of Git does not fit this machine any more: {message}");
        }
        if let Err(error) = self.tell("declarations", refusal(&force.left_out)).await {
            tracing::error!(error = %chain(&error), "could not write to the trail");
        }
    }
}
