//! What deliveries may cost: how many are listened to, how many are remembered, how often a refused one is told of.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many at once from one sender to one repository: a push of many branches is a delivery for each of them.
const BURST: u32 = 300;
/// And one more after each of these.
const EACH: Duration = Duration::from_millis(200);
/// More senders and repositories than this share.
const SHARES: usize = 4096;
/// A Git host tries again within minutes.
const REMEMBERED: usize = 16 * 1024;
/// One line of the log within this.
const QUIET: Duration = Duration::from_secs(10);

/// A share of what is listened to, for each sender and name. Names that nobody declared have theirs too: no answer tells one from
/// another, and there are no more shares for a million of them.
pub(super) struct Rates {
    key: RandomState,
    began: Instant,
    /// When each share will be whole again (GCRA), since `began`.
    whole: Mutex<Vec<Duration>>,
}

impl Rates {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), began: Instant::now(), whole: Mutex::new(vec![Duration::ZERO; SHARES]) }
    }

    /// Takes one of the share. Returns whether there was one left.
    pub(super) fn take(&self, from: IpAddr, name: &str, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.began);
        let at = usize::try_from(self.key.hash_one((network(from), name)) % SHARES as u64).unwrap_or(0);
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(whole) = whole.get_mut(at) else { return true };
        let next = (*whole).max(now) + EACH;
        let left = next <= now + EACH * BURST;
        if left {
            *whole = next;
        }
        left
    }
}

/// One customer of a provider has as many addresses of IPv6 as there are in the first 64 bits.
fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
    }
}

/// The newest deliveries, by a keyed hash of repository and id.
pub(super) struct Seen {
    key: RandomState,
    ids: Mutex<(HashSet<u64>, VecDeque<u64>)>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), ids: Mutex::default() }
    }

    /// Takes note of a delivery. Returns whether it is new.
    pub(super) fn is_new(&self, repository: &str, id: &[u8]) -> bool {
        let id = self.key.hash_one((repository, id));
        let (known, order) = &mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.insert(id) {
            return false;
        }
        order.push_back(id);
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        true
    }
}

/// How many refused deliveries nobody was told of.
#[derive(Default)]
pub(super) struct Complaints(Mutex<(Option<Instant>, u64)>);

impl Complaints {
    /// Counts one. Returns how many there were since the last line, where it is time for another.
    pub(super) fn another(&self, now: Instant) -> Option<u64> {
        let (told, untold) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *untold += 1;
        if told.is_some_and(|told| now.saturating_duration_since(told) < QUIET) {
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_burst_is_heard_and_then_a_few_each_second_whether_or_not_the_name_is_known() {
        let rates = Rates::new();
        let now = Instant::now();
        assert!((0..BURST).all(|_| rates.take(HERE, "platform", now)));
        assert!(!rates.take(HERE, "platform", now));
        assert!(rates.take(HERE, "platform", now + EACH));
        assert!(!rates.take(HERE, "platform", now + EACH));
        // A day later it is whole, and no more than that.
        let later = now + Duration::from_hours(24);
        assert_eq!((0..1000).filter(|_| rates.take(HERE, "platform", later)).count(), BURST as usize);
        // Somebody else's flood is not this one's: but for one share in 4,096.
        let others = ["10.0.0.1", "10.0.0.2", "2001:db8::1"].map(|one| one.parse().unwrap());
        assert!(others.iter().any(|other| rates.take(*other, "platform", later)));
    }

    #[test]
    fn one_network_has_one_share() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }

    #[test]
    fn a_delivery_is_new_once_and_the_memory_of_it_is_bounded() {
        let seen = Seen::new();
        assert!(seen.is_new("platform", b"1"));
        assert!(!seen.is_new("platform", b"1"));
        assert!(seen.is_new("other", b"1"), "each repository counts for itself");
        for number in 0..REMEMBERED + 10 {
            seen.is_new("platform", format!("more {number}").as_bytes());
        }
        let ids = seen.ids.lock().unwrap();
        assert_eq!((ids.0.len(), ids.1.len()), (REMEMBERED, REMEMBERED));
        drop(ids);
        assert!(seen.is_new("platform", b"1"), "the oldest is forgotten");
    }

    #[test]
    fn refused_ones_are_told_of_together() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.another(now), Some(1));
        assert!((0..99).all(|_| complaints.another(now).is_none()));
        assert_eq!(complaints.another(now + QUIET), Some(100));
    }
}
