use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// More people do not log in at once; who knocks without coming back takes a place for ten minutes, and is bounded by address.
const MOST: usize = 512;

/// A login that a browser was sent to the provider with.
pub(super) struct Begun {
    pub(super) to: Url,
    /// The command's own.
    pub(super) challenge: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// A login that is done, until the command comes for it.
pub(super) struct Granted {
    pub(super) challenge: String,
    pub(super) account: String,
}

/// What waits under a secret name, for a while: found by its digest, and once.
pub(super) struct Places<T> {
    lasts: Duration,
    all: Mutex<BTreeMap<[u8; 32], (Instant, T)>>,
}

impl<T> Places<T> {
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, all: Mutex::default() }
    }

    /// Puts something in its place. Returns whether there was one left; what waits is never thrown out for it.
    pub(super) fn put(&self, secret: &str, what: T, now: Instant) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (until, _)| *until > now);
        let room = all.len() < MOST;
        if room {
            all.insert(digest(secret), (now + self.lasts, what));
        }
        room
    }

    /// Takes it from its place.
    pub(super) fn take(&self, secret: &str, now: Instant) -> Option<T> {
        let (until, what) = self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(secret))?;
        (until > now).then_some(what)
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_taken_once_and_in_time_and_is_thrown_out_by_nobody() {
        let (places, now) = (Places::new(Duration::from_secs(10)), Instant::now());
        assert!(places.put("a", 1, now) && places.put("late", 2, now));
        assert_eq!((places.take("b", now), places.take("a", now), places.take("a", now)), (None, Some(1), None));
        assert_eq!(places.take("late", now + Duration::from_secs(10)), None);
        assert!((0..MOST).all(|number| places.put(&number.to_string(), 3, now)));
        assert!(!places.put("one more", 4, now) && places.take("0", now) == Some(3));
        let later = now + Duration::from_secs(11);
        assert!(places.put("one more", 4, later));
        assert_eq!(places.all.lock().unwrap().len(), 1, "nothing that is over is kept");
    }
}
