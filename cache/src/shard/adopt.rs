//! What a start finds on disk, entered into the index again.

use super::Shard;
use super::disk::{check_of, is_on_disk, location_of, slot_of};
use crate::clock::Millis;
use crate::disk::segment::entry::Entry;
use crate::disk::segment::parse::Segment;
use crate::key::{Key, index_hash};
use crate::value::{Deadline, NewTags, NewValue};

/// A segment as the journal knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) number: u64,
    /// Bytes of segments before it.
    pub(crate) position: u64,
    pub(crate) bytes: u32,
    pub(crate) dead: &'a [u8],
}

impl Shard {
    /// Enters what counts of a segment. An entry that was found before is older, and counts no more. Returns how many were entered.
    pub(crate) fn adopt(
        &mut self,
        known: Known<'_>,
        segment: &Segment,
        counts: impl Fn(u64, &Entry<'_>) -> bool,
    ) -> u64 {
        let first = segment.entry(0);
        let (Some(first), Some(disk)) = (first, &mut self.disk) else { return 0 };
        let incarnation = first.incarnation;
        let Some(row) = disk.ledger.open(incarnation, self.log.newest()) else { return 0 };
        self.changed = true;
        let mut entered = 0;
        for (place, entry) in (0..).zip(segment.entries()) {
            let hash = self.seed.hash(entry.incarnation, entry.key);
            let bit = known.dead.get(usize::from(place / 8)).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
            let may_count = !bit && entry.incarnation == incarnation && counts(hash, &entry);
            if may_count {
                self.give_up_older(hash, incarnation);
            }
            let Some(disk) = &mut self.disk else { return entered };
            let slot = if may_count {
                disk.ledger.enter(row, place, check_of(hash), entry.deadline, entry.is_control)
            } else {
                None
            };
            let Some(slot) = slot else {
                disk.ledger.skip(row, place);
                continue;
            };
            if !entry.tags.is_empty() {
                disk.ledger.note_tags(row);
            }
            if entry.is_control {
                disk.tier.note_controls();
            }
            self.index.insert(index_hash(hash), location_of(slot));
            let count = self.counts.entry(incarnation).or_default();
            count.entries += 1;
            count.with_deadline += u64::from(entry.deadline.is_some());
            entered += 1;
        }
        if let Some(disk) = &mut self.disk {
            let layout = if disk.tier.limits.reads_spans { segment.layout() } else { None };
            disk.ledger.finish(row, known.number, layout);
            disk.ledger.seal(row, known.bytes, known.position);
            if entered == 0 {
                disk.ledger.give_up(row);
                disk.tier.retire(known.number);
            }
        }
        entered
    }

    /// Where an entry that was entered lies on disk.
    fn entered(&self, hash: u64, incarnation: u32) -> Option<u32> {
        let holds = |location| is_on_disk(location) && self.holds_on_disk(location, hash, incarnation);
        self.index.find(index_hash(hash), holds)
    }

    /// Gives up the segment in which an older copy of an entry lies that is about to be entered: it was being cleared when the
    /// last process ended. The copy alone cannot be given up in words that would not reach the newer one as well.
    fn give_up_older(&mut self, hash: u64, incarnation: u32) {
        let Some(location) = self.entered(hash, incarnation) else { return };
        let Some(disk) = &self.disk else { return };
        if let Some(number) = disk.ledger.segment(disk.ledger.slot(slot_of(location))).map(|row| row.number) {
            self.lose(number);
        }
        self.find_on_disk(hash, location, Millis(0));
    }

    /// Puts an entry that governs others back as the journal says it was.
    pub(crate) fn restore(&mut self, key: &Key<'_>, value: &[u8], deadline: Option<Millis>, now: Millis) {
        // What the journal says counts, and a copy on disk may be as old as it likes.
        if let Some(location) = self.entered(key.hash, key.incarnation) {
            self.erase(key.hash, location);
        }
        let deadline = deadline.map_or(Deadline::None, Deadline::At);
        let written = super::Written { by: 0, is_control: true };
        let value = bytes::Bytes::copy_from_slice(value);
        self.set(key, NewValue::Shared(value), deadline, NewTags::None, now, written);
    }
}
