use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::model::{Inventory, Name, ObjectId};

/// Which application keeps which objects of one target true: where a live change rings.
#[derive(Default)]
pub(super) struct Owners {
    by_application: Mutex<BTreeMap<Name, Arc<[ObjectId]>>>,
    pub(super) changed: Notify,
}

impl Owners {
    /// Takes note of an application's inventory; rings only where it names other objects than before.
    pub(super) fn set(&self, application: &Name, inventory: &Inventory) {
        let mut owners = self.by_application.lock().unwrap_or_else(PoisonError::into_inner);
        let same = owners.get(application).is_some_and(|ids| ids.iter().eq(inventory.objects.keys()));
        if same {
            return;
        }
        owners.insert(application.clone(), inventory.objects.keys().cloned().collect());
        self.changed.notify_one();
    }

    pub(super) fn forget(&self, application: &Name) {
        self.by_application.lock().unwrap_or_else(PoisonError::into_inner).remove(application);
        self.changed.notify_one();
    }

    pub(super) fn all(&self) -> Vec<ObjectId> {
        let owners = self.by_application.lock().unwrap_or_else(PoisonError::into_inner);
        owners.values().flat_map(|ids| ids.iter().cloned()).collect()
    }

    /// Returns the applications that keep any of these objects true.
    pub(super) fn of(&self, changed: &[ObjectId]) -> Vec<Name> {
        let owners = self.by_application.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = |ids: &Arc<[ObjectId]>| changed.iter().any(|id| ids.binary_search(id).is_ok());
        owners.iter().filter(|(_, ids)| hit(ids)).map(|(name, _)| name.clone()).collect()
    }
}
