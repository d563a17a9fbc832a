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
    /// Bytes that it takes on disk.
    pub(crate) takes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Those that the store was not given yet.
    waiting: VecDeque<Flight>,
    /// All of them.
    flights: BTreeMap<u64, Flight>,
    bytes: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, number: u64, shard: usize, row: u32, bytes: Bytes, takes: usize) {
        self.bytes += bytes.len();
        let flight = Flight { number, shard, row, bytes, takes };
        self.flights.insert(number, flight.clone());
        self.waiting.push_back(flight);
    }

    pub(super) fn get(&self, number: u64) -> Option<Bytes> {
        self.flights.get(&number).map(|flight| flight.bytes.clone())
    }

    /// The next one that the store was not given.
    pub(super) fn next(&mut self) -> Option<Flight> {
        self.waiting.pop_front()
    }

    /// Those that were taken, and of which nothing was heard since.
    pub(super) fn taken(&self) -> Vec<Flight> {
        let waits = |number: &u64| self.waiting.iter().any(|flight| flight.number == *number);
        self.flights.iter().filter(|(number, _)| !waits(number)).map(|(_, flight)| flight.clone()).collect()
    }

    /// Has one written that was taken and did not come to the store.
    pub(super) fn put_back(&mut self, flight: Flight) {
        self.waiting.push_front(flight);
    }

    /// Forgets a segment that has arrived, or never will.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(flight) = self.flights.remove(&number) {
            self.bytes -= flight.bytes.len();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }
}
