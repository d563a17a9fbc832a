//! Segments on their way to the disk.
//!
//! Foyer drops what does not fit its buffer, and says so to nobody. So what is under way is counted here, from the moment it
//! is handed over until foyer lets go of it, and never exceeds one buffer.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// Segments that may be written before somebody asks whether they arrived.
const UNSETTLED_MAX: usize = 8192;

#[derive(Debug)]
pub(super) struct Flights {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    numbers: HashSet<u64>,
    unsettled: Vec<u64>,
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
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, state: Mutex::default() })
    }

    /// Takes a share for the segment; nothing if there is no room, or the segment is under way already.
    pub(super) fn board(self: &Arc<Self>, number: u64, bytes: usize) -> Option<Flight> {
        let mut state = self.state.lock();
        let is_full = state.bytes + bytes > self.bytes_max || state.unsettled.len() >= UNSETTLED_MAX;
        if is_full || !state.numbers.insert(number) {
            return None;
        }
        state.bytes += bytes;
        state.unsettled.push(number);
        Some(Flight { flights: self.clone(), number, bytes })
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.state.lock().numbers.contains(&number)
    }

    /// What was written since the last time.
    pub(super) fn take_unsettled(&self) -> Vec<u64> {
        std::mem::take(&mut self.state.lock().unsettled)
    }

    /// A segment nobody asks for any more.
    pub(super) fn forget(&self, number: u64) {
        let mut state = self.state.lock();
        if let Some(at) = state.unsettled.iter().rposition(|unsettled| *unsettled == number) {
            state.unsettled.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_one_buffer_is_under_way() {
        let flights = Flights::new(10_000);
        let first = flights.board(1, 6000).expect("room");
        assert!(flights.board(2, 6000).is_none());
        assert!(flights.board(1, 1).is_none(), "a number comes once");
        let second = flights.board(3, 4000).expect("room");
        assert!(flights.contains(1) && !flights.contains(2));
        drop(first);
        assert!(!flights.contains(1) && flights.board(4, 6000).is_some());
        drop(second);
        flights.forget(3);
        assert_eq!(flights.take_unsettled(), [1, 4]);
        assert_eq!(flights.take_unsettled(), [0; 0]);
    }
}
