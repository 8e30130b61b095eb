use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Fewer than there are places at the socket, so that somebody else still gets in.
const ALL: usize = 64;
/// Of one person, token or unix user: some windows, and no more.
const EACH: usize = 8;

/// How many read events, by who they are.
#[derive(Debug, Default)]
pub(in crate::api) struct Places(Mutex<BTreeMap<String, usize>>);

/// One reader's. It is free again when dropped.
pub(super) struct Place {
    places: Arc<Places>,
    who: String,
}

impl Places {
    /// Returns a place, where there is one left.
    pub(super) fn take(self: &Arc<Self>, who: &str) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(who).copied().unwrap_or(0);
        if own >= EACH || taken.values().sum::<usize>() >= ALL {
            return None;
        }
        taken.insert(who.to_owned(), own + 1);
        Some(Place { places: self.clone(), who: who.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l12_one_has_a_few_and_all_have_some_and_who_goes_leaves_a_place() {
        let places: Arc<Places> = Arc::default();
        let own: Vec<_> = (0..EACH).map(|_| places.take("ada").unwrap()).collect();
        assert!(places.take("ada").is_none());
        let others: Vec<_> = (EACH..ALL).map(|number| places.take(&format!("user {number}")).unwrap()).collect();
        assert!(places.take("bob").is_none(), "all are taken");
        drop(own);
        assert!(places.take("bob").is_some() && places.take("ada").is_some());
        drop(others);
        assert!(places.0.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
