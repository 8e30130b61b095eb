//! What has to be known before anybody may do or see something: who has which role, and which applications there are.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::Agent;
use super::desk::{ambiguous, long_enough};
use super::problems::store_problem;
use super::unknown::no_held_plan;
use crate::config::Config;
use crate::model::{Name, Problem};
use crate::policy::{Labels, Rights, Roles};
use crate::store::{Store, StoreError};

/// What the API asks of a running daemon before it lets anybody do or see something. All but `held` is answered from memory, so that
/// what there is takes as long as what there is not.
#[async_trait]
pub trait Standing {
    /// Returns what the declared roles give to a person; `None` where this machine declares nobody of that name.
    fn rights(&self, person: &Name) -> Option<Rights>;

    /// Returns an application that is declared, or ever was, with the labels that it has or had last.
    fn application(&self, name: &str) -> Option<(Name, Labels)>;

    /// Returns all of them.
    fn applications(&self) -> BTreeMap<Name, Labels>;

    /// Returns the person whom this machine declares with an account, by its exact name.
    fn who_logs_in(&self, account: &str) -> Option<Name>;

    /// Returns the id of the one held plan whose id begins so, and the application that it is for.
    async fn held(&self, plan: &str) -> Result<(String, Name), Problem>;
}

/// As the configuration in force says.
#[derive(Default)]
pub(super) struct Stands {
    roles: RwLock<Arc<Roles>>,
    logins: RwLock<BTreeMap<String, Name>>,
    applications: RwLock<BTreeMap<Name, Labels>>,
}

impl Stands {
    /// Remembers the applications that were ever declared: what the trail says of them is told to whom it was told before.
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        let states = store.applications().await?.into_iter();
        let known = states.map(|(name, state)| (name, state.definition.map(|one| one.labels).unwrap_or_default()));
        Ok(Self { roles: RwLock::default(), logins: RwLock::default(), applications: RwLock::new(known.collect()) })
    }

    /// Goes by this configuration from now on; roles are those of the machine's files alone.
    pub(super) fn set(&self, machine: &Config, config: &Config) {
        let declared = config.applications.iter().map(|(name, declared)| (name.clone(), declared.labels.clone()));
        self.applications.write().unwrap_or_else(PoisonError::into_inner).extend(declared);
        let roles = Roles::new(&machine.roles, &machine.people);
        let logins = machine.people.iter().filter_map(|(name, person)| Some((person.login.clone()?, name.clone())));
        *self.logins.write().unwrap_or_else(PoisonError::into_inner) = logins.collect();
        *self.roles.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roles);
    }
}

#[async_trait]
impl Standing for Agent {
    fn who_logs_in(&self, account: &str) -> Option<Name> {
        self.inner.stands.logins.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    fn rights(&self, person: &Name) -> Option<Rights> {
        self.inner.stands.roles.read().unwrap_or_else(PoisonError::into_inner).of(person)
    }

    fn application(&self, name: &str) -> Option<(Name, Labels)> {
        let known = self.inner.stands.applications.read().unwrap_or_else(PoisonError::into_inner);
        known.get_key_value(name).map(|(name, labels)| (name.clone(), labels.clone()))
    }

    fn applications(&self) -> BTreeMap<Name, Labels> {
        self.inner.stands.applications.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn held(&self, plan: &str) -> Result<(String, Name), Problem> {
        long_enough(plan)?;
        let mut found = self.inner.store.held_ids(plan).await.map_err(|error| store_problem(&error))?;
        match (found.pop(), found.is_empty()) {
            (Some(held), true) => Ok(held),
            (None, _) => Err(no_held_plan(plan)),
            (Some(_), false) => Err(ambiguous(plan)),
        }
    }
}
