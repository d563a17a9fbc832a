//! The sketch: about how often each key was asked for lately, resident or not.
//!
//! A count-min sketch of four-bit counts, each key in two of them, six counts a resident entry. All counts are halved once
//! in ten additions an entry. That is done a word at a time as additions come, so that no addition is a long one; a word whose
//! turn has not come yet is read and added to as if it had, since a count means nothing beside one that is halved less often.

const COUNTS_PER_ENTRY: usize = 6;
const COUNTS_PER_WORD: usize = 16;
const BITS: usize = 4;
const COUNT_MAX: u64 = 15;
/// Additions after which one word is halved: a whole round is ten additions an entry.
const ADDITIONS_PER_WORD: u32 = (10 * COUNTS_PER_WORD / COUNTS_PER_ENTRY) as u32;
/// Every count without its upper bit, once all are shifted down.
const HALVES: u64 = 0x7777_7777_7777_7777;
/// Small caches get more counts than they need: in a loop one mistaken count in a hundred costs a point of hits.
const WORDS_MIN: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Sketch {
    words: Vec<u64>,
    additions: u32,
    /// The word to be halved next.
    hand: usize,
}

impl Sketch {
    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Makes the sketch fit so many resident entries; it starts anew where it is far off.
    pub(crate) fn fit(&mut self, resident: usize) {
        let wanted = (resident * COUNTS_PER_ENTRY / COUNTS_PER_WORD).max(WORDS_MIN);
        if self.words.len() < wanted - wanted / 8 || self.words.len() > wanted * 4 {
            self.words = vec![0; wanted];
            self.hand = 0;
        }
    }

    fn places(&self, hash: u64) -> [usize; 2] {
        let counts = (self.words.len() * COUNTS_PER_WORD) as u64;
        [hash & 0xFFFF_FFFF, hash >> 32].map(|half| ((half * counts) >> 32) as usize)
    }

    /// How far the count at a place is still to be shifted in this round.
    fn due(&self, place: usize) -> u32 {
        u32::from(place / COUNTS_PER_WORD >= self.hand)
    }

    fn at(&self, place: usize) -> u64 {
        let count = self.words[place / COUNTS_PER_WORD] >> (place % COUNTS_PER_WORD * BITS) & COUNT_MAX;
        count >> self.due(place)
    }

    fn raise(&mut self, place: usize, to: u64) {
        let shift = place % COUNTS_PER_WORD * BITS;
        let count = (to << self.due(place)).min(COUNT_MAX);
        let word = &mut self.words[place / COUNTS_PER_WORD];
        *word = *word & !(COUNT_MAX << shift) | count << shift;
    }

    /// How often the key was seen, at most fifteen times.
    pub(crate) fn count(&self, hash: u64) -> u64 {
        if self.words.is_empty() {
            return 0;
        }
        self.places(hash).into_iter().map(|place| self.at(place)).min().unwrap_or(0)
    }

    /// Counts a key so many times.
    pub(crate) fn add(&mut self, hash: u64, times: u8) {
        if self.words.is_empty() || times == 0 {
            return;
        }
        let count = self.count(hash) + u64::from(times);
        for place in self.places(hash) {
            if self.at(place) < count {
                self.raise(place, count);
            }
        }
        self.additions += u32::from(times);
        while self.additions >= ADDITIONS_PER_WORD {
            self.additions -= ADDITIONS_PER_WORD;
            self.words[self.hand] = self.words[self.hand] >> 1 & HALVES;
            self.hand = (self.hand + 1) % self.words.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    #[test]
    fn tells_the_often_seen_from_the_rest() {
        let mut sketch = Sketch::default();
        sketch.fit(1000);
        for round in 0..8 {
            (0..100).for_each(|n| sketch.add(hash(n), 1));
            (0..500).for_each(|n| sketch.add(hash(1_000_000 + round * 500 + n), 1));
        }
        assert!((0..100).all(|n| sketch.count(hash(n)) >= 4));
        let mistaken = (0..1000).filter(|&n| sketch.count(hash(9_000_000 + n)) >= 4).count();
        assert!(mistaken < 50, "{mistaken} of 1,000 never seen");
    }

    #[test]
    fn forgets_what_is_not_seen_any_more() {
        let mut sketch = Sketch::default();
        sketch.fit(1000);
        sketch.add(hash(1), 15);
        (0..60_000).for_each(|n| sketch.add(hash(1000 + n), 1));
        assert!(sketch.count(hash(1)) < 10, "{}", sketch.count(hash(1)));
    }
}
