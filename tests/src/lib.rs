//! The whole-system tests' harness: everything a test needs to run the real agent beside real Redis and Valkey
//! servers, to talk to them byte by byte, and to hold them to a real memory cgroup.
//!
//! The harness panics where a test could only give up (a server that does not start, a malformed reply): the
//! message says what was expected and shows the server's log. What a test may want to look at is returned.

pub mod agent;
pub mod cgroup;
pub mod differential;
pub mod faults;
pub mod http;
pub mod once;
pub mod peer;
pub mod probe;
pub mod resp;
pub mod wall;

mod process;

pub use process::{poll_until, raise_file_limit, status_bytes};
