//! The ledger: which entries of a shard lie on disk, in which segment and where in it, and what each segment is still worth.
//!
//! It owns the life of segments: they are opened, filled, sealed in the order in which they are given back, and retired. It
//! knows neither keys nor the bytes of a segment, neither the index nor the store: an entry is a [`Slot`] under a number, which
//! is what the index keeps.

mod slot;

use std::collections::VecDeque;

pub(crate) use slot::Slot;

use slot::{SEGMENTS_MAX, Slots};

use crate::clock::Millis;

/// How far a segment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is being filled, or on its way to disk: its bytes are in memory.
    Open,
    /// It is on disk.
    Sealed,
    /// It was lost or emptied as a whole; slots that still name it stand for nothing.
    Dead,
}

/// A segment, as a row of the ledger.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its number in the store, never used twice.
    pub(crate) number: u64,
    /// The database that all its entries belong to.
    pub(crate) incarnation: u32,
    /// All its entries are valid as of this invalidation, at least.
    pub(crate) ordinal: u32,
    pub(crate) state: State,
    /// Bytes that it takes on disk.
    pub(crate) bytes: u32,
    /// Entries that it was filled with,
    pub(crate) count: u16,
    /// those of them that slots still name,
    pub(crate) live: u16,
    /// and those of these that expire.
    pub(crate) with_deadline: u16,
    /// A bit for each place that no slot names any more; empty while there is none.
    dead: Vec<u8>,
}

impl Row {
    /// A bit for each place whose entry is gone, lowest first; shorter where the last bits would be zero.
    pub(crate) fn dead(&self) -> &[u8] {
        &self.dead
    }
}

/// The entries on disk of one shard.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    slots: Slots,
    rows: Vec<Option<Row>>,
    vacant: Vec<u32>,
    /// Sealed segments, oldest first.
    order: VecDeque<u32>,
    /// Bytes on disk of sealed segments.
    sealed_bytes: u64,
    /// Slots that name dead segments.
    orphans: usize,
}

impl Ledger {
    /// Opens a segment; nothing if there are too many.
    pub(crate) fn open(&mut self, number: u64, incarnation: u32, ordinal: u32) -> Option<u32> {
        let row = Row {
            number,
            incarnation,
            ordinal,
            state: State::Open,
            bytes: 0,
            count: 0,
            live: 0,
            with_deadline: 0,
            dead: Vec::new(),
        };
        if let Some(place) = self.vacant.pop() {
            self.rows[place as usize] = Some(row);
            return Some(place);
        }
        if self.rows.len() >= SEGMENTS_MAX {
            return None;
        }
        self.rows.push(Some(row));
        Some((self.rows.len() - 1) as u32)
    }

    /// A segment that is not retired.
    pub(crate) fn row(&self, row: u32) -> Option<&Row> {
        self.rows.get(row as usize)?.as_ref()
    }

    fn row_mut(&mut self, row: u32) -> Option<&mut Row> {
        self.rows.get_mut(row as usize)?.as_mut()
    }

    /// Enters an entry at a place of a segment; returns its slot's number. Nothing if that cannot be said in a slot.
    pub(crate) fn enter(
        &mut self,
        row: u32,
        place: u16,
        check: u32,
        deadline: Option<Millis>,
    ) -> Option<u32> {
        let segment = self.rows.get_mut(row as usize)?.as_mut().filter(|row| row.state != State::Dead)?;
        let number = self.slots.add(Slot::new(row, place, check, deadline)?)?;
        segment.count = segment.count.max(place + 1);
        segment.live += 1;
        segment.with_deadline += u16::from(deadline.is_some());
        Some(number)
    }

    /// The slot of this number, dead segments' included.
    #[inline]
    pub(crate) fn slot(&self, number: u32) -> Slot {
        self.slots.get(number)
    }

    /// Whether the segment that a slot names is still there.
    #[inline]
    pub(crate) fn is_there(&self, slot: Slot) -> bool {
        self.row(slot.row()).is_some_and(|row| row.state != State::Dead)
    }

    /// Removes a slot, and with it the entry from its segment. A dead segment goes with its last slot.
    pub(crate) fn remove(&mut self, number: u32) {
        let slot = self.slots.get(number);
        self.slots.remove(number);
        let Some(row) = self.row_mut(slot.row()) else { return };
        row.live -= 1;
        row.with_deadline -= u16::from(slot.has_deadline());
        let (byte, bit) = (usize::from(slot.place()) / 8, slot.place() % 8);
        if row.dead.len() <= byte {
            row.dead.resize(byte + 1, 0);
        }
        row.dead[byte] |= 1 << bit;
        if row.state == State::Dead {
            self.orphans -= 1;
            self.retire_if_empty(slot.row());
        }
    }

    /// Marks a slot as read; says whether it was marked before.
    pub(crate) fn touch(&mut self, number: u32) -> bool {
        self.slots.touch(number)
    }

    /// Notes that a segment is on disk now, and takes so many bytes there.
    pub(crate) fn seal(&mut self, row: u32, bytes: u32) {
        let Some(segment) = self.row_mut(row).filter(|row| row.state == State::Open) else { return };
        (segment.state, segment.bytes) = (State::Sealed, bytes);
        self.order.push_back(row);
        self.sealed_bytes += u64::from(bytes);
    }

    /// The sealed segment that has been on disk for longest.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.order.front().copied()
    }

    /// Bytes on disk of sealed segments.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes
    }

    /// Gives up a segment with all that is in it. Its slots stand for nothing from here on and are removed as they are met.
    ///
    /// Returns how many entries were lost, and how many of them expire.
    pub(crate) fn give_up(&mut self, row: u32) -> (u64, u64) {
        let Some(segment) = self.row_mut(row).filter(|row| row.state != State::Dead) else { return (0, 0) };
        let (was, bytes) = (segment.state, segment.bytes);
        segment.state = State::Dead;
        let lost = (u64::from(segment.live), u64::from(segment.with_deadline));
        self.orphans += lost.0 as usize;
        if was == State::Sealed {
            self.order.retain(|&known| known != row);
            self.sealed_bytes -= u64::from(bytes);
        }
        self.retire_if_empty(row);
        lost
    }

    fn retire_if_empty(&mut self, row: u32) {
        if self.row(row).is_some_and(|segment| segment.live == 0) {
            self.rows[row as usize] = None;
            self.vacant.push(row);
        }
    }

    /// Slots that stand for nothing and still have to be met.
    pub(crate) fn orphans(&self) -> usize {
        self.orphans
    }

    /// All segments that are not given up.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        let rows =
            self.rows.iter().enumerate().filter_map(|(place, row)| Some((place as u32, row.as_ref()?)));
        rows.filter(|(_, row)| row.state != State::Dead)
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let rows = self.rows.capacity() * size_of::<Option<Row>>();
        let numbers = (self.vacant.capacity() + self.order.capacity()) * size_of::<u32>();
        // A bitmap of a packed segment, once an entry in it has died.
        rows + numbers + self.slots.bytes() + self.rows.len() * DEAD_BYTES
    }
}

/// What the bitmap of dead places takes, as a rule.
const DEAD_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Open,
        Enter(usize, bool),
        Remove(usize),
        Seal(usize),
        GiveUp(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let which = || 0usize..1000;
        prop_oneof![
            2 => Just(Step::Open),
            8 => (which(), any::<bool>()).prop_map(|(n, expires)| Step::Enter(n, expires)),
            4 => which().prop_map(Step::Remove),
            1 => which().prop_map(Step::Seal),
            1 => which().prop_map(Step::GiveUp),
        ]
    }

    proptest! {
        #[test]
        fn counts_follow_what_is_entered_and_removed(steps in prop::collection::vec(step(), 1..300)) {
            let mut ledger = Ledger::default();
            let mut open: Vec<(u32, u16)> = Vec::new();
            let mut sealed: Vec<u32> = Vec::new();
            // Slot, and the row and whether it expires.
            let mut slots: HashMap<u32, (u32, bool)> = HashMap::new();
            let mut numbers = 0;
            for step in steps {
                match step {
                    Step::Open => {
                        numbers += 1;
                        open.push((ledger.open(numbers, 1, 0).expect("not too many"), 0));
                    }
                    Step::Enter(n, expires) if !open.is_empty() => {
                        let place = n % open.len();
                        let (row, next) = &mut open[place];
                        let deadline = expires.then_some(Millis(5_000));
                        if let Some(slot) = ledger.enter(*row, *next, n as u32, deadline) {
                            *next += 1;
                            prop_assert!(slots.insert(slot, (*row, expires)).is_none());
                        }
                    }
                    Step::Remove(n) if !slots.is_empty() => {
                        let mut known: Vec<_> = slots.keys().copied().collect();
                        known.sort_unstable();
                        let slot = known[n % known.len()];
                        ledger.remove(slot);
                        slots.remove(&slot);
                    }
                    Step::Seal(n) if !open.is_empty() => {
                        let (row, _) = open.swap_remove(n % open.len());
                        ledger.seal(row, 16_384);
                        sealed.push(row);
                    }
                    Step::GiveUp(n) if !sealed.is_empty() => {
                        let row = sealed.swap_remove(n % sealed.len());
                        let mine = slots.values().filter(|(of, _)| *of == row);
                        let expected = (mine.clone().count() as u64, mine.filter(|(_, e)| *e).count() as u64);
                        prop_assert_eq!(ledger.give_up(row), expected);
                        // Whoever meets a slot of it removes it; until then the row is not used again.
                        let orphans: Vec<_> =
                            slots.iter().filter(|(_, (of, _))| *of == row).map(|(slot, _)| *slot).collect();
                        for slot in orphans {
                            prop_assert!(!ledger.is_there(ledger.slot(slot)));
                            ledger.remove(slot);
                            slots.remove(&slot);
                        }
                        prop_assert_eq!(ledger.orphans(), 0);
                    }
                    _ => {}
                }
                for (row, segment) in ledger.rows() {
                    let live = slots.values().filter(|(of, _)| *of == row).count();
                    prop_assert_eq!(usize::from(segment.live), live);
                    let dead: u32 = segment.dead().iter().map(|byte| byte.count_ones()).sum();
                    prop_assert_eq!(dead as usize + live, usize::from(segment.count));
                }
                prop_assert_eq!(ledger.sealed_bytes(), sealed.len() as u64 * 16_384);
            }
        }
    }
}
