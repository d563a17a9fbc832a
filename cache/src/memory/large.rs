//! Large values: refcounted bytes outside the log, so that a reply can refer to them without a copy.

use bytes::{Bytes, BytesMut};

use super::segment::QueueName;

/// Bookkeeping bytes of a large entry beside its own allocation: its slot, and the counter that `Bytes` puts on the heap
/// once it is shared.
const OVERHEAD: usize = size_of::<Option<Large>>() + 32;

/// A value too long for a record, with its key where that is too long as well.
#[derive(Debug)]
pub(crate) struct Large {
    /// Empty if the key lies in the record.
    pub(crate) key: Box<[u8]>,
    /// Encoded; empty if they lie in the record.
    pub(crate) tags: Box<[u8]>,
    pub(crate) value: Bytes,
    /// Bytes of the value's allocation: at least its length, more if it was made to grow.
    pub(crate) capacity: usize,
    /// Where its record stands.
    queue: QueueName,
}

impl Large {
    pub(crate) fn new(key: &[u8], tags: &[u8], value: Bytes) -> Self {
        let capacity = value.len();
        Self { key: key.into(), tags: tags.into(), value, capacity, queue: QueueName::Small }
    }

    /// Heap bytes that this entry accounts for.
    pub(crate) fn bytes(&self) -> usize {
        let beside = |bytes: &[u8]| if bytes.is_empty() { 0 } else { allocation_size(bytes.len()) };
        OVERHEAD + beside(&self.key) + beside(&self.tags) + allocation_size(self.capacity)
    }
}

/// What an allocator hands out for a request: classes of an eighth to a quarter apart, pages from 16 KiB on.
pub(crate) fn allocation_size(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.next_multiple_of(16);
    }
    let step = (bytes.next_power_of_two() / 8).max(16);
    bytes.next_multiple_of(step)
}

/// All large values of a shard, by number.
#[derive(Debug, Default)]
pub(crate) struct LargeValues {
    slots: Vec<Option<Large>>,
    vacant: Vec<u32>,
    bytes: usize,
    /// The part of `bytes` whose records stand in each queue.
    standing: [usize; 3],
}

impl LargeValues {
    /// Heap bytes accounted for.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Heap bytes of the values whose records stand in a queue.
    pub(crate) fn standing(&self, queue: QueueName) -> usize {
        self.standing[queue as usize]
    }

    fn count_in(&mut self, queue: QueueName, bytes: usize) {
        self.bytes += bytes;
        self.standing[queue as usize] += bytes;
    }

    fn count_out(&mut self, queue: QueueName, bytes: usize) {
        self.bytes -= bytes;
        self.standing[queue as usize] -= bytes;
    }

    /// Notes in which queue the value's record stands from now on.
    pub(crate) fn stand(&mut self, number: u32, queue: QueueName) {
        let Some(large) = self.slots.get_mut(number as usize).and_then(Option::as_mut) else { return };
        let bytes = large.bytes();
        let before = std::mem::replace(&mut large.queue, queue);
        self.standing[before as usize] -= bytes;
        self.standing[queue as usize] += bytes;
    }

    /// Notes that the kept queue went to the main one.
    pub(crate) fn release_kept(&mut self) {
        for large in self.slots.iter_mut().flatten().filter(|large| large.queue == QueueName::Kept) {
            large.queue = QueueName::Main;
        }
        self.standing[QueueName::Main as usize] +=
            std::mem::take(&mut self.standing[QueueName::Kept as usize]);
    }

    /// Takes a value in, as one whose record stands in the small queue.
    pub(crate) fn add(&mut self, large: Large) -> u32 {
        self.count_in(large.queue, large.bytes());
        match self.vacant.pop() {
            Some(number) => {
                self.slots[number as usize] = Some(large);
                number
            }
            None => {
                self.slots.push(Some(large));
                (self.slots.len() - 1) as u32
            }
        }
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Large> {
        self.slots.get(number as usize)?.as_ref()
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<Large> {
        let large = self.slots.get_mut(number as usize)?.take()?;
        self.count_out(large.queue, large.bytes());
        self.vacant.push(number);
        Some(large)
    }

    /// Frees up to `count` values of a shard that was flushed; true when nothing is left.
    pub(crate) fn dismantle(&mut self, count: usize) -> bool {
        let keep = self.slots.len().saturating_sub(count);
        for large in self.slots.drain(keep..).flatten() {
            self.bytes = self.bytes.saturating_sub(large.bytes());
        }
        self.slots.is_empty()
    }

    /// Lets `change` alter a value in place, without a copy unless a reply still refers to it.
    pub(crate) fn alter(&mut self, number: u32, change: impl FnOnce(&mut BytesMut)) {
        let Some(large) = self.slots.get_mut(number as usize).and_then(Option::as_mut) else { return };
        let (queue, before) = (large.queue, large.bytes());
        let mut value = std::mem::take(&mut large.value).try_into_mut().unwrap_or_else(|shared| {
            let mut own = BytesMut::with_capacity(shared.len());
            own.extend_from_slice(&shared);
            own
        });
        change(&mut value);
        large.capacity = value.capacity().max(value.len());
        large.value = value.freeze();
        let after = large.bytes();
        self.count_out(queue, before);
        self.count_in(queue, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_additions_changes_and_removals() {
        let mut values = LargeValues::default();
        let number = values.add(Large::new(b"", b"", Bytes::from(vec![1; 5000])));
        let before = values.bytes();
        assert!(before >= 5000);
        values.alter(number, |value| value.extend_from_slice(&[2; 100_000]));
        assert!(values.bytes() >= 105_000);
        assert_eq!(values.get(number).map(|l| l.value.len()), Some(105_000));
        values.stand(number, QueueName::Main);
        assert_eq!(
            (values.standing(QueueName::Small), values.standing(QueueName::Main)),
            (0, values.bytes())
        );
        values.remove(number);
        assert_eq!((values.bytes(), values.standing(QueueName::Main)), (0, 0));
    }

    #[test]
    fn a_value_in_flight_is_not_changed() {
        let mut values = LargeValues::default();
        let number = values.add(Large::new(b"", b"", Bytes::from(vec![1; 5000])));
        let in_flight = values.get(number).map(|l| l.value.clone()).expect("just added");
        values.alter(number, |value| value[0] = 9);
        assert_eq!(in_flight[0], 1);
        assert_eq!(values.get(number).map(|l| l.value[0]), Some(9));
    }
}
