//! Segments on their way to the disk.
//!
//! Foyer drops what does not fit its buffer, and says so to nobody. So what is under way is counted here, from the moment it
//! is handed over until foyer lets go of it, and never exceeds one buffer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Debug)]
pub(super) struct Flights {
    bytes_max: usize,
    unsettled_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    numbers: HashSet<u64>,
    /// What was written and not yet asked for, with its bytes.
    unsettled: HashMap<u64, usize>,
    unsettled_bytes: usize,
}

/// A segment's share of the buffer, given back when dropped.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    number: u64,
    bytes: usize,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.flights.state.lock();
        state.bytes -= self.bytes;
        state.numbers.remove(&self.number);
    }
}

impl Flights {
    /// At most `bytes_max` are under way, and `unsettled_max` written before somebody asks whether they arrived.
    pub(super) fn new(bytes_max: usize, unsettled_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, unsettled_max, state: Mutex::default() })
    }

    /// Takes a share for the segment; nothing if there is no room, or the segment is under way already.
    pub(super) fn board(self: &Arc<Self>, number: u64, bytes: usize) -> Option<Flight> {
        let mut state = self.state.lock();
        let is_full =
            state.bytes + bytes > self.bytes_max || state.unsettled_bytes + bytes > self.unsettled_max;
        if is_full || state.unsettled.contains_key(&number) || !state.numbers.insert(number) {
            return None;
        }
        state.bytes += bytes;
        state.unsettled_bytes += bytes;
        state.unsettled.insert(number, bytes);
        Some(Flight { flights: self.clone(), number, bytes })
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.state.lock().numbers.contains(&number)
    }

    /// What was written and not yet asked for.
    pub(super) fn unsettled(&self) -> Vec<u64> {
        self.state.lock().unsettled.keys().copied().collect()
    }

    /// Crosses a segment off the list, and says whether it was on it.
    pub(super) fn settle(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let bytes = state.unsettled.remove(&number);
        state.unsettled_bytes -= bytes.unwrap_or(0);
        bytes.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_one_buffer_is_under_way() {
        let flights = Flights::new(10_000, 17_000);
        let first = flights.board(1, 6000).expect("room");
        assert!(flights.board(2, 6000).is_none());
        assert!(flights.board(1, 1).is_none(), "a number comes once");
        let second = flights.board(3, 4000).expect("room");
        assert!(flights.contains(1) && !flights.contains(2));
        drop(first);
        assert!(!flights.contains(1) && flights.board(4, 6000).is_some());
        drop(second);
        assert!(flights.board(5, 2000).is_none(), "nobody asked what became of the others");
        assert!(flights.settle(3) && !flights.settle(3));
        assert!(flights.board(5, 2000).is_some());
        let mut unsettled = flights.unsettled();
        unsettled.sort_unstable();
        assert_eq!(unsettled, [1, 4, 5]);
    }
}
