//! Random numbers from a seed: each client draws from a sequence of its own, so that what it does does not hang on the others.

/// A sequence (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of a part of the run.
    pub(crate) fn of(seed: u64, life: u64, part: u64) -> Self {
        let mut random = Self(seed ^ life.rotate_left(24) ^ part.rotate_left(48));
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, which is not zero.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A place in a list that is not empty.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// A step of a clock, forth or back by up to nine hours.
    pub(crate) fn step_ms(&mut self) -> i64 {
        self.below(2 * 32_400_000).cast_signed() - 32_400_000
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
