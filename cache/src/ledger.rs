//! The ledger: which entries of a shard lie on disk, in which segment and where in it, and what each segment is still worth.
//!
//! It owns the life of segments: they are opened, filled, sealed in the order in which they are given back, and retired. It
//! knows neither keys nor the bytes of a segment, neither the index nor the store: an entry is a [`Slot`] under a number, which
//! is what the index keeps.

mod slot;

use std::collections::VecDeque;

pub(crate) use slot::{PLACES_MAX, Slot};

use slot::{SEGMENTS_MAX, Slots};

use crate::clock::Millis;
use crate::layout::{Layout, Span};

/// How far a segment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is being filled; it has no number yet.
    Open,
    /// It is finished and on its way to disk: its bytes are in memory.
    Flying,
    /// It is on disk.
    Sealed,
    /// It was lost or emptied as a whole; slots that still name it stand for nothing.
    Dead,
}

/// A segment, as a row of the ledger.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its number in the store, never used twice; zero while it is open.
    pub(crate) number: u64,
    /// How many bytes had been written to files when it was there.
    pub(crate) position: u64,
    /// The database that all its entries belong to.
    pub(crate) incarnation: u32,
    /// All its entries are valid as of this invalidation, at least.
    pub(crate) ordinal: u32,
    /// Bytes that it takes on disk.
    pub(crate) bytes: u32,
    pub(crate) state: State,
    /// Whether an entry in it carries tags.
    pub(crate) has_tags: bool,
    /// Entries that it was filled with,
    pub(crate) count: u16,
    /// those of them that the index names,
    pub(crate) live: u16,
    /// those of these that expire,
    pub(crate) with_deadline: u16,
    /// those of these that govern others,
    pub(crate) controls: u16,
    /// and those that lie in memory as well, and are named there.
    pub(crate) linked: u16,
    /// Those of both that do not expire.
    lasting: u16,
    /// A bit for each place that nobody names any more; empty while there is none.
    dead: Box<[u8]>,
    /// Where its entries begin, once it is finished and if each can be read by itself.
    layout: Option<Box<Layout>>,
}

impl Row {
    /// A bit for each place whose entry is gone, lowest first; shorter where the last bits would be zero.
    pub(crate) fn dead(&self) -> &[u8] {
        &self.dead
    }

    /// Where its entries begin, if each can be read by itself.
    #[inline]
    pub(crate) fn layout(&self) -> Option<&Layout> {
        self.layout.as_deref()
    }

    /// Which bytes of it are the entry at a place, if that can be read by itself.
    #[inline]
    pub(crate) fn span(&self, place: u16) -> Option<Span> {
        self.layout()?.span(place)
    }

    /// Notes that the entry at a place is gone.
    fn bury(&mut self, place: u16) {
        let (byte, bit) = (usize::from(place) / 8, place % 8);
        if self.dead.len() <= byte {
            let mut longer = std::mem::take(&mut self.dead).into_vec();
            longer.resize(byte + 1, 0);
            self.dead = longer.into();
        }
        self.dead[byte] |= 1 << bit;
    }

    fn layout_bytes(&self) -> usize {
        if self.layout.is_some() { Layout::bytes_of(self.count) } else { 0 }
    }

    fn is_vacant(&self) -> bool {
        self.live == 0 && self.linked == 0
    }

    /// Bytes on disk that an entry takes: as many as any other of its segment.
    fn share(&self) -> u64 {
        u64::from(self.bytes) / u64::from(self.count.max(1))
    }

    /// Bytes on disk that its entries take, and those of them that do not expire.
    fn takes(&self) -> (u64, u64) {
        let share = self.share();
        (share * u64::from(self.live + self.linked), share * u64::from(self.lasting))
    }
}

/// The entries on disk of one shard.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    slots: Slots,
    rows: Vec<Option<Row>>,
    vacant: Vec<u32>,
    /// Finished segments in the order of their numbers.
    order: VecDeque<u32>,
    /// Bytes on disk of sealed segments,
    sealed_bytes: u64,
    /// the part of them that entries take which somebody names,
    living_bytes: u64,
    /// and of these those that do not expire.
    lasting_bytes: u64,
    /// Slots that the index names, those of dead segments included.
    live: usize,
    /// Slots in the index that name dead segments.
    orphans: usize,
    /// Heap bytes of all layouts.
    layout_bytes: usize,
}

impl Ledger {
    /// Opens a segment; nothing if there are too many.
    pub(crate) fn open(&mut self, incarnation: u32, ordinal: u32) -> Option<u32> {
        let row = Row {
            number: 0,
            position: 0,
            incarnation,
            ordinal,
            state: State::Open,
            has_tags: false,
            bytes: 0,
            count: 0,
            live: 0,
            with_deadline: 0,
            controls: 0,
            linked: 0,
            lasting: 0,
            dead: Box::default(),
            layout: None,
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

    /// The finished segment of this number.
    pub(crate) fn find(&self, number: u64) -> Option<u32> {
        let number_of = |row: &u32| self.row(*row).map_or(0, |row| row.number);
        self.order.binary_search_by_key(&number, number_of).ok().map(|place| self.order[place])
    }

    /// The first finished segment with a number from `number` on.
    pub(crate) fn first_from(&self, number: u64) -> Option<(u32, &Row)> {
        let place = self.order.partition_point(|row| self.row(*row).is_some_and(|row| row.number < number));
        self.order.get(place).and_then(|&place| Some((place, self.row(place)?)))
    }

    /// Enters an entry at a place of a segment; returns its slot's number. Nothing if that cannot be said in a slot.
    pub(crate) fn enter(
        &mut self,
        row: u32,
        place: u16,
        check: u32,
        deadline: Option<Millis>,
        is_control: bool,
    ) -> Option<u32> {
        let segment = self.rows.get_mut(row as usize)?.as_mut().filter(|row| row.state != State::Dead)?;
        let number = self.slots.add(Slot::new(row, place, check, deadline, is_control)?)?;
        segment.count = segment.count.max(place + 1);
        segment.live += 1;
        segment.with_deadline += u16::from(deadline.is_some());
        segment.controls += u16::from(is_control);
        segment.lasting += u16::from(deadline.is_none());
        self.live += 1;
        Some(number)
    }

    /// Notes that the entry at a place of a segment is not to be entered.
    pub(crate) fn skip(&mut self, row: u32, place: u16) {
        if let Some(segment) = self.row_mut(row) {
            segment.count = segment.count.max(place + 1);
            segment.bury(place);
        }
    }

    /// Notes that an entry of a segment carries tags.
    pub(crate) fn note_tags(&mut self, row: u32) {
        self.row_mut(row).into_iter().for_each(|row| row.has_tags = true);
    }

    /// Notes that all entries of a segment are valid as of an invalidation.
    pub(crate) fn lift_ordinal(&mut self, row: u32, ordinal: u32) {
        self.row_mut(row).into_iter().for_each(|row| row.ordinal = row.ordinal.max(ordinal));
    }

    /// The slot of this number, dead segments' included.
    #[inline]
    pub(crate) fn slot(&self, number: u32) -> Slot {
        self.slots.get(number)
    }

    /// The segment that a slot names, if it is still there.
    #[inline]
    pub(crate) fn segment(&self, slot: Slot) -> Option<&Row> {
        self.row(slot.row()).filter(|row| row.state != State::Dead)
    }

    /// Removes a slot, and with it the entry from its segment. A dead segment goes with its last slot.
    pub(crate) fn remove(&mut self, number: u32) {
        let slot = self.slots.get(number);
        self.slots.remove(number);
        let Some(row) = self.row_mut(slot.row()) else { return };
        row.bury(slot.place());
        let (is_dead, is_sealed, share) = (row.state == State::Dead, row.state == State::Sealed, row.share());
        row.lasting -= u16::from(!slot.has_deadline());
        if slot.is_linked() {
            row.linked -= 1;
        } else {
            row.live -= 1;
            row.with_deadline -= u16::from(slot.has_deadline());
            row.controls -= u16::from(slot.is_control());
            self.live -= 1;
            self.orphans -= usize::from(is_dead);
        }
        if is_sealed {
            self.living_bytes -= share;
            self.lasting_bytes -= if slot.has_deadline() { 0 } else { share };
        }
        if is_dead {
            self.retire_if_vacant(slot.row());
        }
    }

    /// Notes that the entry lies in memory as well, and the index knows it by that.
    pub(crate) fn link(&mut self, number: u32) {
        let slot = self.slots.get(number);
        let Some(row) = self.row_mut(slot.row()).filter(|_| !slot.is_linked()) else { return };
        row.live -= 1;
        row.with_deadline -= u16::from(slot.has_deadline());
        row.controls -= u16::from(slot.is_control());
        row.linked += 1;
        self.live -= 1;
        self.slots.link(number, true);
    }

    /// Notes that the entry lies here only, and the index knows it by its slot; false if its segment is not there any more.
    pub(crate) fn unlink(&mut self, number: u32) -> bool {
        let slot = self.slots.get(number);
        let row = self.row_mut(slot.row()).filter(|row| row.state != State::Dead && slot.is_linked());
        let Some(row) = row else { return false };
        row.linked -= 1;
        row.live += 1;
        row.with_deadline += u16::from(slot.has_deadline());
        row.controls += u16::from(slot.is_control());
        self.live += 1;
        self.slots.link(number, false);
        true
    }

    /// Marks a slot as read; says whether it was marked before.
    pub(crate) fn touch(&mut self, number: u32) -> bool {
        self.slots.touch(number)
    }

    /// Notes that a segment is finished and has a number, greater than all before it, and where its entries begin.
    pub(crate) fn finish(&mut self, row: u32, number: u64, layout: Option<Layout>) {
        let Some(segment) = self.row_mut(row).filter(|row| row.state == State::Open) else { return };
        (segment.state, segment.number) = (State::Flying, number);
        segment.layout = layout.map(Box::new);
        self.layout_bytes += self.rows[row as usize].as_ref().map_or(0, Row::layout_bytes);
        self.order.push_back(row);
    }

    /// Notes that a segment is on disk now, takes so many bytes there, and how many were written until now.
    pub(crate) fn seal(&mut self, row: u32, bytes: u32, position: u64) {
        let Some(segment) = self.row_mut(row).filter(|row| row.state == State::Flying) else { return };
        (segment.state, segment.bytes, segment.position) = (State::Sealed, bytes, position);
        let (living, lasting) = segment.takes();
        self.sealed_bytes += u64::from(bytes);
        self.living_bytes += living;
        self.lasting_bytes += lasting;
    }

    /// The finished segment that was written first.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.order.front().copied()
    }

    /// Bytes on disk of sealed segments.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes
    }

    /// Bytes on disk that entries take which somebody names.
    pub(crate) fn living_bytes(&self) -> u64 {
        self.living_bytes
    }

    /// Bytes on disk that those take which do not expire.
    pub(crate) fn lasting_bytes(&self) -> u64 {
        self.lasting_bytes
    }

    /// How many segments are finished.
    pub(crate) fn segments(&self) -> usize {
        self.order.len()
    }

    /// Slots that the index names, those of dead segments included.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Gives up a segment with all that is in it. Its slots stand for nothing from here on and are removed as they are met.
    ///
    /// Returns how many entries were lost that were nowhere else, and how many of them expire.
    pub(crate) fn give_up(&mut self, row: u32) -> (u64, u64) {
        if self.row(row).is_some_and(|segment| matches!(segment.state, State::Flying | State::Sealed)) {
            self.order.retain(|&known| known != row);
        }
        self.kill(row)
    }

    /// Gives up all segments of a database. Calls `each` with the number of every finished one.
    pub(crate) fn give_up_all_of(&mut self, incarnation: u32, mut each: impl FnMut(u64)) {
        let rows = std::mem::take(&mut self.rows);
        self.order
            .retain(|&row| rows[row as usize].as_ref().is_some_and(|row| row.incarnation != incarnation));
        self.rows = rows;
        for row in 0..self.rows.len() as u32 {
            if let Some(segment) = self.row(row).filter(|row| row.incarnation == incarnation) {
                if matches!(segment.state, State::Flying | State::Sealed) {
                    each(segment.number);
                }
                self.kill(row);
            }
        }
    }

    fn kill(&mut self, row: u32) -> (u64, u64) {
        let Some(segment) = self.row_mut(row).filter(|row| row.state != State::Dead) else { return (0, 0) };
        let (was, bytes, layout_bytes) = (segment.state, segment.bytes, segment.layout_bytes());
        let (living, lasting) = segment.takes();
        (segment.state, segment.layout) = (State::Dead, None);
        let lost = (u64::from(segment.live), u64::from(segment.with_deadline));
        self.layout_bytes -= layout_bytes;
        self.orphans += lost.0 as usize;
        if was == State::Sealed {
            self.sealed_bytes -= u64::from(bytes);
            self.living_bytes -= living;
            self.lasting_bytes -= lasting;
        }
        self.retire_if_vacant(row);
        lost
    }

    fn retire_if_vacant(&mut self, row: u32) {
        if self.row(row).is_some_and(Row::is_vacant) {
            self.rows[row as usize] = None;
            self.vacant.push(row);
        }
    }

    /// Slots in the index that stand for nothing and still have to be met.
    pub(crate) fn orphans(&self) -> usize {
        self.orphans
    }

    /// All segments that are not given up.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        let rows =
            self.rows.iter().enumerate().filter_map(|(place, row)| Some((place as u32, row.as_ref()?)));
        rows.filter(|(_, row)| row.state != State::Dead)
    }

    /// Frees up to `count` rows of a ledger that was flushed; true when nothing is left.
    pub(crate) fn dismantle(&mut self, count: usize) -> bool {
        self.rows.truncate(self.rows.len().saturating_sub(count));
        self.rows.is_empty()
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let rows = self.rows.capacity() * size_of::<Option<Row>>();
        let numbers = (self.vacant.capacity() + self.order.capacity()) * size_of::<u32>();
        // A bitmap of a packed segment, once an entry in it has died.
        rows + numbers + self.slots.bytes() + self.layout_bytes + self.rows.len() * DEAD_BYTES
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
        Link(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let which = || 0usize..1000;
        prop_oneof![
            2 => Just(Step::Open),
            8 => (which(), any::<bool>()).prop_map(|(n, expires)| Step::Enter(n, expires)),
            4 => which().prop_map(Step::Remove),
            1 => which().prop_map(Step::Seal),
            1 => which().prop_map(Step::GiveUp),
            3 => which().prop_map(Step::Link),
        ]
    }

    proptest! {
        #[test]
        fn counts_follow_what_is_entered_and_removed(steps in prop::collection::vec(step(), 1..300)) {
            let mut ledger = Ledger::default();
            let mut open: Vec<(u32, u16)> = Vec::new();
            let mut sealed: Vec<u32> = Vec::new();
            // Slot, and the row, whether it expires and whether it is linked.
            let mut slots: HashMap<u32, (u32, bool, bool)> = HashMap::new();
            let mut numbers = 0;
            for step in steps {
                match step {
                    Step::Open => {
                        open.push((ledger.open(1, 0).expect("not too many"), 0));
                    }
                    Step::Enter(n, expires) if !open.is_empty() => {
                        let place = n % open.len();
                        let (row, next) = &mut open[place];
                        let deadline = expires.then_some(Millis(5_000));
                        if let Some(slot) = ledger.enter(*row, *next, n as u32, deadline, false) {
                            *next += 1;
                            prop_assert!(slots.insert(slot, (*row, expires, false)).is_none());
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
                        numbers += 1;
                        ledger.finish(row, numbers, None);
                        ledger.seal(row, 16_384, 0);
                        prop_assert_eq!(ledger.find(numbers), Some(row));
                        sealed.push(row);
                    }
                    Step::GiveUp(n) if !sealed.is_empty() => {
                        let row = sealed.swap_remove(n % sealed.len());
                        let mine = slots.values().filter(|(of, _, is_linked)| *of == row && !is_linked);
                        let expected = (mine.clone().count() as u64, mine.filter(|(_, e, _)| *e).count() as u64);
                        prop_assert_eq!(ledger.give_up(row), expected);
                        // Whoever meets a slot of it removes it; until then the row is not used again.
                        let orphans: Vec<_> =
                            slots.iter().filter(|(_, (of, ..))| *of == row).map(|(slot, _)| *slot).collect();
                        for slot in orphans {
                            prop_assert!(ledger.segment(ledger.slot(slot)).is_none());
                            prop_assert!(!ledger.unlink(slot));
                            ledger.remove(slot);
                            slots.remove(&slot);
                        }
                        prop_assert_eq!(ledger.orphans(), 0);
                    }
                    Step::Link(n) if !slots.is_empty() => {
                        let mut known: Vec<_> = slots.keys().copied().collect();
                        known.sort_unstable();
                        let slot = known[n % known.len()];
                        if let Some((_, _, is_linked)) = slots.get_mut(&slot) {
                            if *is_linked { prop_assert!(ledger.unlink(slot)) } else { ledger.link(slot) }
                            *is_linked = !*is_linked;
                        }
                    }
                    _ => {}
                }
                for (row, segment) in ledger.rows() {
                    let mine = slots.values().filter(|(of, ..)| *of == row);
                    let linked = mine.clone().filter(|(_, _, is_linked)| *is_linked).count();
                    let live = mine.count();
                    prop_assert_eq!((usize::from(segment.live), usize::from(segment.linked)), (live - linked, linked));
                    let dead: u32 = segment.dead().iter().map(|byte| byte.count_ones()).sum();
                    prop_assert_eq!(dead as usize + live, usize::from(segment.count));
                }
                let live = slots.values().filter(|(_, _, is_linked)| !is_linked).count();
                prop_assert_eq!(ledger.live(), live);
                prop_assert_eq!(ledger.sealed_bytes(), sealed.len() as u64 * 16_384);
                let (mut living, mut lasting) = (0, 0);
                for (row, segment) in ledger.rows().filter(|(_, row)| row.state == State::Sealed) {
                    let mine = || slots.values().filter(|(of, ..)| *of == row);
                    let share = 16_384 / u64::from(segment.count.max(1));
                    living += mine().count() as u64 * share;
                    lasting += mine().filter(|(_, expires, _)| !expires).count() as u64 * share;
                }
                prop_assert_eq!((ledger.living_bytes(), ledger.lasting_bytes()), (living, lasting));
            }
        }
    }
}
