//! A shard's part of the disk tier: which of its entries lie there, how they are read, and what has to be said of them
//! before they change.
//!
//! In the index a location whose highest bit is set is the number of a slot in the ledger. An entry that was read back into
//! memory keeps its place on disk as a link in its record, so that it can leave memory again without being written.
//! Whatever drops an entry that the disk could still serve says so in the journal, in the same breath.

use std::sync::Arc;

use bytes::Bytes;

use super::Shard;
use super::history::Departure;
use crate::clock::Millis;
use crate::disk::segment::entry::Entry;
use crate::disk::segment::packer::Packer;
use crate::disk::segment::parse::{Segment, entry_of};
use crate::disk::store::Store;
use crate::fills::Actor;
use crate::journal::Record as Said;
use crate::key::Key;
use crate::layout::Span;
use crate::ledger::{Ledger, Slot, State};
use crate::memory::record::{Draft, clear_link};
use crate::memory::segment::QueueName;
use crate::policy::Policy;
use crate::tier::Tier;
use crate::validity::Subject;
use crate::value::{NewValue, Value, View};

/// The bit of a location that says it is a slot of the ledger.
const ON_DISK: u32 = 1 << 31;
/// Milliseconds that a slot's deadline may be before the entry's own.
const FLOOR_MS: u64 = 1000;
/// Records that one promotion may evict to have room.
const PROMOTION_EVICTIONS: usize = 8;
/// Room that a promotion wants to see: a record and its share of the index; a longer value asks for more.
const PROMOTION_BYTES: usize = 2048;

/// Entries or segments that one section asks for at a time.
const WANTED_MAX: usize = 64;

#[inline]
pub(super) const fn is_on_disk(location: u32) -> bool {
    location & ON_DISK != 0
}

pub(super) const fn slot_of(location: u32) -> u32 {
    location & !ON_DISK
}

pub(super) const fn location_of(slot: u32) -> u32 {
    slot | ON_DISK
}

/// The bits of a hash that the index does not have.
pub(super) const fn check_of(hash: u64) -> u32 {
    hash as u32
}

/// A segment that has to be fetched, or one entry of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) number: u64,
    /// Nothing for all of it.
    pub(crate) span: Option<Span>,
}

/// What somebody fetched, to be used by the section that asked.
#[derive(Clone, Debug)]
pub(crate) enum Fetched {
    /// A whole segment.
    Whole(Bytes),
    /// One entry, and where it begins.
    Entry(u32, Bytes),
    /// It took too long, the entry that begins there or the whole segment: it is missed this time.
    Late(Option<u32>),
}

impl Fetched {
    /// Whether that is what was wanted of its segment.
    fn answers(&self, span: Option<Span>) -> bool {
        match self {
            Self::Entry(from, _) | Self::Late(Some(from)) => span.is_some_and(|span| span.from == *from),
            Self::Whole(_) | Self::Late(None) => true,
        }
    }

    /// Bytes that are held.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) | Self::Entry(_, bytes) => bytes.len(),
            Self::Late(_) => 0,
        }
    }
}

/// What was fetched, by the numbers of segments.
pub(crate) type Lent = Arc<Vec<(u64, Fetched)>>;

/// A shard's part of the disk tier.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) tier: Arc<Tier>,
    /// Which shard this is.
    pub(crate) shard: usize,
    pub(crate) ledger: Ledger,
    /// Segments that are being filled, each with entries of one database; the one that was begun last stands last.
    pub(super) open: Vec<Filling>,
    /// The entry that was looked at last.
    visitor: Visitor,
    /// What has to be fetched before what was asked for can be answered.
    wanted: Vec<Want>,
    /// What was fetched for this section,
    lent: Option<Lent>,
    /// and whether no more will be.
    is_last: bool,
    /// Whether there is anything of a section to be forgotten.
    is_visited: bool,
    /// As of which invalidation every entry is known to be valid.
    pub(super) swept: u32,
    /// Where the walk over the index goes on that drops what stands for nothing.
    pub(super) tidy_from: Option<u32>,
    /// When it begins again at the latest, if anything there expires.
    pub(super) tidy_at: Millis,
}

/// A segment that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) row: u32,
    pub(super) incarnation: u32,
    pub(super) packer: Packer,
}

/// An entry as it was read from a segment.
#[derive(Debug, Default)]
pub(crate) struct Visitor {
    value: Bytes,
    pub(crate) tags: Box<[u8]>,
    pub(crate) frequency: u8,
    pub(crate) is_control: bool,
    deadline: Option<Millis>,
    token: u64,
    ordinal: u32,
}

impl Visitor {
    /// Bytes of the entry, about as it lies on disk.
    pub(crate) fn bytes(&self) -> usize {
        self.value.len() + self.tags.len()
    }
}

/// What came of looking at an entry on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// The visitor is it.
    Here,
    /// There is none that may be served.
    None,
    /// Its segment has to be fetched first.
    Unknown,
    /// It could not be fetched in time, but may be there.
    Late,
}

impl Disk {
    pub(crate) fn new(tier: Arc<Tier>, shard: usize) -> Self {
        Self {
            tier,
            shard,
            ledger: Ledger::default(),
            open: Vec::new(),
            visitor: Visitor::default(),
            wanted: Vec::new(),
            lent: None,
            is_last: false,
            is_visited: false,
            swept: 0,
            tidy_from: None,
            tidy_at: Millis(0),
        }
    }

    /// Whether nothing lies here, nor is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.ledger.segments() == 0
    }

    /// Heap bytes held.
    pub(super) fn bytes(&self) -> usize {
        let open: usize = self.open.iter().map(|filling| filling.packer.heap_bytes()).sum();
        self.ledger.bytes() + open
    }

    /// A finished segment, or the entry of it that lies there, if that is at hand.
    fn at_hand(&self, want: Want, state: State) -> Option<Fetched> {
        let Want { number, span } = want;
        let mut lent = self.lent.iter().flat_map(|lent| lent.iter());
        if let Some((_, fetched)) = lent.find(|(lent, fetched)| *lent == number && fetched.answers(span)) {
            return Some(fetched.clone());
        }
        if state == State::Flying
            && let Some(bytes) = self.tier.on_its_way(number)
        {
            return Some(Fetched::Whole(bytes));
        }
        let read = |store: Arc<Store>| match span {
            Some(span) => Some(Fetched::Entry(span.from, store.read_span_at_once(number, span)?)),
            None => Some(Fetched::Whole(store.read_at_once(number)?)),
        };
        self.tier.store().and_then(read).or(self.is_last.then_some(Fetched::Late(None)))
    }

    /// The bytes of a finished segment, if they are at hand; nothing within if they could not be had in time.
    #[expect(clippy::option_option, reason = "what is at hand may be that there is nothing")]
    pub(super) fn bytes_at_hand(&self, number: u64, state: State) -> Option<Option<Bytes>> {
        match self.at_hand(Want { number, span: None }, state) {
            Some(Fetched::Whole(bytes)) => Some(Some(bytes)),
            Some(Fetched::Late(_)) => Some(None),
            Some(Fetched::Entry(..)) | None => None,
        }
    }

    /// Has the visitor be the entry of a slot, if it is the key's.
    fn visit(&mut self, slot: Slot, key: &[u8]) -> Look {
        self.is_visited = true;
        let Some(row) = self.ledger.segment(slot) else { return Look::None };
        let number = row.number;
        if row.state == State::Open {
            let filling = self.open.iter().find(|filling| filling.row == slot.row());
            let entry = filling.and_then(|filling| filling.packer.get(slot.place()));
            let Some(entry) = entry.filter(|entry| entry.key == key) else { return Look::None };
            let value = Bytes::copy_from_slice(entry.value);
            self.visitor = Visitor::of(&entry, value);
            return Look::Here;
        }
        let want = Want { number, span: row.span(slot.place()) };
        match self.at_hand(want, row.state) {
            Some(Fetched::Whole(bytes)) => {
                let Ok(segment) = Segment::glance(bytes, number) else { return Look::None };
                let Some(entry) = segment.entry(slot.place()).filter(|entry| entry.key == key) else {
                    return Look::None;
                };
                self.visitor = Visitor::of(&entry, segment.share(entry.value));
            }
            Some(Fetched::Entry(_, bytes)) => {
                let entry = row.layout().and_then(|layout| entry_of(&bytes, layout));
                let Some(entry) = entry.filter(|entry| entry.key == key) else { return Look::None };
                self.visitor = Visitor::of(&entry, bytes.slice_ref(entry.value));
            }
            Some(Fetched::Late(_)) => return Look::Late,
            None => {
                self.want(want);
                return Look::Unknown;
            }
        }
        Look::Here
    }

    #[cold]
    fn forget_visit(&mut self) {
        (self.lent, self.is_last, self.is_visited) = (None, false, false);
        self.wanted.clear();
        self.visitor = Visitor::default();
    }

    fn want(&mut self, want: Want) {
        if self.wanted.len() < WANTED_MAX && !self.wanted.contains(&want) {
            self.wanted.push(want);
        }
    }
}

impl Visitor {
    fn of(entry: &Entry<'_>, value: Bytes) -> Self {
        Self {
            value,
            tags: entry.tags.into(),
            frequency: entry.frequency,
            is_control: entry.is_control,
            deadline: entry.deadline,
            token: entry.token,
            ordinal: entry.ordinal,
        }
    }
}

impl Shard {
    /// Entries that lie in memory.
    #[inline]
    pub(super) fn resident(&self) -> usize {
        self.index.len() - self.disk.as_ref().map_or(0, |disk| disk.ledger.live())
    }

    /// Lends what was fetched to the section that begins; what else is not at hand is late, if they are the last.
    pub(crate) fn lend(&mut self, fetched: &Lent, is_last: bool) {
        if let Some(disk) = &mut self.disk {
            (disk.lent, disk.is_last, disk.is_visited) = (Some(Arc::clone(fetched)), is_last, true);
            self.changed = true;
        }
    }

    /// Ends what concerned one section alone.
    #[inline]
    pub(crate) fn forget_section(&mut self) {
        if let Some(disk) = self.disk.as_mut().filter(|disk| disk.is_visited) {
            disk.forget_visit();
        }
    }

    /// Whether something has to be fetched before what was asked for can be answered.
    #[inline]
    pub(crate) fn wants(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| !disk.wanted.is_empty())
    }

    /// What that is.
    pub(crate) fn wanted(&self) -> &[Want] {
        self.disk.as_ref().map_or(&[], |disk| &disk.wanted)
    }

    /// What would have to be fetched for a read of this key, if it is one entry.
    pub(crate) fn foresee(&self, key: &Key<'_>) -> Option<Want> {
        let disk = self.disk.as_ref()?;
        let location = self.index.find(key.index_hash(), |location| self.holds(location, key))?;
        let slot = disk.ledger.slot(is_on_disk(location).then_some(slot_of(location))?);
        let row = disk.ledger.segment(slot).filter(|row| row.state == State::Sealed)?;
        Some(Want { number: row.number, span: Some(row.span(slot.place())?) })
    }

    #[cold]
    pub(super) fn holds_on_disk(&self, location: u32, hash: u64, incarnation: u32) -> bool {
        let Some(disk) = &self.disk else { return false };
        let slot = disk.ledger.slot(slot_of(location));
        slot.check() == check_of(hash)
            && disk.ledger.row(slot.row()).is_some_and(|row| row.incarnation == incarnation)
    }

    /// Whether an entry of the index on disk is still there. One that stands for nothing is removed, one that has expired for
    /// sure dropped: a slot knows seconds only, and [`is_unquestioned`](Self::is_unquestioned) asks the entry itself.
    #[cold]
    pub(super) fn find_on_disk(&mut self, hash: u64, location: u32, now: Millis) -> Option<u32> {
        let disk = self.disk.as_mut()?;
        let number = slot_of(location);
        let slot = disk.ledger.slot(number);
        if disk.ledger.segment(slot).is_none() {
            self.index.remove(crate::key::index_hash(hash), location);
            disk.ledger.remove(number);
            self.changed = true;
            return None;
        }
        if slot.deadline_floor().is_some_and(|floor| floor.0 + FLOOR_MS <= now.0) {
            self.stats.expired_on_access += 1;
            self.changed |= self.history.left(hash, Departure::Expired, now);
            self.drop_entry(hash, location);
            return None;
        }
        Some(location)
    }

    /// Drops an entry that may lie on disk, so that no copy there counts any more.
    pub(super) fn erase(&mut self, hash: u64, location: u32) {
        if let Some(disk) = &self.disk
            && (is_on_disk(location) || self.log.record(location).link().is_some())
        {
            disk.tier.gone(hash);
        }
        self.tell_control_gone(hash, location);
        self.drop_entry(hash, location);
    }

    /// Tells the journal of an entry that is dropped, if it governs others.
    pub(super) fn tell_control_gone(&self, hash: u64, location: u32) {
        let Some(disk) = &self.disk else { return };
        let (is_control, incarnation) = if is_on_disk(location) {
            let slot = disk.ledger.slot(slot_of(location));
            (slot.is_control(), disk.ledger.row(slot.row()).map(|row| row.incarnation))
        } else {
            let record = self.log.record(location);
            (record.is_control(), Some(record.incarnation()))
        };
        if let Some(incarnation) = incarnation.filter(|_| is_control) {
            disk.tier.control_gone(incarnation, hash);
        }
    }

    /// Removes the slot of an entry from the index and from its segment; returns its incarnation and whether it expires.
    pub(super) fn drop_slot(&mut self, hash: u64, location: u32) -> Option<(u32, bool)> {
        let disk = self.disk.as_mut()?;
        let number = slot_of(location);
        let slot = disk.ledger.slot(number);
        let incarnation = disk.ledger.segment(slot)?.incarnation;
        self.index.remove(crate::key::index_hash(hash), location);
        disk.ledger.remove(number);
        if disk.tier.is_full() {
            // There may be room again.
            disk.tier.wake();
        }
        Some((incarnation, slot.has_deadline()))
    }

    /// Takes the link out of a record that is about to differ from its copy on disk, which does not count from then on.
    pub(super) fn cut_link(&mut self, hash: u64, location: u32) {
        let Some(link) = self.log.record(location).link() else { return };
        clear_link(self.log.record_mut(location));
        if let Some(disk) = &mut self.disk {
            disk.tier.gone(hash);
            disk.ledger.remove(link);
        }
    }

    /// Removes the copy on disk of a record that is dropped.
    pub(super) fn drop_link(&mut self, location: u32) {
        if let (Some(link), Some(disk)) = (self.log.record(location).link(), &mut self.disk) {
            disk.ledger.remove(link);
        }
    }

    /// Tells the journal what a record says that governs others, or that it governs them no more.
    pub(super) fn tell_control(&mut self, hash: u64, location: u32, was_control: bool) {
        let Some(disk) = &self.disk else { return };
        let record = self.log.record(location);
        if record.is_control() {
            let large = self.large_of(record);
            let view = self.view(location);
            let said = Said::Control {
                incarnation: record.incarnation(),
                hash,
                key: self.key_at(location),
                value: &view.value,
                deadline: record.deadline(),
            };
            let has_tags = !crate::memory::tags_of(record, large).is_empty();
            disk.tier.control(&said, has_tags);
        } else if was_control {
            disk.tier.control_gone(record.incarnation(), hash);
        }
    }

    /// Looks at an entry on disk; what has expired or was invalidated is dropped on the way.
    fn look(&mut self, key: &Key<'_>, location: u32, now: Millis) -> Look {
        let Some(disk) = &mut self.disk else { return Look::None };
        let slot = disk.ledger.slot(slot_of(location));
        let look = disk.visit(slot, key.bytes);
        if look != Look::Here {
            self.changed = true;
            return look;
        }
        let visitor = &disk.visitor;
        if visitor.deadline.is_some_and(|deadline| deadline <= now) {
            self.stats.expired_on_access += 1;
            self.changed |= self.history.left(key.hash, Departure::Expired, now);
            self.drop_entry(key.hash, location);
            return Look::None;
        }
        let row_ordinal = disk.ledger.segment(slot).map_or(0, |row| row.ordinal);
        let ordinal = disk.ordinal_of(visitor.token, visitor.ordinal, row_ordinal);
        if ordinal != self.log.newest() && !cfg!(feature = "mutant-no-validity") {
            let subject =
                Subject { incarnation: key.incarnation, hash: 0, key: key.bytes, tags: &visitor.tags };
            if let Some(against) = self.validity.against_entry(subject, ordinal) {
                self.drop_invalidated(key.hash, location, against.sequence, now);
                return Look::None;
            }
        }
        Look::Here
    }

    fn view_visitor(&self) -> Option<View<'_>> {
        let visitor = &self.disk.as_ref()?.visitor;
        let value = if visitor.value.len() <= crate::memory::record::VALUE_INLINE_MAX {
            Value::Copied(&visitor.value)
        } else {
            Value::Shared(&visitor.value)
        };
        Some(View::on_disk(value, visitor.deadline, visitor))
    }

    /// Reads an entry on disk as a client does: counted, and brought back into memory when it is read again.
    #[cold]
    pub(super) fn get_from_disk(
        &mut self,
        key: &Key<'_>,
        location: u32,
        now: Millis,
        touch: bool,
        by: Actor,
    ) -> Option<View<'_>> {
        match self.look(key, location, now) {
            Look::Unknown => return None,
            Look::None | Look::Late => {
                self.stats.misses += 1;
                self.changed |= self.fills.missed(key.hash, self.sequence, by, now);
                return None;
            }
            Look::Here => {}
        }
        self.stats.hits += 1;
        self.stats.disk_hits += 1;
        if !touch {
            return self.view_visitor();
        }
        let was_read = self.disk.as_mut().is_some_and(|disk| disk.ledger.touch(slot_of(location)));
        if was_read && self.has_room_to_promote(now) {
            let location = self.promote(key, location, now);
            return Some(self.view(location));
        }
        self.view_visitor()
    }

    /// Looks at an entry on disk without a trace.
    #[cold]
    pub(super) fn peek_on_disk(&mut self, key: &Key<'_>, location: u32, now: Millis) -> Option<View<'_>> {
        if self.look(key, location, now) == Look::Here { self.view_visitor() } else { None }
    }

    /// Whether a key has an entry, which is not read unless an invalidation may speak against it.
    pub(crate) fn exists(&mut self, key: &Key<'_>, now: Millis) -> bool {
        let Some(location) = self.find(key, now) else { return false };
        if !is_on_disk(location) || self.is_unquestioned(location, now) {
            return true;
        }
        self.look(key, location, now) == Look::Here
    }

    /// Whether a copy of a key's entry lies in a sealed segment.
    pub(crate) fn is_sealed(&self, key: &Key<'_>) -> bool {
        let Some(disk) = &self.disk else { return false };
        let Some(location) = self.entry(key.hash, key.incarnation, key.bytes) else { return false };
        let slot =
            if is_on_disk(location) { Some(slot_of(location)) } else { self.log.record(location).link() };
        let row = slot.and_then(|slot| disk.ledger.segment(disk.ledger.slot(slot)));
        row.is_some_and(|row| row.state == State::Sealed)
    }

    /// Whether an entry on disk has expired or was invalidated, as far as can be told at once; if so, it is dropped.
    #[cold]
    pub(super) fn is_over_on_disk(&mut self, key: &Key<'_>, location: u32, now: Millis) -> bool {
        !self.is_unquestioned(location, now) && self.look(key, location, now) == Look::None
    }

    /// Whether an entry on disk counts by what its slot says: no invalidation is newer than what is known of it, and it does not
    /// expire within this second.
    fn is_unquestioned(&self, location: u32, now: Millis) -> bool {
        let Some(disk) = &self.disk else { return true };
        let slot = disk.ledger.slot(slot_of(location));
        slot.deadline_floor().is_none_or(|floor| floor > now)
            && disk.ledger.segment(slot).is_some_and(|row| row.ordinal == self.log.newest())
    }

    /// Counts an entry on disk as read.
    pub(super) fn touch_on_disk(&mut self, key: &Key<'_>, location: u32, now: Millis) -> bool {
        let is_there = self.is_unquestioned(location, now) || self.look(key, location, now) == Look::Here;
        if is_there && let Some(disk) = &mut self.disk {
            disk.ledger.touch(slot_of(location));
        }
        is_there
    }

    /// Brings a key's entry into memory for a command that needs it there. False if a segment has to be fetched first. What
    /// could not be fetched in time is dropped if it is to be changed.
    pub(crate) fn prepare(&mut self, key: &Key<'_>, now: Millis, writes: bool) -> bool {
        let Some(location) = self.find(key, now) else { return true };
        if !is_on_disk(location) {
            return true;
        }
        match self.look(key, location, now) {
            Look::Unknown => return false,
            Look::Here if writes || self.has_room_to_promote_visitor() => {
                self.promote(key, location, now);
            }
            Look::Late if writes => self.drop_late(key, location),
            _ => {}
        }
        true
    }

    /// As [`prepare`](Self::prepare), where only whether there is an entry matters.
    pub(crate) fn prepare_presence(&mut self, key: &Key<'_>, now: Millis) -> bool {
        let Some(location) = self.find(key, now).filter(|&location| is_on_disk(location)) else {
            return true;
        };
        self.is_unquestioned(location, now) || self.look(key, location, now) != Look::Unknown
    }

    /// Where a key's record lies in memory, brought there if need be. What is on disk and not at hand is dropped: nothing
    /// waits here.
    pub(super) fn find_in_memory(&mut self, key: &Key<'_>, now: Millis) -> Option<u32> {
        let location = self.find(key, now)?;
        if !is_on_disk(location) {
            return Some(location);
        }
        match self.look(key, location, now) {
            Look::Here => Some(self.promote(key, location, now)),
            Look::None => None,
            Look::Unknown | Look::Late => {
                self.drop_late(key, location);
                None
            }
        }
    }

    /// Drops an entry that is to be changed and cannot be read. What it governs would be found under what it begins anew with.
    fn drop_late(&mut self, key: &Key<'_>, location: u32) {
        self.stats.dropped_late += 1;
        if let Some(disk) = &self.disk
            && disk.ledger.slot(slot_of(location)).is_control()
        {
            disk.tier.note_ungoverned(key.incarnation);
        }
        self.erase(key.hash, location);
    }

    /// Whether the visitor fits into memory as it is.
    fn has_room_to_promote_visitor(&self) -> bool {
        let fits = |disk: &Disk| disk.tier.budget.has_room_at_once(PROMOTION_BYTES + disk.visitor.bytes());
        self.disk.as_ref().is_some_and(|disk| fits(disk))
    }

    fn has_room_to_promote(&mut self, now: Millis) -> bool {
        let Some(disk) = &self.disk else { return false };
        let bytes = PROMOTION_BYTES + disk.visitor.bytes();
        let tier = Arc::clone(&disk.tier);
        for _ in 0..PROMOTION_EVICTIONS {
            if tier.budget.has_room(bytes) {
                return true;
            }
            // What leaves would be dropped, and what is on disk can stay there.
            if tier.is_busy() {
                break;
            }
            if self.evict_one(now, true) == super::Eviction::Nothing {
                return false;
            }
            self.publish_used(&tier.budget);
        }
        tier.budget.has_room_at_once(bytes)
    }

    /// Brings the visitor, which is this key's entry, into memory; its place on disk stays its own.
    fn promote(&mut self, key: &Key<'_>, location: u32, now: Millis) -> u32 {
        let Some(disk) = &mut self.disk else { return location };
        let Visitor { value, tags, deadline, is_control, .. } = std::mem::take(&mut disk.visitor);
        let slot = slot_of(location);
        disk.ledger.link(slot);
        self.changed = true;
        self.stats.promotions += 1;
        let mut value = NewValue::Copied(&value);
        let draft = self.draft(key, &mut value, deadline, &tags, is_control);
        let draft = Draft { link: Some(slot), frequency: 1, ..draft };
        let queue = if self.policy != Policy::AllKeys && deadline.is_none() {
            QueueName::Kept
        } else if self.trial.rule().welcomes_back() {
            QueueName::Main
        } else {
            QueueName::Small
        };
        let to = self.log.append(queue, &draft, now);
        self.stand(&draft, queue);
        self.index.relocate(key.index_hash(), location, to);
        if queue != QueueName::Kept {
            self.tell_fill(key.index_hash(), self.weight_at(to));
        }
        to
    }
}

impl Disk {
    /// As of which invalidation an entry is known to be valid: ordinals of another process mean nothing.
    pub(super) fn ordinal_of(&self, token: u64, said: u32, row: u32) -> u32 {
        if token >= self.tier.began { said.max(row) } else { row }
    }
}
