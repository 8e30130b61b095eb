use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::commands::Asked;
use crate::model::Name;
use crate::sync::Ring;

/// The bells of all applications.
#[derive(Default)]
pub(super) struct Bells(RwLock<BTreeMap<Name, (Name, Asked)>>);

impl Bells {
    pub(super) fn hang(&self, application: &Name, repository: &Name, commands: Asked) {
        let mut bells = self.0.write().unwrap_or_else(PoisonError::into_inner);
        bells.insert(application.clone(), (repository.clone(), commands));
    }

    pub(super) fn take_down(&self, application: &Name) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(application);
    }

    /// Rings for each application whose name and repository `whom` accepts.
    pub(super) fn ring(&self, reason: &str, whom: impl Fn(&Name, &Name) -> bool) {
        let bells = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (_, (_, commands)) in bells.iter().filter(|(application, (repository, _))| whom(application, repository)) {
            commands.ring(Ring::daemon(reason));
        }
    }
}
