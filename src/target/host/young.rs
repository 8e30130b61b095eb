//! Which fingerprints cannot be trusted yet, as in Git's rule for racily clean entries.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{Digest, Fingerprint};

/// The kernel stamps files with a clock that ticks every 1 to 10 ms: a change within the same tick moves no timestamp.
const TICK: Duration = Duration::from_millis(20);

/// Fingerprints that were taken so shortly after their content was read that a later change could hide behind them. One is
/// trusted after the content was read again, a tick or more later, and the fingerprint had not moved.
///
/// It is told by the monotonic clock, without comparing with the file's own times, so that each new fingerprint costs one
/// more read. Kept in memory only: a restart forgets it, and the fingerprints of the store are trusted.
#[derive(Debug, Default)]
pub(super) struct Young {
    seen: Mutex<HashMap<Box<str>, Seen>>,
}

#[derive(Debug)]
struct Seen {
    fingerprint: Fingerprint,
    state: Digest,
    first: Instant,
    /// Two states were seen under one fingerprint: it tells nothing, however old it grows.
    two_faced: bool,
}

impl Young {
    /// Notes that `state` was read or written at `path` under `fingerprint`, not before `since`.
    pub(super) fn took(&self, path: &str, fingerprint: &Fingerprint, state: Digest, since: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get_mut(path)
            && known.fingerprint == *fingerprint
        {
            known.two_faced |= known.state != state;
            if !known.two_faced && since.saturating_duration_since(known.first) >= TICK {
                seen.remove(path);
            }
            return;
        }
        let new = Seen { fingerprint: fingerprint.clone(), state, first: Instant::now(), two_faced: false };
        seen.insert(path.into(), new);
    }

    pub(super) fn trusts(&self, path: &str, fingerprint: &Fingerprint) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(path).is_none_or(|known| known.fingerprint != *fingerprint)
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
        let (start, state) = (Instant::now(), Digest::of(b"a"));
        young.took("/a", &fingerprint, state, start);
        assert!(!young.trusts("/a", &fingerprint));
        young.took("/a", &fingerprint, state, start);
        assert!(!young.trusts("/a", &fingerprint), "read again within the same tick proves nothing");
        young.took("/a", &fingerprint, state, Instant::now() + TICK);
        assert!(young.trusts("/a", &fingerprint));
    }

    #[test]
    fn a_fingerprint_under_which_two_states_were_seen_is_never_trusted() {
        let (young, fingerprint) = (Young::default(), Fingerprint("1".into()));
        young.took("/a", &fingerprint, Digest::of(b"written"), Instant::now());
        for _ in 0..3 {
            young.took("/a", &fingerprint, Digest::of(b"edited"), Instant::now() + TICK);
            assert!(!young.trusts("/a", &fingerprint), "or a held drift would vanish at the second look");
        }
        young.took("/a", &Fingerprint("2".into()), Digest::of(b"edited"), Instant::now());
        assert!(young.trusts("/a", &fingerprint));
    }
}
