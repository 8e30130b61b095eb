//! Begins and ends what tells Git hosts.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::Agent;
use super::estate::{Estate, StartError};
use crate::config::{Config, Repository};
use crate::forge::{Forge, Teller};
use crate::model::Name;

/// What tells one Git host, from outside.
pub(super) struct Hosted {
    declared: Repository,
    applications: BTreeSet<Name>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// Makes what tells Git hosts what `config` says: what did not change goes on undisturbed.
    pub(super) async fn settle_forges(&self, estate: &mut Estate, config: &Config) -> Result<(), StartError> {
        let stays = |name: &Name, hosted: &Hosted| {
            config.repositories.get(name) == Some(&hosted.declared) && applications(config, name) == hosted.applications
        };
        let ending: Vec<_> = estate.forges.extract_if(.., |name, hosted| !stays(name, hosted)).collect();
        // Each may be in the middle of a request: none waits for another.
        for (_, hosted) in &ending {
            hosted.stop.cancel();
        }
        for (_, hosted) in ending {
            // A task that panicked has ended as well.
            let _ = hosted.ended.await;
        }
        for (name, declared) in told(config) {
            if !estate.forges.contains_key(name) {
                let hosted = self.begin_hosted(name, declared, applications(config, name))?;
                estate.forges.extend(hosted.map(|hosted| (name.clone(), hosted)));
            }
        }
        Ok(())
    }

    fn begin_hosted(
        &self,
        name: &Name,
        declared: &Repository,
        applications: BTreeSet<Name>,
    ) -> Result<Option<Hosted>, StartError> {
        let made = Forge::of(declared).map_err(|source| StartError::Forge { name: name.clone(), source })?;
        let (Some(forge), Some(about)) = (made, &declared.forge) else { return Ok(None) };
        let (store, masks) = (self.inner.store.clone(), self.inner.masks.clone());
        let context = about.context.clone();
        let teller = Teller::new(name.clone(), (forge, context), applications.clone(), (store, masks));
        let stop = self.inner.stop.child_token();
        let ended = self.inner.tasks.spawn(teller.run(stop.clone()));
        Ok(Some(Hosted { declared: declared.clone(), applications, stop, ended }))
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
