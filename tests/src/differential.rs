//! The differential test: random command sequences are sent to Debian's Redis 7.0, to Valkey 9 and to a subject, and
//! every reply of the subject must equal one of theirs.
//!
//! ```text
//! grammar ──> generate ──> case ──> run ──> (differs?) ──> explore: shrink, report
//!                                    │  └──> compare ──> mask: what may differ, and how little
//!                                    └─────> coverage: what got a reply that is no error
//! ```
//!
//! Time passes for real, and what it does to the replies is made certain. A TTL is either 100 s and more, or it is
//! [`SHORT_MS`]; keys with such a one are used within half of that, or after a wait of [`WAIT_MS`]. A case in which
//! a loaded machine broke that rule is run again.

mod case;
mod command;
mod compare;
mod coverage;
mod explore;
mod generate;
mod grammar;
mod kinds;
mod mask;
mod reply;
mod run;
mod trio;

pub use case::{Case, Step};
pub use coverage::{Coverage, options_not_generated};
pub use explore::{Difference, Options, Report, Seed, explore};
pub use trio::Subject;

/// The TTL of a key that is meant to expire, in ms.
pub const SHORT_MS: u64 = 60;
/// A short time to live as a point in time: as long as [`SHORT_MS`] it would be compared with one that each server counts
/// from when it hears of it. Less than that and more than the third of it within which a case goes on, it never ends level.
pub const SHORT_UNIX_MS: i64 = SHORT_MS as i64 / 2 + 5;

/// How long a wait step sleeps, in ms: after it everything with a short TTL has expired, whatever the clocks' grain.
pub const WAIT_MS: u64 = 80;

/// How many connections a case uses.
pub const CONNECTIONS: usize = 3;

/// How many keys there are; see `kinds.rs` for what they look like.
pub const KEYS: usize = 8;
