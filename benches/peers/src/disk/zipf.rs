//! Keys by Zipf's law, and how long the value of each is: the same for every peer.

use crate::keys::mix;

/// A sequence of keys of which the r-th most popular is asked for in proportion to r to the minus `exponent`.
#[derive(Clone)]
pub(super) struct Zipf {
    /// Up to each rank, the sum of all weights.
    sums: Vec<f64>,
    seed: u64,
}

impl Zipf {
    /// Keys 0 to `count - 1`, by this seed.
    pub(super) fn new(count: u64, exponent: f64, seed: u64) -> Self {
        let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
        let sums = weights
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { sums, seed }
    }

    /// The next key. Ranks are numbers of keys: what lies side by side on disk was filled side by side, so the filling, not
    /// this, has to shuffle.
    pub(super) fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let share = (mix(self.seed) >> 11) as f64 / (1u64 << 53) as f64;
        let all = self.sums.last().copied().unwrap_or(0.0);
        self.sums.partition_point(|sum| *sum <= share * all).min(self.sums.len() - 1) as u64
    }
}

/// How long values are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Sizes {
    /// Bytes of a key's value: evenly spread.
    pub(super) fn of(self, key: u64) -> usize {
        self.least + (mix(key ^ 0x5157) % (self.most - self.least + 1) as u64) as usize
    }

    /// The mean.
    pub(super) fn mean(self) -> f64 {
        (self.least + self.most) as f64 / 2.0
    }
}

/// All keys in an order that has nothing to do with their popularity.
pub(super) fn shuffled(count: u64, seed: u64) -> Vec<u64> {
    let mut keys: Vec<u64> = (0..count).collect();
    keys.sort_unstable_by_key(|key| mix(key ^ mix(seed)));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_asked_for_as_often_as_its_share_says() {
        let mut zipf = Zipf::new(1000, 1.0, 7);
        let harmonic: f64 = (1..=1000).map(|rank| 1.0 / f64::from(rank)).sum();
        let first = (0..100_000).filter(|_| zipf.next() == 0).count() as f64 / 100_000.0;
        assert!((first - 1.0 / harmonic).abs() < 0.01, "{first} of {}", 1.0 / harmonic);
    }

    #[test]
    fn every_key_is_shuffled_and_sizes_keep_their_bounds() {
        let mut keys = shuffled(1000, 3);
        assert_ne!(keys[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        keys.sort_unstable();
        assert!(keys.iter().copied().eq(0..1000));
        let sizes = Sizes { least: 100, most: 1024 };
        assert!((0..1000).all(|key| (100..=1024).contains(&sizes.of(key))));
    }
}
