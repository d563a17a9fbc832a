//! Bad input and bad clients against the real agent, most of it inside a real memory cgroup whose limit is that given to
//! `--memory auto`: nothing crashes, nothing is killed for want of memory, and other clients go on being served.
//!
//! `LARDER_TESTS_ALL=1` makes it longer and larger.

#![allow(
    clippy::print_stdout,
    reason = "figures that are reported and not asserted go to the test's own output"
)]

mod arena;
mod churn;
mod connections;
mod copies;
mod fairness;
mod files;
mod flooding;
mod garbage;
mod metrics_page;
mod protocol;
mod readers;
mod soak;

const MIB: usize = 1 << 20;

/// Whether the long versions are to be run.
fn thoroughly() -> bool {
    std::env::var_os("LARDER_TESTS_ALL").is_some_and(|value| value == "1")
}

/// `usually`, or `long` under `LARDER_TESTS_ALL`.
fn amount(usually: usize, long: usize) -> usize {
    if thoroughly() { long } else { usually }
}

/// Waits until no other test of this process holds thousands of connections: together they would run out of files.
fn alone_with_a_crowd() -> std::sync::MutexGuard<'static, ()> {
    static CROWD: std::sync::Mutex<()> = std::sync::Mutex::new(());
    CROWD.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
