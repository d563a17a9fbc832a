//! The agent as a library, for its own binary, its tests and its fuzz targets.
//!
//! `main` parses flags and owns the exit codes; [`run`] wires and drains; everything else is a room of its own.

pub mod command;
pub mod config;
pub mod log;
pub mod metrics;
pub mod ping;
pub mod resp;
pub mod run;
pub mod server;
