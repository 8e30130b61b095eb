use std::collections::BTreeMap;

use super::refusal::Refusal;
use super::subject::Subject;
use crate::model::{Complete, Inventory, Name, ObjectId, Walk, host};

/// Objects that an application desires and does not hold yet, but someone else does.
#[derive(Default)]
pub(super) struct Claims {
    /// Held by applications that keep them true.
    pub held: BTreeMap<ObjectId, Name>,
    pub inherited: Inherited,
}

/// Objects of applications that are declared no more: nobody keeps them true, and who desires them takes them over, as they
/// are and with their origin.
#[derive(Clone, Default)]
pub struct Inherited {
    pub from: BTreeMap<Name, Vec<ObjectId>>,
    pub owned: Inventory,
}

impl Subject {
    /// Asks the store who holds what is desired and not ours; only about that, so a round without news asks nothing.
    pub(super) async fn claims(&mut self, complete: &Complete) -> Result<Claims, Refusal> {
        let mut owned = Walk::new(&self.memory.inventory.objects);
        let mut ours = |id: &ObjectId| owned.find(id).is_some() || host::is_run(id);
        let new: Vec<_> = complete.objects.keys().filter(|id| !ours(id)).cloned().collect();
        if new.is_empty() {
            return Ok(Claims::default());
        }
        let holders = self.store.holders(&self.target_name, &new).await.map_err(|error| Refusal::store(&error))?;
        let mut claims = Claims::default();
        for (id, holder) in holders {
            if holder == self.name {
                // It was handed to us since we last looked.
                self.memory.stale = true;
            } else if self.neighbours.holds_on(&self.target_name, &holder) {
                claims.held.insert(id, holder);
            } else {
                claims.inherited.from.entry(holder).or_default().push(id);
            }
        }
        self.refresh().await.map_err(|error| Refusal::store(&error))?;
        for (holder, ids) in &claims.inherited.from {
            let theirs = self.store.inventory(&self.target_name, holder).await;
            let mut theirs = theirs.map_err(|error| Refusal::store(&error))?.objects;
            theirs.retain(|id, _| ids.contains(id));
            claims.inherited.owned.objects.extend(theirs);
        }
        Ok(claims)
    }
}
