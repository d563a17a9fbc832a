//! When things happened, as the clients saw it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Time since the run began.
pub(crate) type Moment = Duration;

/// How much longer than its deadline a value may be seen: the agent counts whole milliseconds.
pub(crate) const SLACK: Duration = Duration::from_millis(20);

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(crate) fn now() -> Moment {
    BEGAN.elapsed()
}

/// From before a command was sent until after its reply was read; what it did, it did in between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) sent: Moment,
    pub(crate) answered: Moment,
}
