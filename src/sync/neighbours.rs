use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::candidate::{Candidate, Origin};
use crate::model::{Desired, Name, ObjectId};

/// What the applications of a daemon desire, so that an object that leaves one and appears in another is handed over and
/// not deleted.
#[derive(Default)]
pub struct Neighbours {
    /// Targets, each with an application on it, by the configuration: also those that are just being begun anew.
    declared: Mutex<BTreeSet<(Name, Name)>>,
    known: Mutex<BTreeMap<Name, Neighbour>>,
    /// Targets, each with an application that is declared no more and whose objects are just being taken away.
    leaving: Mutex<BTreeSet<(Name, Name)>>,
}

struct Neighbour {
    target: Name,
    origin: Origin,
    candidate: Option<Candidate>,
}

impl Neighbours {
    /// Takes note of which applications the configuration declares, each after its target. What others hold nobody keeps true,
    /// and who desires it may take it over: so while the configuration changes, both the old and the new count.
    pub fn expect(&self, declared: BTreeSet<(Name, Name)>) {
        *self.declared.lock().unwrap_or_else(PoisonError::into_inner) = declared;
    }

    /// Whether an application on this target holds on to its objects: it is declared, or is just being destroyed.
    pub(super) fn holds_on(&self, target: &Name, name: &Name) -> bool {
        let one = (target.clone(), name.clone());
        let declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        declared.contains(&one) || self.leaving.lock().unwrap_or_else(PoisonError::into_inner).contains(&one)
    }

    /// Takes note that what was made for an application is being taken away, or is no more: meanwhile nobody takes it over.
    pub fn leaves(&self, target: &Name, name: &Name, leaves: bool) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let one = (target.clone(), name.clone());
        if leaves {
            leaving.insert(one)
        } else {
            leaving.remove(&one)
        };
    }

    /// Returns every application that the configuration declares.
    #[must_use]
    pub fn names(&self) -> BTreeSet<Name> {
        let declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        declared.iter().map(|(_, name)| name.clone()).collect()
    }

    /// Returns every application whose plans are carried out: what is open of any other waits until it is declared again, or destroyed.
    pub(super) fn active(&self) -> BTreeSet<Name> {
        let leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        self.names().into_iter().chain(leaving.iter().map(|(_, name)| name.clone())).collect()
    }

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
        if let Some(unknown) = self.unknown(target, except) {
            return Err(unknown);
        }
        let mut desired = BTreeMap::new();
        for (name, origin, known) in self.others(target, except) {
            let candidate = match (origin.source.head().await.head, known) {
                (Ok(head), known) => origin.candidate(&name, &head, known.as_ref()).await.map_err(|_| name.clone())?,
                // A repository that does not answer desires what it desired when it last did.
                (Err(_), Some(known)) => known,
                (Err(_), None) => return Err(name),
            };
            self.rendered(&name, &candidate);
            let Desired::Objects(complete) = candidate.desired.as_ref() else { continue };
            // What it may not reach it does not get.
            let reaches = |id: &ObjectId| {
                let spec = complete.objects.get(id)?;
                Some(origin.within.as_ref().is_none_or(|within| within.refuses(id, spec).is_none()))
            };
            let wanted = leaving.iter().filter(|id| reaches(id) == Some(true));
            desired.extend(wanted.map(|id| (id.clone(), name.clone())));
        }
        Ok(desired)
    }

    /// Returns an application that is declared, and just now being begun.
    fn unknown(&self, target: &Name, except: &Name) -> Option<Name> {
        let known = self.lock();
        let declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        let others = declared.iter().filter(|(on, name)| on == target && name != except).map(|(_, name)| name);
        others.into_iter().find(|name| !known.contains_key(*name)).cloned()
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
