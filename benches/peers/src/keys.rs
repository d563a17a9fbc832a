//! The key sequence, the same for every peer.

/// Bytes of a key: sixteen hexadecimal digits.
pub(crate) const KEY_BYTES: usize = 16;

/// Which keys a round takes.
#[derive(Clone, Copy)]
pub(crate) enum Keys {
    /// All of them, one after another, starting with this number.
    From(u64),
    /// Random ones of the first so many, by this seed.
    Random { count: u64, seed: u64 },
    /// The first key only.
    Hot,
}

impl Keys {
    /// The same kind of keys in another order, for a thread of its own.
    pub(crate) fn apart(self, thread: u64) -> Self {
        match self {
            Keys::Random { count, seed } => Keys::Random { count, seed: mix(seed ^ (thread << 32)) },
            Keys::From(_) | Keys::Hot => self,
        }
    }

    /// The number of the next key.
    pub(crate) fn next(&mut self) -> u64 {
        match self {
            Keys::From(next) => {
                *next += 1;
                *next - 1
            }
            Keys::Random { count, seed } => {
                *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                mix(*seed) % *count
            }
            Keys::Hot => 0,
        }
    }
}

/// The key of a number: distinct for distinct numbers, scattered like real ones.
pub(crate) fn key_text(number: u64) -> [u8; KEY_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bits = mix(number);
    let mut text = [0; KEY_BYTES];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(bits & 15) as usize];
        bits >>= 4;
    }
    text
}

/// splitmix64's finalizer, a bijection of 64-bit numbers.
pub(crate) fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct_and_random_ones_stay_in_range() {
        let keys: std::collections::HashSet<_> = (0..10_000).map(key_text).collect();
        assert_eq!(keys.len(), 10_000);
        let mut random = Keys::Random { count: 7, seed: 1 };
        let seen: std::collections::HashSet<u64> = (0..1_000).map(|_| random.next()).collect();
        assert_eq!(seen.len(), 7);
        assert!(seen.iter().all(|key| *key < 7));
    }
}
