//! Finished segments that are not known to be on disk: in the order in which they are written.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

/// A finished segment.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) shard: usize,
    pub(crate) row: u32,
    pub(crate) bytes: Bytes,
    /// Bytes of disk before it,
    pub(crate) position: u64,
    /// and those that it takes.
    pub(crate) takes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Those that the store was not given yet.
    waiting: VecDeque<Flight>,
    /// All of them.
    flights: BTreeMap<u64, Bytes>,
    bytes: usize,
    /// Bytes of disk that all segments until now have taken.
    position: u64,
}

impl Outgoing {
    /// Begins behind what was written before.
    pub(super) fn starting_at(position: u64) -> Self {
        Self { position, ..Self::default() }
    }

    /// Adds a segment; returns how many bytes are written before it.
    pub(super) fn push(&mut self, number: u64, shard: usize, row: u32, bytes: Bytes, takes: usize) -> u64 {
        let position = self.position;
        self.position += takes as u64;
        self.bytes += bytes.len();
        self.flights.insert(number, bytes.clone());
        self.waiting.push_back(Flight { number, shard, row, bytes, position, takes });
        position
    }

    pub(super) fn get(&self, number: u64) -> Option<Bytes> {
        self.flights.get(&number).cloned()
    }

    /// The next one that the store was not given.
    pub(super) fn next(&mut self) -> Option<Flight> {
        self.waiting.pop_front()
    }

    /// Forgets a segment that has arrived, or never will.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(bytes) = self.flights.remove(&number) {
            self.bytes -= bytes.len();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Bytes of disk that all segments have taken, those that wait included.
    pub(super) fn position(&self) -> u64 {
        self.position
    }
}
