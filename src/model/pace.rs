use std::time::Duration;

use super::DigestKey;

/// The longest that what fails waits before it is tried again, where nobody says otherwise.
const LONGEST: Duration = Duration::from_mins(10);

/// Spreads waits, so that neither the parts of one daemon nor many daemons ask at the same moment. The spread comes
/// from a key of the installation, so that it needs no source of randomness.
pub struct Pace {
    key: DigestKey,
    label: String,
    longest: Duration,
    drawn: u64,
}

impl Pace {
    #[must_use]
    pub fn new(key: &DigestKey, label: String) -> Self {
        Self { key: key.derive("pace"), label, longest: LONGEST, drawn: 0 }
    }

    /// Lets waits grow to `longest`, instead of ten minutes.
    #[must_use]
    pub fn up_to(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Returns `wait`, longer or shorter by at most a tenth.
    pub fn jitter(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(0.9 + 0.2 * self.draw())
    }

    /// Returns how long to wait after `failures` in a row: twice as long each time, beginning with `first`.
    pub fn back_off(&mut self, first: Duration, failures: u32) -> Duration {
        let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
        self.jitter(doubled.min(self.longest))
    }

    /// Returns a number from 0 to 1.
    fn draw(&mut self) -> f64 {
        self.drawn += 1;
        let digest = self.key.digest(&self.label, &self.drawn.to_le_bytes());
        f64::from(digest.as_bytes()[0]) / 255.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_bounded_and_differ() {
        let key = DigestKey::new([1; 32]);
        let mut pace = Pace::new(&key, "app".into());
        let second = Duration::from_secs(1);
        let waits: Vec<_> = (1..40).map(|failures| pace.back_off(second, failures)).collect();
        assert!(waits[0] <= second.mul_f64(1.1) && waits[5] >= second * 28);
        assert!(waits.iter().all(|wait| *wait <= LONGEST.mul_f64(1.1)));
        assert_ne!(pace.jitter(second), pace.jitter(second));
    }
}
