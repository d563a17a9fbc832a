//! The log: segments in three queues, with the bookkeeping of what lives and what is waste in them.
//!
//! Nothing here looks into the index: whether a record still counts is told by the shard, which is the only one to know.

use super::queue::Queue;
use super::record::{Draft, Record};
use super::segment::{Geometry, QueueName, Segment};
use crate::clock::Millis;

/// Freed segments kept at hand so that a full cache need not ask the allocator.
const SPARE_SEGMENTS: usize = 2;

#[derive(Debug)]
pub(crate) struct Log {
    geometry: Geometry,
    segments: Vec<Option<Segment>>,
    vacant: Vec<u32>,
    spare: Vec<Box<[u8]>>,
    small: Queue,
    main: Queue,
    kept: Queue,
    /// Segments held, spare ones included.
    held: usize,
    filled: usize,
    live: usize,
    /// The ordinal of the last invalidation: what is written from now on is valid as of it.
    newest: u32,
    /// Carries a record from one segment to another.
    scratch: Vec<u8>,
}

impl Log {
    pub(crate) fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            segments: Vec::new(),
            vacant: Vec::new(),
            spare: Vec::new(),
            small: Queue::default(),
            main: Queue::default(),
            kept: Queue::default(),
            held: 0,
            filled: 0,
            live: 0,
            newest: 0,
            scratch: Vec::new(),
        }
    }

    /// Heap bytes held by segments, written to or not.
    pub(crate) fn bytes(&self) -> usize {
        self.held * self.geometry.segment_bytes
    }

    /// Bytes of living records.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(crate) fn segment_bytes(&self) -> usize {
        self.geometry.segment_bytes
    }

    /// Bytes of dead records that no hand will pass soon.
    pub(crate) fn waste(&self) -> usize {
        // A record that a hand has passed but nobody has decided on yet is counted as living as well.
        (self.filled - self.live).saturating_sub(self.small.hand + self.main.hand + self.kept.hand)
    }

    pub(crate) fn queue(&self, name: QueueName) -> &Queue {
        match name {
            QueueName::Small => &self.small,
            QueueName::Main => &self.main,
            QueueName::Kept => &self.kept,
        }
    }

    fn queue_mut(&mut self, name: QueueName) -> &mut Queue {
        match name {
            QueueName::Small => &mut self.small,
            QueueName::Main => &mut self.main,
            QueueName::Kept => &mut self.kept,
        }
    }

    #[inline]
    fn segment(&self, number: usize) -> &Segment {
        self.segments[number].as_ref().expect("a location is only held while its segment lives")
    }

    #[inline]
    fn segment_mut(&mut self, number: usize) -> &mut Segment {
        self.segments[number].as_mut().expect("a location is only held while its segment lives")
    }

    #[inline]
    pub(crate) fn record(&self, location: u32) -> Record<'_> {
        let (segment, offset) = self.geometry.split(location);
        Record(&self.segment(segment).data[offset..])
    }

    #[inline]
    pub(crate) fn record_mut(&mut self, location: u32) -> &mut [u8] {
        let (segment, offset) = self.geometry.split(location);
        &mut self.segment_mut(segment).data[offset..]
    }

    pub(crate) fn queue_of(&self, location: u32) -> QueueName {
        self.segment(self.geometry.split(location).0).queue
    }

    /// When the record's segment was opened: the record was placed there then or later.
    pub(crate) fn placed_after(&self, location: u32) -> Millis {
        self.segment(self.geometry.split(location).0).opened
    }

    /// As of which invalidation what is written from now on is valid.
    pub(crate) fn set_newest(&mut self, ordinal: u32) {
        self.newest = ordinal;
    }

    #[inline]
    pub(crate) fn newest(&self) -> u32 {
        self.newest
    }

    /// As of which invalidation a record is known to be valid.
    #[inline]
    pub(crate) fn ordinal(&self, location: u32) -> u32 {
        let segment = self.segment(self.geometry.split(location).0).ordinal;
        if segment == self.newest {
            segment
        } else {
            segment.max(self.record(location).ordinal().unwrap_or(0))
        }
    }

    /// The ordinal of a segment, if one stands there.
    pub(crate) fn ordinal_of(&self, number: usize) -> Option<u32> {
        self.segments.get(number)?.as_ref().map(|segment| segment.ordinal)
    }

    /// Notes that all living records of a segment are valid as of an invalidation.
    pub(crate) fn lift_ordinal(&mut self, number: usize, ordinal: u32) {
        if let Some(Some(segment)) = self.segments.get_mut(number) {
            segment.ordinal = segment.ordinal.max(ordinal);
        }
    }

    /// What a record written to this segment has to say of its own validity.
    #[inline]
    fn ordinal_beside(&self, number: usize) -> Option<u32> {
        Some(self.newest).filter(|&newest| self.segment(number).ordinal != newest)
    }

    /// Writes a record at the tail of a queue.
    pub(crate) fn append(&mut self, queue: QueueName, draft: &Draft<'_>, now: Millis) -> u32 {
        let mut draft = *draft;
        draft.ordinal = self.queue(queue).open.and_then(|open| self.ordinal_beside(open as usize));
        let len = draft.len();
        let number = self.tail_with_room(queue, len, now);
        let offset = self.claim(number, len, draft.deadline);
        draft.write(&mut self.segment_mut(number).data[offset..offset + len]);
        self.geometry.location(number, offset)
    }

    /// Puts into a draft what it has to say at a place, to see whether it fits over the record there.
    #[inline]
    pub(crate) fn adapt(&self, location: u32, draft: &mut Draft<'_>) {
        draft.ordinal = self.ordinal_beside(self.geometry.split(location).0);
    }

    /// Overwrites a record with one of the same length.
    pub(crate) fn overwrite(&mut self, location: u32, draft: &Draft<'_>) {
        let (number, offset) = self.geometry.split(location);
        let segment = self.segment_mut(number);
        draft.write(&mut segment.data[offset..]);
        segment.note_deadline(draft.deadline);
    }

    /// Copies a living record to the tail of a queue and kills the old one; returns the new location.
    pub(crate) fn carry(&mut self, location: u32, queue: QueueName, frequency: u8, now: Millis) -> u32 {
        let len = self.record(location).len();
        let number = self.tail_with_room(queue, len, now);
        let to = self.copy_into(number, location, len);
        super::record::set_frequency(self.record_mut(to), frequency);
        self.kill(location);
        to
    }

    fn copy_into(&mut self, number: usize, location: u32, len: usize) -> u32 {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let record = self.record(location);
        let deadline = record.deadline();
        scratch.extend_from_slice(&record.0[..len]);
        let offset = self.claim(number, len, deadline);
        self.segment_mut(number).data[offset..offset + len].copy_from_slice(&scratch);
        self.scratch = scratch;
        self.geometry.location(number, offset)
    }

    fn claim(&mut self, number: usize, len: usize, deadline: Option<Millis>) -> usize {
        let segment = self.segment_mut(number);
        let offset = segment.filled;
        segment.filled += len;
        segment.live += len;
        segment.note_deadline(deadline);
        let queue = segment.queue;
        self.queue_mut(queue).live += len;
        self.filled += len;
        self.live += len;
        offset
    }

    fn tail_with_room(&mut self, queue: QueueName, len: usize, now: Millis) -> usize {
        if let Some(open) = self.queue(queue).open
            && self.segment(open as usize).has_room(len)
        {
            return open as usize;
        }
        let previous = self.queue_mut(queue).open.take();
        let number = self.new_segment(queue, now);
        let row = self.queue_mut(queue);
        row.order.push_back(number);
        row.open = Some(number);
        if let Some(previous) = previous
            && self.segment(previous as usize).live == 0
        {
            self.free(previous);
        }
        number as usize
    }

    fn new_segment(&mut self, queue: QueueName, now: Millis) -> u32 {
        let data = self.spare.pop().unwrap_or_else(|| {
            self.held += 1;
            vec![0; self.geometry.segment_bytes].into_boxed_slice()
        });
        let segment = Some(Segment::new(data, queue, now, self.newest));
        match self.vacant.pop() {
            Some(number) => {
                self.segments[number as usize] = segment;
                number
            }
            None => {
                assert!(self.segments.len() < self.geometry.segments_max(), "shards are sized below this");
                self.segments.push(segment);
                (self.segments.len() - 1) as u32
            }
        }
    }

    fn free(&mut self, number: u32) {
        let Some(segment) = self.segments[number as usize].take() else { return };
        self.filled -= segment.filled;
        self.queue_mut(segment.queue).forget(number);
        self.vacant.push(number);
        if self.spare.len() < SPARE_SEGMENTS {
            self.spare.push(segment.data);
        } else {
            self.held -= 1;
        }
    }

    /// Counts a record as dead; a segment without living records is freed at once.
    pub(crate) fn kill(&mut self, location: u32) {
        let len = self.record(location).len();
        let (number, _) = self.geometry.split(location);
        let segment = self.segment_mut(number);
        segment.live -= len;
        let (queue, is_empty) = (segment.queue, segment.live == 0);
        self.live -= len;
        let row = self.queue_mut(queue);
        row.live -= len;
        if is_empty && row.open != Some(number as u32) {
            self.free(number as u32);
        }
    }

    /// Takes the next record at the head of a queue, living or dead; `None` when the queue is empty.
    ///
    /// The caller kills or carries what still lives before it asks again.
    pub(crate) fn take(&mut self, queue: QueueName) -> Option<u32> {
        let location = self.head(queue)?;
        self.queue_mut(queue).hand += self.record(location).len();
        Some(location)
    }

    /// The next record at the head of a queue, living or dead, left where it is; `None` when the queue is empty.
    pub(crate) fn head(&mut self, queue: QueueName) -> Option<u32> {
        loop {
            let row = self.queue(queue);
            let number = *row.order.front()?;
            let hand = row.hand;
            if hand < self.segment(number as usize).filled {
                return Some(self.geometry.location(number as usize, hand));
            }
            if self.queue(queue).open == Some(number) {
                self.queue_mut(queue).open = None;
            }
            debug_assert_eq!(self.segment(number as usize).live, 0, "the hand leaves nothing alive behind");
            self.free(number);
        }
    }

    /// The next segment of a queue, from where compaction last stopped, that is at least an eighth waste.
    pub(crate) fn wasteful_segment(&mut self, queue: QueueName) -> Option<u32> {
        loop {
            let row = self.queue(queue);
            let (place, hand) = (row.compacted, row.hand);
            let Some(&number) = row.order.get(place).filter(|&&number| row.open != Some(number)) else {
                self.queue_mut(queue).compacted = 0;
                return None;
            };
            let segment = self.segment(number as usize);
            let passed = if place == 0 { hand } else { 0 };
            let waste = segment.filled - segment.live - passed;
            // The segment under the hand is about to be freed anyway.
            if passed == 0 && waste >= segment.filled / 8 {
                return Some(number);
            }
            self.queue_mut(queue).compacted += 1;
        }
    }

    /// Moves a living record of the segment that is being compacted to a segment that stands right before it.
    pub(crate) fn compact(&mut self, location: u32, now: Millis) -> u32 {
        let len = self.record(location).len();
        let (from, _) = self.geometry.split(location);
        let queue = self.segment(from).queue;
        let place = self.queue(queue).compacted;
        let before = place.checked_sub(1).and_then(|p| self.queue(queue).order.get(p).copied());
        let under_hand = place == 1 && self.queue(queue).hand > 0;
        let number = match before.filter(|&b| !under_hand && self.segment(b as usize).has_room(len)) {
            Some(before) => before,
            None => {
                let opened = self.segment(from).opened.min(now);
                let number = self.new_segment(queue, opened);
                let row = self.queue_mut(queue);
                row.order.insert(place, number);
                row.compacted += 1;
                number
            }
        };
        let to = self.copy_into(number as usize, location, len);
        self.kill(location);
        to
    }

    /// Locations of all records of a segment, living and dead.
    pub(crate) fn locations(&self, number: u32) -> Vec<u32> {
        let Some(Some(segment)) = self.segments.get(number as usize) else { return Vec::new() };
        let mut found = Vec::new();
        let mut offset = 0;
        while offset < segment.filled {
            found.push(self.geometry.location(number as usize, offset));
            offset += Record(&segment.data[offset..]).len();
        }
        found
    }

    /// Numbers that segments may have: walk them all and ask each.
    pub(crate) fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// The moment from which a segment may hold something expired.
    pub(crate) fn soonest(&self, number: usize) -> Option<Millis> {
        self.segments.get(number)?.as_ref()?.soonest
    }

    pub(crate) fn set_soonest(&mut self, number: usize, soonest: Option<Millis>) {
        if let Some(Some(segment)) = self.segments.get_mut(number) {
            segment.soonest = soonest;
        }
    }

    /// Whether a segment stands there.
    pub(crate) fn is_segment(&self, number: usize) -> bool {
        self.segments.get(number).is_some_and(Option::is_some)
    }

    /// Puts what the volatile policy kept back under the main queue's hand.
    pub(crate) fn release_kept(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        let under_hand = self.main.order.pop_front();
        for &number in kept.order.iter().rev() {
            if let Some(Some(segment)) = self.segments.get_mut(number as usize) {
                segment.queue = QueueName::Main;
                self.main.order.push_front(number);
            }
        }
        if let Some(number) = under_hand {
            self.main.order.push_front(number);
        }
        // What the hand of the kept queue had passed is plain waste from here on.
        self.main.live += kept.live;
        self.main.compacted = 0;
    }

    /// Frees up to `count` segments of a log that was flushed; true when nothing is left.
    pub(crate) fn dismantle(&mut self, count: usize) -> bool {
        for _ in 0..count {
            if self.spare.pop().is_some() {
                self.held = self.held.saturating_sub(1);
            } else if let Some(segment) = self.segments.pop() {
                self.held = self.held.saturating_sub(usize::from(segment.is_some()));
            } else {
                return true;
            }
        }
        false
    }
}
