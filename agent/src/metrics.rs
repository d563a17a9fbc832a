//! Metrics: counted by each worker for itself, summed when somebody asks.

pub mod collect;
pub mod declared;
pub mod http;
pub mod tally;
