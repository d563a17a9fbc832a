//! The memory tier: a log of records in fixed segments, whose order *is* the eviction order.
//!
//! S3-FIFO needs a small queue for newcomers and a main queue for what was read again. Here a queue is a row of segments:
//! records are appended at its tail and leave at its head, so queue links cost no bytes, freed memory returns in whole
//! segments, and values of changing sizes cannot fragment the heap. A record that dies in the middle leaves a hole;
//! [`log`] moves the living together when holes are more than an eighth. What is remembered of the evicted is a [`ghost`] or a
//! [`sketch`].
//!
//! This room knows records and queues. Which key is which, and what may be evicted, is decided by the shard above it.

pub(crate) mod ghost;
pub(crate) mod large;
pub(crate) mod log;
pub(crate) mod queue;
pub(crate) mod record;
pub(crate) mod segment;
pub(crate) mod sketch;

/// Bytes of a record and of what lies outside the log for it.
#[inline]
pub(crate) fn bytes_of(record: record::Record<'_>, large: Option<&large::Large>) -> usize {
    record.len() + large.map_or(0, large::Large::bytes)
}

/// The encoded tags of a record, in it or outside the log.
pub(crate) fn tags_of<'a>(record: record::Record<'a>, large: Option<&'a large::Large>) -> &'a [u8] {
    match large {
        Some(large) if !large.tags.is_empty() => &large.tags,
        _ => record.tags(),
    }
}
