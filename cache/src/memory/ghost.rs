//! The ghost: fingerprints of what was evicted lately, so that a key that comes back goes to the main queue at once.
//!
//! A set-associative table of 16-bit fingerprints with 16-bit ages: four bytes a remembered key, no list. A fingerprint
//! counts for as many evictions as the table has room for; a false match (1 in 16,000) costs a place in the main queue.

const WAYS: usize = 4;
/// Ages are kept in this many steps per table length.
const AGE_STEPS: u32 = 1024;
const ENTRIES_MIN: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Fingerprint in the upper half, age in the lower; zero is empty.
    cells: Vec<u32>,
    /// Evictions remembered so far.
    evictions: u32,
}

impl Ghost {
    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<u32>()
    }

    fn bucket(&self, hash: u64) -> usize {
        let buckets = (self.cells.len() / WAYS) as u64;
        let place = (hash & 0xFFFF_FFFF) * buckets;
        (place >> 32) as usize * WAYS
    }

    fn fingerprint(hash: u64) -> u32 {
        ((hash >> 16) as u32 & 0xFFFF_0000).max(0x1_0000)
    }

    fn age(&self) -> u16 {
        let step = (self.cells.len() as u32 / AGE_STEPS).max(1);
        (self.evictions / step) as u16
    }

    fn is_fresh(&self, cell: u32) -> bool {
        let span = (self.cells.len() as u32).min(AGE_STEPS) as u16;
        cell != 0 && self.age().wrapping_sub(cell as u16) < span
    }

    /// Remembers an evicted key; `resident` is how many entries the cache holds, which is how many the ghost shall.
    pub(crate) fn remember(&mut self, hash: u64, resident: usize) {
        let wanted = resident.max(ENTRIES_MIN).next_power_of_two();
        if self.cells.len() < wanted || self.cells.len() > wanted * 8 {
            self.cells = vec![0; wanted];
        }
        self.evictions = self.evictions.wrapping_add(1);
        let bucket = self.bucket(hash);
        let fingerprint = Self::fingerprint(hash);
        let age = self.age();
        let cells = &self.cells[bucket..bucket + WAYS];
        let oldest = cells
            .iter()
            .position(|&cell| cell & 0xFFFF_0000 == fingerprint || !self.is_fresh(cell))
            .or_else(|| (0..WAYS).max_by_key(|&way| age.wrapping_sub(cells[way] as u16)))
            .unwrap_or(0);
        self.cells[bucket + oldest] = fingerprint | u32::from(age);
    }

    /// Whether the key was evicted lately; it is forgotten by being asked for.
    pub(crate) fn recall(&mut self, hash: u64) -> bool {
        if self.cells.is_empty() {
            return false;
        }
        let bucket = self.bucket(hash);
        let fingerprint = Self::fingerprint(hash);
        for cell in bucket..bucket + WAYS {
            if self.cells[cell] & 0xFFFF_0000 == fingerprint && self.is_fresh(self.cells[cell]) {
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
        assert!(old < 60, "{old} of 50,000 long gone");
    }

    #[test]
    fn recalls_once() {
        let mut ghost = Ghost::default();
        ghost.remember(hash(1), 10);
        assert!(ghost.recall(hash(1)));
        assert!(!ghost.recall(hash(1)));
    }
}
