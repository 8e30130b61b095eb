//! Begins and ends what tells Git hosts.

use std::collections::BTreeSet;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Agent;
use super::estate::{Estate, StartError};
use super::proposals::Planner;
use crate::config::{self, Config, Repository};
use crate::forge::{Forge, Teller};
use crate::model::Name;

/// What tells one Git host, from outside.
pub(super) struct Hosted {
    declared: Repository,
    /// Where people reach the daemon.
    url: Option<String>,
    applications: BTreeSet<Name>,
    stop: CancellationToken,
    ended: Vec<JoinHandle<()>>,
}

impl Agent {
    /// Makes what tells Git hosts what `config` says: what did not change goes on undisturbed.
    pub(super) async fn settle_forges(&self, estate: &mut Estate, config: &Config) -> Result<(), StartError> {
        let url = config.daemon.api.as_ref().and_then(|api| api.url.clone());
        let stays = |name: &Name, hosted: &Hosted| {
            hosted.url == url
                && config.repositories.get(name) == Some(&hosted.declared)
                && applications(config, name) == hosted.applications
        };
        let ending: Vec<_> = estate.forges.extract_if(.., |name, hosted| !stays(name, hosted)).collect();
        // Each may be in the middle of a request: none waits for another.
        for (_, hosted) in &ending {
            hosted.stop.cancel();
        }
        for (_, hosted) in ending {
            for ended in hosted.ended {
                // A task that panicked has ended as well.
                let _ = ended.await;
            }
        }
        for (name, declared) in &config.repositories {
            let Some(about) = declared.forge.as_ref().filter(|about| about.statuses || about.plans) else { continue };
            if !estate.forges.contains_key(name) {
                let hosted = self.begin_hosted(name, (declared, about), url.as_deref(), applications(config, name))?;
                estate.forges.insert(name.clone(), hosted);
            }
            // What judges may be another.
            self.inner.hooks.news(name);
        }
        Ok(())
    }

    fn begin_hosted(
        &self,
        name: &Name,
        (declared, about): (&Repository, &config::Forge),
        url: Option<&str>,
        applications: BTreeSet<Name>,
    ) -> Result<Hosted, StartError> {
        let forge = || {
            let failed = |source| StartError::Forge { name: name.clone(), source };
            Forge::of(declared, about).map_err(failed)
        };
        let stop = self.inner.stop.child_token();
        let mut ended = vec![];
        if about.statuses {
            let (store, masks) = (self.inner.store.clone(), self.inner.masks.clone());
            let teller = Teller::new(
                name.clone(),
                (forge()?, about.context.clone(), url.map(str::to_owned)),
                applications.clone(),
                (store, masks),
            );
            ended.push(self.inner.tasks.spawn(teller.run(stop.clone())));
        }
        if about.plans {
            let planner = Planner {
                agent: self.clone(),
                repository: name.clone(),
                forge: forge()?,
                about: about.clone(),
                branch: declared.branch.clone().unwrap_or_else(|| "main".into()),
                interval: declared.poll.0,
                bell: self.inner.hooks.planner(name),
            };
            ended.push(self.inner.tasks.spawn(planner.run(stop.clone())));
        }
        Ok(Hosted { declared: declared.clone(), url: url.map(str::to_owned), applications, stop, ended })
    }
}

/// Returns the repositories whose Git host is told what becomes of commits.
fn told(config: &Config) -> impl Iterator<Item = (&Name, &Repository)> {
    let told = |declared: &Repository| declared.forge.as_ref().is_some_and(|forge| forge.statuses);
    config.repositories.iter().filter(move |(_, declared)| told(declared))
}

/// Returns the names under which the store keeps how far each Git host was told.
pub(super) fn places(config: &Config) -> impl Iterator<Item = String> {
    told(config).map(|(name, _)| Teller::place(name))
}

fn applications(config: &Config, repository: &Name) -> BTreeSet<Name> {
    let from = config.applications.iter().filter(|(_, declared)| declared.spec.source.repository == *repository);
    from.map(|(name, _)| name.clone()).collect()
}
