//! Entries that are read by themselves: several for one caller, on a thread that may wait for the disk, until a deadline.
//!
//! Who asks has tried the page cache before, and with that the kernel has begun to read: so the device reads all of them at
//! once, and one thread collects them. A timer for each would wake its worker once more; one task watches over all
//! deadlines instead, and wakes about as often as the shortest of them comes round.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;

/// Callers whose entries may be waiting for a thread: one each connection, and what was given up meanwhile.
const READINGS_MAX: usize = 4096;

/// What came of reading one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// As it was written.
    Bytes(Bytes),
    /// It has to be looked for in another way: its place is not known, or its bytes are not what they were.
    Nothing,
    /// It was not read in time.
    Late,
}

/// What a caller waits for.
#[derive(Debug)]
pub(crate) struct Reading(Arc<Shared>);

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    got: Vec<Got>,
    /// How many were read.
    read: usize,
    /// Nobody waits for the rest.
    is_over: bool,
    waker: Option<Waker>,
}

impl Shared {
    /// Notes what came of the next one; false if nobody wants any more.
    fn note(&self, got: Got) -> bool {
        let mut state = self.0.lock();
        let at = state.read;
        if state.is_over || at >= state.got.len() {
            return false;
        }
        state.got[at] = got;
        state.read += 1;
        state.is_over = state.read == state.got.len();
        let waker = if state.is_over { state.waker.take() } else { None };
        let goes_on = !state.is_over;
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        goes_on
    }

    fn is_over(&self) -> bool {
        self.0.lock().is_over
    }

    /// Nothing more is waited for.
    fn end(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Future for Reading {
    type Output = Vec<Got>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.0.lock();
        if state.is_over {
            return Poll::Ready(std::mem::take(&mut state.got));
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.0.lock().is_over = true;
    }
}

/// What is being read, the one first whose deadline comes first.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    readings: VecDeque<(Instant, Weak<Shared>)>,
    is_watched: bool,
}

/// A task's duty to watch over deadlines.
struct Watch(Option<Arc<Readings>>);

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(readings) = self.0.take() else { return };
        // The task's runtime ends: whoever still waits is not to wait for ever.
        let left = {
            let mut queue = readings.0.lock();
            queue.is_watched = false;
            std::mem::take(&mut queue.readings)
        };
        left.iter().filter_map(|(_, reading)| reading.upgrade()).for_each(|reading| reading.end());
    }
}

impl Readings {
    /// Has `read` called for one entry after the other by what `begin` is given, on whatever thread that takes.
    pub(super) fn read(
        self: &Arc<Self>,
        count: usize,
        until: Instant,
        read: impl Fn(usize) -> Got + Send + 'static,
        begin: impl FnOnce(Box<dyn FnOnce() + Send>),
    ) -> Reading {
        let state = State { got: vec![Got::Late; count], read: 0, is_over: count == 0, waker: None };
        let shared = Arc::new(Shared(Mutex::new(state)));
        let reading = Reading(Arc::clone(&shared));
        if count == 0 || !self.watch(until, &shared) {
            shared.end();
            return reading;
        }
        begin(Box::new(move || {
            for place in 0..count {
                if shared.is_over() || !shared.note(read(place)) {
                    break;
                }
            }
        }));
        reading
    }

    /// Has a reading end at its deadline; false if there are too many.
    fn watch(self: &Arc<Self>, until: Instant, reading: &Arc<Shared>) -> bool {
        let mut queue = self.0.lock();
        queue.forget_ended();
        if queue.readings.len() >= READINGS_MAX {
            return false;
        }
        queue.readings.push_back((until, Arc::downgrade(reading)));
        if !queue.is_watched {
            queue.is_watched = true;
            tokio::spawn(keep_watch(Watch(Some(Arc::clone(self)))));
        }
        true
    }

    /// Ends what is past its deadline; says when the next one is, if there is any.
    fn end_late(&self) -> Option<Instant> {
        let mut queue = self.0.lock();
        queue.forget_ended();
        let now = Instant::now();
        while let Some((until, reading)) = queue.readings.front() {
            if *until > now {
                return Some(*until);
            }
            if let Some(reading) = reading.upgrade() {
                reading.end();
            }
            queue.readings.pop_front();
        }
        queue.is_watched = false;
        None
    }
}

impl Queue {
    fn forget_ended(&mut self) {
        while self.readings.front().is_some_and(|(_, reading)| reading.strong_count() == 0) {
            self.readings.pop_front();
        }
    }
}

async fn keep_watch(mut watch: Watch) {
    while let Some(until) = watch.0.as_ref().and_then(|readings| readings.end_late()) {
        tokio::time::sleep_until(until.into()).await;
    }
    // Another may watch by now: what it watches over is not this one's any more.
    watch.0 = None;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(30)
    }

    #[tokio::test]
    async fn all_are_read_by_one_thread() {
        let readings = Arc::new(Readings::default());
        let bytes = |place: usize| Got::Bytes(Bytes::from(vec![place as u8]));
        let reading = readings.read(3, soon(), bytes, |work| drop(std::thread::spawn(work)));
        assert_eq!(reading.await, (0..3).map(bytes).collect::<Vec<_>>());
        assert_eq!(readings.read(0, soon(), bytes, |_| panic!("nothing to do")).await, []);
    }

    #[tokio::test]
    async fn who_is_late_has_what_was_read_until_then() {
        let readings = Arc::new(Readings::default());
        for _ in 0..2 {
            let read = |place| {
                if place == 1 {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Got::Nothing
            };
            let reading = readings.read(3, soon(), read, |work| drop(std::thread::spawn(work)));
            assert_eq!(reading.await, [Got::Nothing, Got::Late, Got::Late]);
        }
        // Nothing is left to watch over.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!readings.0.lock().is_watched);
    }

    #[tokio::test]
    async fn what_waits_for_a_thread_has_a_limit() {
        let readings = Arc::new(Readings::default());
        let mut waiting = Vec::new();
        let mut works = Vec::new();
        for _ in 0..READINGS_MAX {
            waiting.push(readings.read(1, soon(), |_| Got::Nothing, |work| works.push(work)));
        }
        assert_eq!(readings.read(1, soon(), |_| Got::Nothing, |_| panic!("too many")).await, [Got::Late]);
        works.into_iter().for_each(|work| work());
        for reading in waiting {
            assert_eq!(reading.await, [Got::Nothing]);
        }
        let reading = readings.read(1, soon(), |_| Got::Nothing, |work| work());
        assert_eq!(reading.await, [Got::Nothing]);
    }
}
