//! A limit of bytes a second, with a second's worth saved up at most.

use crate::clock::Millis;

#[derive(Debug)]
pub(crate) struct Rate {
    /// Zero for none.
    bytes_a_second: u64,
    saved: u64,
    at: Millis,
}

impl Rate {
    pub(crate) fn new(bytes_a_second: u64, now: Millis) -> Self {
        Self { bytes_a_second, saved: bytes_a_second, at: now }
    }

    /// Whether so many bytes may be spent now; if so, they are.
    pub(crate) fn spend(&mut self, bytes: u64, now: Millis) -> bool {
        if self.bytes_a_second == 0 {
            return true;
        }
        let passed = now.0.saturating_sub(self.at.0).min(1000);
        let earned = self.bytes_a_second * passed / 1000;
        if earned > 0 {
            self.saved = (self.saved + earned).min(self.bytes_a_second);
            self.at = now;
        }
        // What is longer than a second's worth goes when all is saved, or it never could.
        let price = bytes.min(self.bytes_a_second);
        let is_enough = self.saved >= price;
        self.saved -= if is_enough { price } else { 0 };
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_spent_than_was_earned() {
        let mut rate = Rate::new(1000, Millis(0));
        assert!(rate.spend(1000, Millis(0)) && !rate.spend(1, Millis(0)));
        assert!(!rate.spend(600, Millis(500)) && rate.spend(500, Millis(500)));
        let spent = (0..10_000).filter(|now| rate.spend(10, Millis(500 + now))).count();
        assert!((990..=1010).contains(&spent), "{spent} times ten bytes in ten seconds");
        assert!(rate.spend(5000, Millis(20_000)) && !rate.spend(1, Millis(20_000)));
        let mut none = Rate::new(0, Millis(0));
        assert!((0..100).all(|_| none.spend(u64::MAX, Millis(0))));
    }
}
