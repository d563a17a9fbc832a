//! The ghost: fingerprints of what was evicted lately, so that a key that comes back goes to the main queue at once.
//!
//! A set-associative table of fingerprints of ten bits with ages of six: two bytes a remembered key, no list. A fingerprint
//! counts for as many evictions as the table has room for; a false match (1 in 130) costs a place in the main queue.

const WAYS: usize = 8;
const AGE_BITS: u32 = 6;
const AGE_MASK: u16 = (1 << AGE_BITS) - 1;
/// Ages are kept in this many steps per table length, half of what they can tell apart.
const AGE_STEPS: usize = 1 << (AGE_BITS - 1);
const ENTRIES_MIN: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Fingerprint in the upper bits, age in the lower; zero is empty.
    cells: Vec<u16>,
    /// Evictions remembered so far.
    evictions: u32,
}

impl Ghost {
    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<u16>()
    }

    fn bucket(&self, hash: u64) -> usize {
        let buckets = (self.cells.len() / WAYS) as u64;
        let place = (hash & 0xFFFF_FFFF) * buckets;
        (place >> 32) as usize * WAYS
    }

    fn fingerprint(hash: u64) -> u16 {
        ((hash >> 32) as u16 & !AGE_MASK).max(1 << AGE_BITS)
    }

    fn age(&self) -> u16 {
        let step = (self.cells.len() / AGE_STEPS).max(1) as u32;
        (self.evictions / step) as u16 & AGE_MASK
    }

    /// How many steps ago a cell was written.
    fn since(&self, cell: u16) -> usize {
        usize::from(self.age().wrapping_sub(cell) & AGE_MASK)
    }

    fn is_fresh(&self, cell: u16) -> bool {
        cell != 0 && self.since(cell) < AGE_STEPS
    }

    /// Remembers an evicted key; `resident` is how many entries the cache holds, which is how many the ghost shall.
    pub(crate) fn remember(&mut self, hash: u64, resident: usize) {
        let wanted = resident.max(ENTRIES_MIN);
        if self.cells.len() < wanted || self.cells.len() > wanted * 4 {
            self.cells = vec![0; (wanted + wanted / 16).next_multiple_of(WAYS)];
        }
        self.evictions = self.evictions.wrapping_add(1);
        let bucket = self.bucket(hash);
        let fingerprint = Self::fingerprint(hash);
        let cells = &self.cells[bucket..bucket + WAYS];
        let oldest = cells
            .iter()
            .position(|&cell| cell & !AGE_MASK == fingerprint || !self.is_fresh(cell))
            .or_else(|| (0..WAYS).max_by_key(|&way| self.since(cells[way])))
            .unwrap_or(0);
        self.cells[bucket + oldest] = fingerprint | self.age();
    }

    /// Whether the key was evicted lately; it is forgotten by being asked for.
    pub(crate) fn recall(&mut self, hash: u64) -> bool {
        if self.cells.is_empty() {
            return false;
        }
        let bucket = self.bucket(hash);
        let fingerprint = Self::fingerprint(hash);
        for cell in bucket..bucket + WAYS {
            if self.cells[cell] & !AGE_MASK == fingerprint && self.is_fresh(self.cells[cell]) {
                self.cells[cell] = 0;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    #[test]
    fn remembers_the_recent_and_forgets_the_old() {
        let mut ghost = Ghost::default();
        for n in 0..100_000 {
            ghost.remember(hash(n), 4096);
        }
        let recent = (99_000..100_000).filter(|&n| ghost.recall(hash(n))).count();
        let old = (0..50_000).filter(|&n| ghost.recall(hash(n))).count();
        assert!(recent > 850, "{recent} of the last 1,000");
        assert!(old < 900, "{old} of 50,000 long gone");
    }

    #[test]
    fn recalls_once() {
        let mut ghost = Ghost::default();
        ghost.remember(hash(1), 10);
        assert!(ghost.recall(hash(1)));
        assert!(!ghost.recall(hash(1)));
    }
}
