//! How the real agent behaves: as it starts, serves, is told things by signals and configuration, and ends.
//!
//! `LARDER_TESTS_ALL=1` makes those that repeat something repeat it more often.

#![allow(
    clippy::print_stdout,
    reason = "figures that are reported and not asserted go to the test's own output"
)]

mod access;
mod client_commands;
mod clients_limit;
mod configuration;
mod drain;
mod eviction;
mod invalidation;
mod ping;
mod reload;
mod scan;
mod secrets;
mod socket;
mod telling;
mod workers;

use larder_tests::resp::Value;

/// Times that a repeated test repeats: `usually`, or `thoroughly` under `LARDER_TESTS_ALL`.
fn rounds(usually: usize, thoroughly: usize) -> usize {
    if std::env::var_os("LARDER_TESTS_ALL").is_some_and(|value| value == "1") { thoroughly } else { usually }
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

fn pong() -> Value {
    Value::Simple(b"PONG".to_vec())
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}
