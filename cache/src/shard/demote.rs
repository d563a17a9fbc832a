//! From memory to disk: what leaves memory is packed into segments, and segments are seen off, kept up, and given up.

use super::disk::{Disk, Filling, check_of, is_on_disk, location_of, slot_of};
use super::history::Departure;
use super::{Eviction, Shard};
use crate::clock::{Millis, boot_nanos};
use crate::disk::segment::entry::Entry;
use crate::disk::segment::packer::{Packer, stands_alone};
use crate::disk::segment::parse::Segment;
use crate::journal::Record as Said;
use crate::key::index_hash;
use crate::ledger::State;
use crate::memory::record::{Payload, clear_link};
use crate::memory::segment::QueueName;
use crate::memory::tags_of;
use crate::policy::Policy;
use crate::validity::Subject;

/// Segments that may be being filled at once: entries of more databases than that finish each other's.
const OPEN_MAX: usize = 4;
/// Slots of the index looked at between two looks at the clock.
const TIDY_STEP: usize = 512;

/// How often what has expired on disk is looked for.
const TIDY_AGAIN_MS: u64 = 30_000;

/// What came of an entry that has to leave memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demotion {
    /// It lies on disk, or on its way there.
    Done,
    /// It has to be kept, and may be taken a little later.
    Later,
    /// It is not taken.
    Refused,
    /// There is nothing to take it.
    Nowhere,
}

/// How far sealing a shard's memory has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sealing {
    /// Where to go on,
    pub(crate) next: Option<u32>,
    /// and whether there has to be room first.
    pub(crate) waits: bool,
    /// Something that governs others was not taken.
    pub(crate) lost_control: bool,
    /// Entries that were packed,
    pub(crate) packed: u64,
    /// those that lie on disk as well and were left alone,
    pub(crate) linked: u64,
    /// and those that may not be dropped, for which there is no room on disk.
    pub(crate) left: u64,
}

impl Sealing {
    /// Adds what was done next.
    pub(crate) fn add(&mut self, next: &Self) {
        self.lost_control |= next.lost_control;
        self.packed += next.packed;
        self.linked += next.linked;
        self.left += next.left;
    }
}

/// Where an entry of a segment stands.
enum Standing {
    /// In the index, by its slot.
    OnDisk(u32),
    /// In memory, with a link to its slot.
    InMemory(u32, u32),
}

impl Disk {
    /// Packs an entry; returns its slot. Nothing if it is too long, or its segment cannot be taken now.
    fn pack(&mut self, hash: u64, entry: &Entry<'_>, newest: u32) -> Option<u32> {
        let (packed, largest) = (self.tier.limits.packed, self.tier.limits.largest);
        let (check, deadline) = (check_of(hash), entry.deadline);
        if stands_alone(entry, packed) {
            let packer = Packer::alone(entry);
            if packer.bytes() > largest {
                return None;
            }
            let row = self.ledger.open(entry.incarnation, newest)?;
            let slot = self.ledger.enter(row, 0, check, deadline, entry.is_control);
            if !entry.tags.is_empty() {
                self.ledger.note_tags(row);
            }
            self.finish(row, packer);
            return slot;
        }
        for _ in 0..2 {
            let place = match self.open.iter().position(|filling| filling.incarnation == entry.incarnation) {
                Some(place) => place,
                None => {
                    if self.open.len() >= OPEN_MAX {
                        let Filling { row, packer, .. } = self.open.remove(0);
                        self.finish(row, packer);
                    }
                    let row = self.ledger.open(entry.incarnation, newest)?;
                    let (incarnation, packer) = (entry.incarnation, Packer::new(packed));
                    self.open.push(Filling { row, incarnation, packer });
                    self.open.len() - 1
                }
            };
            let filling = &mut self.open[place];
            if filling.packer.len() < usize::from(crate::ledger::PLACES_MAX)
                && let Some(at) = filling.packer.push(entry)
            {
                let row = filling.row;
                if !entry.tags.is_empty() {
                    self.ledger.note_tags(row);
                }
                return self.ledger.enter(row, at, check, deadline, entry.is_control);
            }
            let Filling { row, packer, .. } = self.open.remove(place);
            self.finish(row, packer);
        }
        None
    }

    /// Hands a segment over to be written.
    fn finish(&mut self, row: u32, packer: Packer) {
        let layout = if self.tier.limits.reads_spans { packer.layout() } else { None };
        let number = self.tier.send(self.shard, row, packer);
        self.ledger.finish(row, number, layout);
    }

    /// Drops what lies on disk of one database that is dead.
    pub(super) fn bury(&mut self, incarnation: u32) {
        self.open.retain(|filling| filling.incarnation != incarnation);
        let tier = &self.tier;
        self.ledger.give_up_all_of(incarnation, |number| tier.doom(number));
    }

    /// Drops everything. The journal hears of each segment unless it knows better already.
    pub(super) fn bury_everything(&mut self, journal_knows: bool) -> crate::ledger::Ledger {
        self.open.clear();
        for (_, row) in self.ledger.rows() {
            match row.state {
                State::Sealed if !journal_knows => self.tier.retire(row.number),
                State::Sealed => self.tier.doom(row.number),
                _ => {}
            }
        }
        self.tidy_from = None;
        std::mem::take(&mut self.ledger)
    }
}

impl Shard {
    /// Whether entries may leave memory for the disk though none may be dropped.
    pub(super) fn may_move(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| !disk.tier.is_full() && !disk.tier.is_down())
    }

    /// Bytes on disk of entries that the policy keeps from being dropped.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let Some(disk) = &self.disk else { return 0 };
        match self.policy {
            Policy::Volatile => disk.ledger.lasting_bytes(),
            Policy::AllKeys | Policy::NoEviction => disk.ledger.living_bytes(),
        }
    }

    /// Whether the policy keeps an entry from being dropped.
    fn has_to_stay(&self, has_deadline: bool) -> bool {
        self.policy == Policy::NoEviction || (self.policy == Policy::Volatile && !has_deadline)
    }

    /// Moves an entry that leaves memory to disk, if it is worth it.
    pub(super) fn demote(&mut self, hash: u64, location: u32, queue: QueueName, now: Millis) -> Demotion {
        if self.disk.is_none() {
            return Demotion::Nowhere;
        }
        if self.demote_unchanged(hash, location) {
            return Demotion::Done;
        }
        let record = self.log.record(location);
        let (deadline, reads, is_control) = (record.deadline(), record.frequency(), record.is_control());
        let bytes = self.weight_at(location);
        let has_to_stay = self.has_to_stay(deadline.is_some()) || is_control;
        let Some(disk) = &self.disk else { return Demotion::Nowhere };
        let tier = std::sync::Arc::clone(&disk.tier);
        let is_read = reads > 0 || queue != QueueName::Small;
        if tier.is_down() {
            self.stats.refused_down += 1;
            return Demotion::Nowhere;
        }
        let refused = match () {
            () if bytes > tier.limits.largest => Some(&mut self.stats.refused_size),
            () if !tier.has_room(bytes.max(tier.limits.packed)) => {
                if has_to_stay {
                    return Demotion::Later;
                }
                Some(&mut self.stats.refused_busy)
            }
            () if has_to_stay => None,
            () if deadline.is_some_and(|at| at.0 < now.0 + tier.limits.min_ttl_ms) => {
                Some(&mut self.stats.refused_ttl)
            }
            // While there is room, everything is worth it.
            () if !is_read && tier.is_turning() => Some(&mut self.stats.refused_unread),
            () if !tier.rate.lock().spend(bytes as u64, now) => Some(&mut self.stats.refused_rate),
            () => None,
        };
        if let Some(count) = refused {
            *count += 1;
            return Demotion::Refused;
        }
        if self.write_out(hash, location) {
            return Demotion::Done;
        }
        self.stats.refused_full += 1;
        Demotion::Refused
    }

    /// Leaves an entry to its copy on disk.
    fn demote_unchanged(&mut self, hash: u64, location: u32) -> bool {
        let (Some(link), Some(disk)) = (self.log.record(location).link(), &mut self.disk) else {
            return false;
        };
        if !disk.ledger.unlink(link) {
            // The segment is gone.
            clear_link(self.log.record_mut(location));
            disk.ledger.remove(link);
            return false;
        }
        self.changed = true;
        self.stats.demoted_unchanged += 1;
        self.index.relocate(index_hash(hash), location, location_of(link));
        self.drop_record(location);
        true
    }

    /// Packs a record that is valid, and drops it.
    fn write_out(&mut self, hash: u64, location: u32) -> bool {
        let newest = self.log.newest();
        let Some(disk) = &mut self.disk else { return false };
        let record = self.log.record(location);
        let large = record.large().and_then(|number| self.large.get(number));
        let value = match (record.payload(), large) {
            (Payload::Inline(bytes), _) => bytes,
            (Payload::Large(_), large) => large.map_or(&[][..], |large| &large.value),
        };
        let entry = Entry {
            incarnation: record.incarnation(),
            token: disk.tier.journal.next_sequence(),
            ordinal: newest,
            deadline: record.deadline(),
            frequency: record.frequency(),
            is_control: record.is_control(),
            tags: tags_of(record, large),
            key: if record.key().is_empty() { large.map_or(&[], |large| &large.key) } else { record.key() },
            value,
        };
        let bytes = entry.key.len() + entry.value.len() + entry.tags.len();
        let Some(slot) = disk.pack(hash, &entry, newest) else { return false };
        disk.tier.note_admitted(bytes);
        self.changed = true;
        self.stats.demoted += 1;
        self.index.relocate(index_hash(hash), location, location_of(slot));
        self.drop_record(location);
        true
    }

    /// An entry that governs others is dropped. Counted anew, it would lead to what it had led away from: that goes with it.
    pub(super) fn drop_control(&mut self, location: u32) {
        if let Some(disk) = &self.disk {
            disk.tier.note_ungoverned(self.log.record(location).incarnation());
        }
    }

    /// Moves an entry that may not be dropped to disk, where the policy lets nothing go.
    pub(super) fn move_one(&mut self, now: Millis) -> Eviction {
        for queue in [QueueName::Small, QueueName::Main, QueueName::Kept] {
            let Some(location) = self.log.take(queue) else { continue };
            let outcome = self.judge_kept(location, now);
            return self.settle(location, queue, outcome, now);
        }
        Eviction::Nothing
    }

    /// Moves entries of memory to disk from a hash on, as many as are taken; those that lie there as well if `all`.
    pub(crate) fn seal_from(&mut self, from: u32, all: bool, now: Millis) -> Sealing {
        let mut found = Vec::new();
        let next = self.index.walk(from, TIDY_STEP, |slot| found.push((slot.hash, slot.location)));
        // Else what leaves would have others moved.
        self.walking = true;
        let mut sealing = Sealing { next, ..Sealing::default() };
        if let Some(hash) = self.seal_these(&found, all, now, &mut sealing) {
            (sealing.next, sealing.waits) = (Some(hash), true);
        }
        self.walking = false;
        self.compact_if_wasteful();
        sealing
    }

    /// Moves these entries to disk; returns the hash of the first for which there is no room yet.
    fn seal_these(
        &mut self,
        found: &[(u32, u32)],
        all: bool,
        now: Millis,
        sealing: &mut Sealing,
    ) -> Option<u32> {
        for &(hash32, location) in found {
            if is_on_disk(location) {
                continue;
            }
            let record = self.log.record(location);
            let is_over = record.deadline().is_some_and(|deadline| deadline <= now);
            if is_over || self.dead.contains(&record.incarnation()) || !self.is_valid(location) {
                continue;
            }
            let (is_control, has_deadline) = (record.is_control(), record.deadline().is_some());
            let disk = self.disk.as_ref()?;
            let link = record.link().map(|link| disk.ledger.slot(link));
            if !all && link.is_some_and(|link| disk.ledger.segment(link).is_some()) {
                sealing.linked += 1;
                continue;
            }
            let hash = self.hash_at(location);
            if self.demote_unchanged(hash, location) {
                continue;
            }
            let bytes = self.weight_at(location);
            let disk = self.disk.as_ref()?;
            let limits = disk.tier.limits;
            if disk.tier.is_full() && self.has_to_stay(has_deadline) {
                sealing.left += 1;
                sealing.lost_control |= is_control;
                continue;
            }
            if bytes <= limits.largest && !disk.tier.has_room(bytes.max(limits.packed)) {
                return Some(hash32);
            }
            // What is not taken stays, and is lost.
            let is_packed = self.write_out(hash, location);
            sealing.packed += u64::from(is_packed);
            sealing.lost_control |= !is_packed && is_control;
        }
        None
    }

    /// Hands over all segments that are being filled.
    pub(crate) fn finish_all(&mut self) {
        if let Some(disk) = &mut self.disk {
            for Filling { row, packer, .. } in std::mem::take(&mut disk.open) {
                disk.finish(row, packer);
            }
            self.changed = true;
        }
    }

    /// Notes that a segment is on disk; false if nobody wants it any more.
    pub(crate) fn sealed(&mut self, row: u32, number: u64, bytes: u32, position: u64) -> bool {
        let Some(disk) = &mut self.disk else { return false };
        let is_it = |row: &&crate::ledger::Row| row.number == number && row.state == State::Flying;
        let Some(segment) = disk.ledger.row(row).filter(is_it) else { return false };
        self.changed = true;
        if segment.live == 0 && segment.linked == 0 {
            disk.ledger.give_up(row);
            return false;
        }
        disk.ledger.seal(row, bytes, position);
        if let Some(segment) = disk.ledger.row(row) {
            let (entries, dead) = (segment.count, segment.dead());
            disk.tier.journal.append(&Said::Sealed { segment: number, bytes, entries, dead });
        }
        true
    }

    /// Gives up a segment that did not arrive, or cannot be read.
    pub(crate) fn lose(&mut self, number: u64) -> bool {
        let Some(disk) = &mut self.disk else { return false };
        let Some(row) = disk.ledger.find(number) else { return false };
        let known = disk.ledger.row(row).map(|row| (row.incarnation, row.state, row.controls));
        let Some((incarnation, state, controls)) = known else { return false };
        if controls > 0 {
            disk.tier.note_ungoverned(incarnation);
        }
        let (entries, with_deadline) = disk.ledger.give_up(row);
        if state == State::Sealed {
            disk.tier.retire(number);
        }
        self.changed = true;
        self.stats.lost += entries;
        self.count_out(incarnation, entries, with_deadline);
        // Nobody knows their names.
        if entries > 0 {
            self.watches.touch_all();
        }
        true
    }

    /// Where the entry of a segment stands, if it still counts.
    fn standing(&self, hash: u64, row: u32, place: u16) -> Option<Standing> {
        let disk = self.disk.as_ref()?;
        let is_it = |slot: u32| {
            let slot = disk.ledger.slot(slot);
            slot.row() == row && slot.place() == place
        };
        let mut linked = None;
        let location = self.index.find(index_hash(hash), |location| {
            if is_on_disk(location) {
                return is_it(slot_of(location));
            }
            linked = self.log.record(location).link().filter(|link| is_it(*link));
            linked.is_some()
        })?;
        Some(linked.map_or(Standing::OnDisk(location), |link| Standing::InMemory(location, link)))
    }

    /// Where in the index an entry of a segment stands, if it still counts.
    pub(super) fn place_of(&self, hash: u64, row: u32, place: u16) -> Option<u32> {
        self.standing(hash, row, place).map(|standing| match standing {
            Standing::OnDisk(location) | Standing::InMemory(location, _) => location,
        })
    }

    /// Whether the sealed segment of this number has nothing left to lose.
    pub(crate) fn is_vacant(&self, number: u64) -> bool {
        let Some(disk) = &self.disk else { return true };
        let row = disk.ledger.find(number).and_then(|row| disk.ledger.row(row));
        row.is_none_or(|row| row.live == 0 && row.linked == 0)
    }

    /// Packs anew what is worth it in a segment that makes room, and drops the rest. Nothing of it counts then.
    pub(crate) fn clear(&mut self, number: u64, segment: Option<&Segment>, now: Millis) {
        let Some(row) = self.disk.as_ref().and_then(|disk| disk.ledger.find(number)) else { return };
        self.changed = true;
        for (place, entry) in (0..).zip(segment.into_iter().flat_map(Segment::entries)) {
            let hash = self.seed.hash(entry.incarnation, entry.key);
            match self.standing(hash, row, place) {
                None => {}
                Some(Standing::InMemory(location, link)) => {
                    clear_link(self.log.record_mut(location));
                    if let Some(disk) = &mut self.disk {
                        disk.ledger.remove(link);
                    }
                }
                Some(Standing::OnDisk(location)) => self.readmit(hash, location, &entry, now),
            }
        }
        // What is left was not in the segment that was read.
        self.lose(number);
    }

    /// Packs an entry anew, or drops it.
    fn readmit(&mut self, hash: u64, location: u32, entry: &Entry<'_>, now: Millis) {
        if entry.deadline.is_some_and(|deadline| deadline <= now) {
            self.stats.expired_by_reclaim += 1;
            self.changed |= self.history.left(hash, Departure::Expired, now);
            self.drop_entry(hash, location);
            return;
        }
        let has_to_stay = self.has_to_stay(entry.deadline.is_some());
        let newest = self.log.newest();
        let against = self.condemned_on_disk(location, entry);
        let Some(disk) = &mut self.disk else { return };
        if let Some(sequence) = against {
            self.drop_invalidated(hash, location, sequence, now);
            return;
        }
        let slot = disk.ledger.slot(slot_of(location));
        let bytes = entry.key.len() + entry.value.len();
        let has_room = has_to_stay || slot.is_control() || disk.tier.is_roomy();
        let is_worth_it = has_room || (slot.was_read() && disk.tier.may_readmit(bytes));
        let anew = Entry { token: disk.tier.journal.next_sequence(), ordinal: newest, ..*entry };
        match is_worth_it.then(|| disk.pack(hash, &anew, newest)).flatten() {
            Some(to) => {
                self.index.relocate(index_hash(hash), location, location_of(to));
                disk.ledger.remove(slot_of(location));
                if entry.is_control {
                    // Until it is on disk again, the journal alone has it.
                    let Entry { incarnation, key, value, deadline, .. } = *entry;
                    let said = Said::Control { incarnation, hash, key, value, deadline };
                    disk.tier.control(&said, !entry.tags.is_empty());
                }
                self.stats.readmissions += 1;
            }
            None => {
                self.stats.evicted_from_disk += 1;
                self.changed |= self.history.left(hash, Departure::Evicted, now);
                self.drop_entry(hash, location);
            }
        }
    }

    /// The number of the invalidation that speaks against an entry on disk, if there is one.
    pub(super) fn condemned_on_disk(&self, location: u32, entry: &Entry<'_>) -> Option<u64> {
        let disk = self.disk.as_ref()?;
        let row = disk.ledger.segment(disk.ledger.slot(slot_of(location)))?;
        let ordinal = disk.ordinal_of(entry.token, entry.ordinal, row.ordinal);
        if ordinal == self.log.newest() {
            return None;
        }
        let subject = Subject { incarnation: entry.incarnation, hash: 0, key: entry.key, tags: entry.tags };
        self.validity.against_entry(subject, ordinal).map(|against| against.sequence)
    }

    /// Drops what invalidations speak against in a segment.
    pub(crate) fn sweep_segment(&mut self, number: u64, segment: &Segment, now: Millis) {
        let Some(row) = self.disk.as_ref().and_then(|disk| disk.ledger.find(number)) else { return };
        self.changed = true;
        for (place, entry) in (0..).zip(segment.entries()) {
            let hash = self.seed.hash(entry.incarnation, entry.key);
            if let Some(Standing::OnDisk(location)) = self.standing(hash, row, place)
                && let Some(against) = self.condemned_on_disk(location, &entry)
            {
                self.drop_invalidated(hash, location, against, now);
            }
        }
        let newest = self.log.newest();
        if let Some(disk) = &mut self.disk {
            disk.ledger.lift_ordinal(row, newest);
        }
    }

    /// Removes slots that stand for nothing from the index, and what has expired on disk, until `until_nanos` on the boot
    /// clock; true if there is more to do.
    pub(super) fn tidy(&mut self, now: Millis, until_nanos: u64) -> bool {
        let Some(disk) = &mut self.disk else { return false };
        let is_due = disk.ledger.orphans() > 0 || disk.tidy_at <= now;
        if disk.tidy_from.is_none() && is_due {
            disk.tidy_from = Some(0);
            disk.tidy_at = Millis(now.0 + TIDY_AGAIN_MS);
        }
        while let Some(from) = self.disk.as_ref().and_then(|disk| disk.tidy_from) {
            let mut found = Vec::new();
            let next = self.index.walk(from, TIDY_STEP, |slot| {
                if is_on_disk(slot.location) {
                    found.push((slot.hash, slot.location));
                }
            });
            for (hash32, location) in found {
                let Some(disk) = &self.disk else { return false };
                // The other half of the hash is the slot's.
                let check = disk.ledger.slot(slot_of(location)).check();
                let hash = u64::from(hash32) << 32 | u64::from(check);
                self.find_on_disk(hash, location, now);
            }
            if let Some(disk) = &mut self.disk {
                disk.tidy_from = next;
            }
            if boot_nanos() >= until_nanos {
                return next.is_some();
            }
        }
        false
    }
}
