//! The names of what lies on disk, for scans: they are read from segments, in the order in which those were finished.
//!
//! A scan first walks the segments that were finished when it began, then the index. There it shows what lies in memory, and
//! of what lies on disk that which came into a segment later: everything else it has walked past, and an entry that has not
//! moved since was in its segment then.

use super::Shard;
use super::disk::{is_on_disk, slot_of};
use crate::clock::Millis;
use crate::disk::segment::entry::Entry;
use crate::disk::segment::parse::Segment;
use crate::ledger::State;

/// Segments of other databases that are passed in one step.
const PASSED_MAX: usize = 1024;

/// How a step of a scan over segments ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Go on with the segment of this number, or the first after it.
    Next(u64),
    /// This segment has to be fetched first.
    Wanted(u64),
    /// There are no more.
    End,
}

impl Shard {
    /// The number of the first finished segment from `from` to `last`.
    pub(crate) fn first_segment(&self, from: u64, last: u64) -> Option<u64> {
        let disk = self.disk.as_ref()?;
        disk.ledger.first_from(from).map(|(_, row)| row.number).filter(|number| *number <= last)
    }

    /// Shows the names in the finished segment of a number, if it is one of the database's; passes others.
    pub(crate) fn scan_segment(
        &self,
        incarnation: u32,
        (from, last): (u64, u64),
        now: Millis,
        mut show: impl FnMut(&[u8]),
    ) -> Step {
        let Some(disk) = &self.disk else { return Step::End };
        let mut from = from;
        for _ in 0..PASSED_MAX {
            let Some((place, row)) = disk.ledger.first_from(from).filter(|(_, row)| row.number <= last)
            else {
                return Step::End;
            };
            let number = row.number;
            if row.incarnation != incarnation || (row.live == 0 && row.linked == 0) {
                from = number + 1;
                continue;
            }
            let Some(bytes) = disk.bytes_at_hand(number, row.state) else { return Step::Wanted(number) };
            let segment = bytes.and_then(|bytes| Segment::glance(bytes, number).ok());
            for (at, entry) in (0..).zip(segment.iter().flat_map(Segment::entries)) {
                let hash = self.seed.hash(entry.incarnation, entry.key);
                if self.is_shown(hash, (place, at), &entry, now) {
                    show(entry.key);
                }
            }
            return Step::Next(number + 1);
        }
        Step::Next(from)
    }

    /// As [`scan`](Self::scan), with names from disk, of which those in segments up to `last` were shown before. Returns where
    /// to go on, and which segment has to be fetched first, if one has to.
    pub(crate) fn scan_everywhere(
        &self,
        incarnation: u32,
        from: u32,
        wanted: usize,
        now: Millis,
        last: u64,
        mut show: impl FnMut(&[u8]),
    ) -> (Option<u32>, Option<u64>) {
        let mut elsewhere = Vec::new();
        let on_disk = |hash, location| elsewhere.push((hash, location));
        let next = self.scan(incarnation, from, wanted, now, &mut show, on_disk);
        for (hash, location) in elsewhere {
            let Some(disk) = &self.disk else { break };
            let slot = disk.ledger.slot(slot_of(location));
            let Some(row) = disk.ledger.segment(slot).filter(|row| row.incarnation == incarnation) else {
                continue;
            };
            let (number, state, is_open) = (row.number, row.state, row.state == State::Open);
            if !is_open && number <= last {
                continue;
            }
            let hash64 = u64::from(hash) << 32 | u64::from(slot.check());
            let place = (slot.row(), slot.place());
            if is_open {
                let filling = disk.open.iter().find(|filling| filling.row == slot.row());
                if let Some(entry) = filling.and_then(|filling| filling.packer.get(slot.place()))
                    && self.is_shown(hash64, place, &entry, now)
                {
                    show(entry.key);
                }
                continue;
            }
            let Some(bytes) = disk.bytes_at_hand(number, state) else { return (Some(hash), Some(number)) };
            let segment = bytes.and_then(|bytes| Segment::glance(bytes, number).ok());
            if let Some(entry) = segment.as_ref().and_then(|segment| segment.entry(slot.place()))
                && self.is_shown(hash64, place, &entry, now)
            {
                show(entry.key);
            }
        }
        (next, None)
    }

    /// Whether an entry of a segment still counts, on disk or as a copy of what lies in memory.
    fn is_shown(&self, hash: u64, (row, place): (u32, u16), entry: &Entry<'_>, now: Millis) -> bool {
        if entry.deadline.is_some_and(|deadline| deadline <= now) {
            return false;
        }
        match self.place_of(hash, row, place) {
            Some(location) if is_on_disk(location) => self.condemned_on_disk(location, entry).is_none(),
            Some(location) => self.is_valid(location),
            None => false,
        }
    }
}
