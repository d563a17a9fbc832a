//! Where stalled calls wait, and what lets them go.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::mount::is_ending;

/// The longest that a call waits that nobody releases.
const STALL_MAX: Duration = Duration::from_secs(120);

/// How often it is asked whether the caller still lives.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    waiting: usize,
}

/// Closed until it is opened, and open from then on.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

impl Gate {
    /// Waits until it is open, at most `limit`, and not for a caller that is being killed: the kernel would keep that thread until it
    /// is answered, and whoever waits for the process with it. (Zero is a caller that this process cannot see.)
    pub(super) fn wait(&self, limit: Option<Duration>, caller: u32) {
        let deadline = Instant::now() + limit.unwrap_or(STALL_MAX);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        while !state.is_open {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || (caller != 0 && is_ending(caller)) {
                break;
            }
            let waited = self.opened.wait_timeout(state, left.min(LOOK_INTERVAL));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting -= 1;
    }

    pub(super) fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_open = true;
        self.opened.notify_all();
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting
    }
}
