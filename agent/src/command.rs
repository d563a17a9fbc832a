//! Commands: one table says what there is, one file a verb says what it does.
//!
//! `table` is read by dispatch, by `COMMAND`, by the documentation and by the tests; `dispatch` decides whether a command may
//! run and under which locks; the verbs only read their arguments, do their work in a section, and reply.

pub mod arguments;
pub mod dispatch;
pub mod failure;
pub mod glob;
pub mod outcome;
pub mod table;

mod ahead;
mod bitfield;
mod bits;
mod client;
mod command_info;
mod config;
mod connection;
mod copy;
mod counters;
mod debug;
mod delete;
mod expire;
mod flush;
mod get;
mod hello;
mod info;
mod keys;
mod latency;
mod memory;
mod need;
mod object;
mod purge;
mod ranges;
mod server;
mod set;
mod slowlog;
mod tags;
mod tiers;
mod transaction;
mod ttl;
mod unoffered;
mod why;

pub use ahead::foresee;
pub use arguments::{Args, Queued};
pub use dispatch::{Verdict, execute};
pub use failure::Failure;
pub use outcome::{Call, Result};

pub use keys::{step as step_keys, write_names as write_keys};
pub use transaction::forget_watches;
