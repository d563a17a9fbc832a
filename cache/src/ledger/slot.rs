//! A slot: twelve bytes that say where on disk an entry lies, and as much about it as is asked for most.
//!
//! ```text
//! segment's row | place within it      the hash bits that the index has not   deadline in seconds | control | linked | expires | was read
//! 22            | 10                   32                                     28                  | 1       | 1      | 1       | 1
//! ```
//! The key is not here: it is compared when the entry is read. Two keys of one shard that share all bits of their hash would be
//! taken for each other by who does not read; with a keyed hash of 64 bits nobody can make that happen.

use crate::clock::Millis;

const PLACE_BITS: u32 = 10;
/// Entries that a segment may have.
pub(crate) const PLACES_MAX: u16 = (1 << PLACE_BITS) - 1;
/// Segments that a shard may have.
pub(crate) const SEGMENTS_MAX: usize = 1 << (32 - PLACE_BITS);
/// Slots that a shard may have: the index has one bit less than this for them.
const SLOTS_MAX: usize = 1 << 31;

const WAS_READ: u32 = 1;
const EXPIRES: u32 = 1 << 1;
/// The entry lies in memory as well, and the index knows it by that.
const LINKED: u32 = 1 << 2;
const CONTROL: u32 = 1 << 3;
const SECONDS_SHIFT: u32 = 4;
const SECONDS_MAX: u64 = (1 << 28) - 1;

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    at: u32,
    check: u32,
    due: u32,
}

impl Slot {
    /// Nothing if the place is too far behind.
    pub(super) fn new(
        row: u32,
        place: u16,
        check: u32,
        deadline: Option<Millis>,
        is_control: bool,
    ) -> Option<Self> {
        if place > PLACES_MAX || row as usize >= SEGMENTS_MAX {
            return None;
        }
        // Rounded down, so that what is over is never taken for alive; exactly it is said where the entry lies.
        let due = deadline
            .map_or(0, |deadline| ((deadline.0 / 1000).min(SECONDS_MAX) as u32) << SECONDS_SHIFT | EXPIRES);
        let control = if is_control { CONTROL } else { 0 };
        Some(Self { at: row << PLACE_BITS | u32::from(place), check, due: due | control })
    }

    /// The segment's row in the ledger.
    #[inline]
    pub(crate) fn row(self) -> u32 {
        self.at >> PLACE_BITS
    }

    /// Its place within the segment.
    #[inline]
    pub(crate) fn place(self) -> u16 {
        (self.at & u32::from(PLACES_MAX)) as u16
    }

    /// The bits of the key's hash that the index does not have.
    #[inline]
    pub(crate) fn check(self) -> u32 {
        self.check
    }

    /// Whether somebody read it since it was written.
    pub(crate) fn was_read(self) -> bool {
        self.due & WAS_READ != 0
    }

    /// Whether the entry lies in memory as well.
    pub(crate) fn is_linked(self) -> bool {
        self.due & LINKED != 0
    }

    /// Whether other entries are governed by it.
    pub(crate) fn is_control(self) -> bool {
        self.due & CONTROL != 0
    }

    pub(crate) fn has_deadline(self) -> bool {
        self.due & EXPIRES != 0
    }

    /// Up to a second before it expires, if ever.
    #[inline]
    pub(crate) fn deadline_floor(self) -> Option<Millis> {
        self.has_deadline().then(|| Millis(u64::from(self.due >> SECONDS_SHIFT) * 1000))
    }
}

/// All slots of a shard, by number.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    /// The last slot that was given back; each says in `at` which was given back before it.
    free: Option<u32>,
}

const NO_FREE: u32 = u32::MAX;

impl Slots {
    pub(super) fn add(&mut self, slot: Slot) -> Option<u32> {
        if let Some(number) = self.free {
            let next = self.slots[number as usize].at;
            self.free = Some(next).filter(|&next| next != NO_FREE);
            self.slots[number as usize] = slot;
            return Some(number);
        }
        if self.slots.len() + 1 >= SLOTS_MAX {
            return None;
        }
        self.slots.push(slot);
        Some((self.slots.len() - 1) as u32)
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Slot {
        self.slots[number as usize]
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.slots[number as usize] = Slot { at: self.free.unwrap_or(NO_FREE), check: 0, due: 0 };
        self.free = Some(number);
    }

    /// Marks a slot as read; says whether it was marked before.
    pub(super) fn touch(&mut self, number: u32) -> bool {
        let slot = &mut self.slots[number as usize];
        let before = slot.due & WAS_READ != 0;
        slot.due |= WAS_READ;
        before
    }

    /// Notes whether the entry lies in memory as well.
    pub(super) fn link(&mut self, number: u32, is_linked: bool) {
        let slot = &mut self.slots[number as usize];
        slot.due = (slot.due & !LINKED) | if is_linked { LINKED } else { 0 };
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_says_what_it_was_told() {
        let deadline = Some(Millis(1_234_567));
        let slot = Slot::new(4_000_000, 1000, 0xDEAD_BEEF, deadline, true).expect("it fits");
        assert_eq!((slot.row(), slot.place(), slot.check()), (4_000_000, 1000, 0xDEAD_BEEF));
        assert_eq!(slot.deadline_floor(), Some(Millis(1_234_000)));
        assert_eq!((slot.is_control(), slot.is_linked(), slot.was_read()), (true, false, false));
        assert_eq!(Slot::new(1, 1, 0, None, false).and_then(Slot::deadline_floor), None);
        assert_eq!(Slot::new(1, 1024, 0, None, false), None);
        assert_eq!(size_of::<Slot>(), 12);
    }

    #[test]
    fn numbers_are_used_again() {
        let mut slots = Slots::default();
        let slot = Slot::new(1, 1, 7, None, false).expect("it fits");
        let numbers: Vec<_> = (0..3).filter_map(|_| slots.add(slot)).collect();
        slots.remove(numbers[0]);
        slots.remove(numbers[2]);
        assert_eq!([slots.add(slot), slots.add(slot), slots.add(slot)], [Some(2), Some(0), Some(3)]);
        assert!(!slots.touch(1) && slots.touch(1));
    }
}
