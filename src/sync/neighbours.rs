use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::candidate::{Candidate, Origin};
use crate::model::{Desired, Name, ObjectId};

/// What the applications of a daemon desire, so that an object that leaves one and appears in another is handed over and
/// not deleted.
#[derive(Default)]
pub struct Neighbours {
    known: Mutex<BTreeMap<Name, Neighbour>>,
}

struct Neighbour {
    target: Name,
    origin: Origin,
    candidate: Option<Candidate>,
}

impl Neighbours {
    /// Takes note of an application that is declared now.
    pub fn declare(&self, name: &Name, target: &Name, origin: Origin) {
        let neighbour = Neighbour { target: target.clone(), origin, candidate: None };
        self.lock().insert(name.clone(), neighbour);
    }

    /// Takes note that an application is declared no more.
    pub fn forget(&self, name: &Name) {
        self.lock().remove(name);
    }

    /// Takes note of what an application was last rendered to.
    pub fn rendered(&self, name: &Name, candidate: &Candidate) {
        if let Some(neighbour) = self.lock().get_mut(name) {
            neighbour.candidate = Some(candidate.clone());
        }
    }

    /// Returns which of `leaving` another application on the target desires at the revision that its repository is at now.
    ///
    /// # Errors
    /// The application that could not be rendered: what it desires is unknown, so nothing may be deleted.
    pub async fn desire(
        &self,
        leaving: &[ObjectId],
        target: &Name,
        except: &Name,
    ) -> Result<BTreeMap<ObjectId, Name>, Name> {
        let mut desired = BTreeMap::new();
        for (name, origin, known) in self.others(target, except) {
            let polled = origin.source.head().await;
            // A repository that does not answer cannot have taken an object over since it last did.
            let Ok(head) = polled.head else { continue };
            let candidate = origin.candidate(&head, known.as_ref()).await.map_err(|_| name.clone())?;
            self.rendered(&name, &candidate);
            let Desired::Objects(complete) = candidate.desired.as_ref() else { continue };
            let wanted = leaving.iter().filter(|id| complete.objects.contains_key(id));
            desired.extend(wanted.map(|id| (id.clone(), name.clone())));
        }
        Ok(desired)
    }

    fn others(&self, target: &Name, except: &Name) -> Vec<(Name, Origin, Option<Candidate>)> {
        let known = self.lock();
        let others = known.iter().filter(|(name, neighbour)| *name != except && neighbour.target == *target);
        others.map(|(name, other)| (name.clone(), other.origin.clone(), other.candidate.clone())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, Neighbour>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
