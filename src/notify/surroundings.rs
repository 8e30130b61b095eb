use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::audit::Masks;
use crate::model::{Clock, Name};
use crate::store::Store;

/// What is known of an application beside its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub labels: BTreeMap<String, String>,
    pub target: Option<Name>,
}

/// What every sink works with. A clone is the same.
#[derive(Clone)]
pub struct Surroundings {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    /// Whatever leaves the machine goes through what masks secrets just then.
    pub(super) masks: Masks,
    applications: Arc<RwLock<BTreeMap<Name, Known>>>,
    pub(super) installation: Arc<str>,
}

impl Surroundings {
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, masks: Masks) -> Self {
        // Digits that are as stable as the store, and tell nothing of its key.
        let digest = store.key().digest("trueup/installation/v1", b"").to_string();
        let installation = digest[..16].into();
        Self { store, clock, masks, applications: Arc::default(), installation }
    }

    /// Takes note of the applications that are declared now, and of those that were `before`: what is recorded of them, up to their
    /// end, is told to whom it concerned while they were declared.
    pub fn declare(&self, declared: BTreeMap<Name, Known>, before: BTreeMap<Name, Known>) {
        let mut applications = self.applications.write().unwrap_or_else(PoisonError::into_inner);
        for (name, known) in before {
            applications.entry(name).or_insert(known);
        }
        applications.extend(declared);
    }

    /// Returns what is known of an application; nothing, where it never was declared.
    pub(super) fn known(&self, application: &Name) -> Known {
        let applications = self.applications.read().unwrap_or_else(PoisonError::into_inner);
        applications.get(application).cloned().unwrap_or_default()
    }
}
