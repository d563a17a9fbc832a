//! What a shard tells a snapshot of the journal, and the sweep over its disk.

use super::Shard;
use super::disk::{is_on_disk, slot_of};
use crate::disk::segment::entry::Entry;
use crate::disk::segment::parse::Segment;
use crate::journal::{Compaction, CompactionFailed, Record};
use crate::ledger::State;

impl Shard {
    /// Tells a snapshot of sealed segments, some from a number on; returns the number to go on from.
    pub(crate) fn gather_segments(
        &self,
        from: u64,
        count: usize,
        compaction: &Compaction,
    ) -> Result<Option<u64>, CompactionFailed> {
        let Some(disk) = &self.disk else { return Ok(None) };
        let mut from = from;
        for _ in 0..count {
            let Some((_, row)) = disk.ledger.first_from(from) else { return Ok(None) };
            if row.state == State::Sealed {
                compaction.segment(row.number, row.bytes, row.count, row.dead())?;
                if row.controls > 0 {
                    compaction.governs(row.number, row.incarnation)?;
                }
            }
            from = row.number + 1;
        }
        Ok(Some(from))
    }

    /// Tells a snapshot of entries that govern others and do not lie in a sealed segment, some from a hash on; returns the hash
    /// to go on from. The walk over the index misses none that stays, wherever it moves meanwhile.
    pub(crate) fn gather_controls(
        &self,
        from: u32,
        count: usize,
        compaction: &Compaction,
    ) -> Result<Option<u32>, CompactionFailed> {
        let Some(disk) = self.disk.as_ref().filter(|disk| disk.tier.has_controls()) else { return Ok(None) };
        let mut found = Vec::new();
        let next = self.index.walk(from, count, |slot| {
            let is_control = if is_on_disk(slot.location) {
                disk.ledger.slot(slot_of(slot.location)).is_control()
            } else {
                self.log.record(slot.location).is_control()
            };
            if is_control {
                found.push((slot.hash, slot.location));
            }
        });
        for (hash, location) in found {
            if is_on_disk(location) {
                self.gather_control_on_disk(hash, location, compaction)?;
                continue;
            }
            let record = self.log.record(location);
            if self.dead.contains(&record.incarnation()) || !self.is_valid(location) {
                continue;
            }
            let (key, view) = (self.key_at(location), self.view(location));
            let incarnation = record.incarnation();
            let said = Record::Control {
                incarnation,
                hash: self.hash_at(location),
                key,
                value: &view.value,
                deadline: record.deadline(),
            };
            // What does not fit makes its database start cold, which the journal knows.
            if said.fits() && view.tags().is_empty() {
                compaction.control(
                    incarnation,
                    self.hash_at(location),
                    key,
                    &view.value,
                    record.deadline(),
                )?;
            }
        }
        Ok(next)
    }

    /// The same for one that is on its way to the disk.
    fn gather_control_on_disk(
        &self,
        hash: u32,
        location: u32,
        compaction: &Compaction,
    ) -> Result<(), CompactionFailed> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let slot = disk.ledger.slot(slot_of(location));
        let Some(row) = disk.ledger.segment(slot).filter(|row| row.state != State::Sealed) else {
            return Ok(());
        };
        let hash = u64::from(hash) << 32 | u64::from(slot.check());
        let tell = |entry: Entry<'_>| {
            let Entry { incarnation, key, value, deadline, .. } = entry;
            let said = Record::Control { incarnation, hash, key, value, deadline };
            let is_told =
                said.fits() && entry.tags.is_empty() && self.condemned_on_disk(location, &entry).is_none();
            if is_told { compaction.control(incarnation, hash, key, value, deadline) } else { Ok(()) }
        };
        if row.state == State::Open {
            let filling = disk.open.iter().find(|filling| filling.row == slot.row());
            return filling.and_then(|filling| filling.packer.get(slot.place())).map_or(Ok(()), tell);
        }
        let bytes = disk.tier.on_its_way(row.number);
        let segment = bytes.and_then(|bytes| Segment::glance(bytes, row.number).ok());
        segment.as_ref().and_then(|segment| segment.entry(slot.place())).map_or(Ok(()), tell)
    }

    /// As of which invalidation every entry on disk is known to be valid.
    pub(crate) fn swept_on_disk(&self) -> u32 {
        self.disk.as_ref().map_or(u32::MAX, |disk| disk.swept)
    }

    /// Finished segments that were not looked at since the newest invalidation that may reach them; the others are known to be
    /// valid from here on.
    pub(crate) fn unswept(&mut self) -> Vec<u64> {
        let newest = self.log.newest();
        let Some(disk) = &mut self.disk else { return Vec::new() };
        let (mut reached, mut free) = (Vec::new(), Vec::new());
        for (place, row) in disk.ledger.rows().filter(|(_, row)| row.ordinal < newest && row.number > 0) {
            let (by_tag, by_prefix) = self.validity.newest_of(row.incarnation);
            if by_prefix > row.ordinal || (row.has_tags && by_tag > row.ordinal) {
                reached.push(row.number);
            } else {
                free.push(place);
            }
        }
        free.into_iter().for_each(|row| disk.ledger.lift_ordinal(row, newest));
        reached
    }
}
