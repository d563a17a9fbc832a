//! Values on their way in and out.

use std::ops::Deref;

use bytes::Bytes;

use crate::clock::Millis;
use crate::memory::large::Large;
use crate::memory::record::Record;
use crate::memory::{bytes_of, tags_of};
use crate::shard::disk::Visitor;
use crate::tags::Tags;

/// A value to be stored.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// Copied into the cache.
    Copied(&'a [u8]),
    /// Kept by reference where it is too long to be copied; the bytes should own their allocation alone.
    Shared(Bytes),
}

impl NewValue<'_> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Copied(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A value in the cache: lent for as long as the section lasts, or refcounted to be taken along.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Up to 1 KiB, inside the log: copy it out.
    Copied(&'a [u8]),
    /// Longer: clone the handle.
    Shared(&'a Bytes),
}

impl Value<'_> {
    /// The value as bytes of its own: a copy of a short one, another handle of a long one.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Copied(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => (*bytes).clone(),
        }
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// An entry as it lies in the cache.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its value.
    pub value: Value<'a>,
    /// When it expires, if ever.
    pub deadline: Option<Millis>,
    /// A moment before which it was not at its present place in memory.
    pub placed_after: Millis,
    pub(crate) record: Record<'a>,
    pub(crate) large: Option<&'a Large>,
    /// What it is instead of a record, if it lies on disk.
    pub(crate) visitor: Option<&'a Visitor>,
}

impl<'a> View<'a> {
    pub(crate) fn on_disk(value: Value<'a>, deadline: Option<Millis>, visitor: &'a Visitor) -> Self {
        let record = Record(&[]);
        View { value, deadline, placed_after: Millis(0), record, large: None, visitor: Some(visitor) }
    }

    /// Whether it lies on disk only.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.visitor.is_some()
    }

    /// Whether other entries are governed by it: see [`Section::governs`](crate::Section::governs).
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.visitor.map_or_else(|| self.record.is_control(), |visitor| visitor.is_control)
    }

    /// The tags that it carries.
    #[must_use]
    pub fn tags(&self) -> Tags {
        let encoded = self.visitor.map_or_else(|| tags_of(self.record, self.large), |visitor| &visitor.tags);
        Tags::from_encoded(encoded)
    }

    /// How often it was read since it last moved, counted up to three.
    #[must_use]
    pub fn reads(&self) -> u8 {
        self.visitor.map_or_else(|| self.record.frequency(), |visitor| visitor.frequency)
    }

    /// Bytes of its record and value, without its share of the index.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.visitor.map_or_else(|| bytes_of(self.record, self.large), Visitor::bytes)
    }
}

/// The tags of a value that is stored.
#[derive(Clone, Copy, Debug)]
pub enum NewTags<'a> {
    /// It carries none.
    None,
    /// It carries these.
    These(&'a Tags),
    /// It carries those of what it replaces.
    Keep,
}

/// What to do with an entry's TTL when its value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// The entry does not expire.
    None,
    /// It expires then.
    At(Millis),
    /// It keeps the deadline of what it replaces.
    Keep,
}
