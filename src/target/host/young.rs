//! Which fingerprints cannot be trusted yet, as in Git's rule for racily clean entries.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Fingerprint;

/// The kernel stamps files with a clock that ticks every 1 to 10 ms: a change within the same tick moves no timestamp.
const TICK: Duration = Duration::from_millis(20);

/// Fingerprints that were taken so shortly after their content was read that a later change could hide behind them. One is
/// trusted after the content was read again, a tick or more later, and the fingerprint had not moved.
///
/// It is told by the monotonic clock, without comparing with the file's own times, so that each new fingerprint costs one
/// more read. Kept in memory only: a restart forgets it, and the fingerprints of the store are trusted.
#[derive(Debug, Default)]
pub(super) struct Young {
    seen: Mutex<HashMap<Box<str>, (Fingerprint, Instant)>>,
}

impl Young {
    /// Notes that the content at `path` was read or written under `fingerprint`, not before `since`.
    pub(super) fn took(&self, path: &str, fingerprint: &Fingerprint, since: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(path) {
            Some((known, first)) if known == fingerprint => {
                if since.saturating_duration_since(*first) >= TICK {
                    seen.remove(path);
                }
            }
            _ => {
                seen.insert(path.into(), (fingerprint.clone(), Instant::now()));
            }
        }
    }

    pub(super) fn trusts(&self, path: &str, fingerprint: &Fingerprint) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(path).is_none_or(|(known, _)| known != fingerprint)
    }

    pub(super) fn forget(&self, path: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_trusted_once_it_was_read_again_a_tick_later() {
        let (young, fingerprint) = (Young::default(), Fingerprint("1".into()));
        assert!(young.trusts("/a", &fingerprint), "nothing is known against it");
        let start = Instant::now();
        young.took("/a", &fingerprint, start);
        assert!(!young.trusts("/a", &fingerprint));
        young.took("/a", &fingerprint, start);
        assert!(!young.trusts("/a", &fingerprint), "read again within the same tick proves nothing");
        young.took("/a", &fingerprint, Instant::now() + TICK);
        assert!(young.trusts("/a", &fingerprint));
    }
}
