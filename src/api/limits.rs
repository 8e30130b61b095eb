//! What strangers may cost: how many are listened to, how often a refused one is told of.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// More senders and names than this share.
const SHARES: usize = 4096;
/// One line of the log within this.
const QUIET: Duration = Duration::from_secs(10);

/// A share of what is listened to, for each sender and name. There are no more shares for a million of them, so none can be made
/// forgotten, and no answer tells one from another.
pub(super) struct Rates {
    key: RandomState,
    began: Instant,
    /// So many at once.
    burst: u32,
    /// And one more after each of these.
    each: Duration,
    /// When each share will be whole again (GCRA), since `began`.
    whole: Mutex<Vec<Duration>>,
}

impl Rates {
    pub(super) fn new(burst: u32, each: Duration) -> Self {
        let whole = Mutex::new(vec![Duration::ZERO; SHARES]);
        Self { key: RandomState::new(), began: Instant::now(), burst, each, whole }
    }

    /// Takes one of the share. Returns whether there was one left.
    pub(super) fn take(&self, from: IpAddr, name: &str, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.began);
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(whole) = whole.get_mut(self.at(from, name)) else { return true };
        let next = (*whole).max(now) + self.each;
        let left = next <= now + self.each * self.burst;
        if left {
            *whole = next;
        }
        left
    }

    /// Gives back one that was taken.
    pub(super) fn give(&self, from: IpAddr, name: &str) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(whole) = whole.get_mut(self.at(from, name)) {
            *whole = whole.saturating_sub(self.each);
        }
    }

    fn at(&self, from: IpAddr, name: &str) -> usize {
        usize::try_from(self.key.hash_one((network(from), name)) % SHARES as u64).unwrap_or(0)
    }
}

/// One customer of a provider has as many addresses of IPv6 as there are in the first 64 bits.
pub(super) fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
    }
}

/// How many refused ones nobody was told of.
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
    const BURST: u32 = 300;
    const EACH: Duration = Duration::from_millis(200);

    #[test]
    fn a_burst_is_heard_and_then_a_few_each_second_whether_or_not_the_name_is_known() {
        let rates = Rates::new(BURST, EACH);
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
    fn what_is_given_back_counts_for_nothing_and_a_share_is_never_more_than_whole() {
        let rates = Rates::new(3, EACH);
        let now = Instant::now();
        for _ in 0..100 {
            assert!(rates.take(HERE, "", now));
            rates.give(HERE, "");
        }
        rates.give(HERE, "");
        assert_eq!((0..10).filter(|_| rates.take(HERE, "", now)).count(), 3);
    }

    #[test]
    fn one_network_has_one_share() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }

    #[test]
    fn refused_ones_are_told_of_together() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.another(now), Some(1));
        assert!((0..99).all(|_| complaints.another(now).is_none()));
        assert_eq!(complaints.another(now + QUIET), Some(100));
    }
}
