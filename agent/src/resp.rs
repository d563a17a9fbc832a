//! The Redis serialization protocol, versions 2 and 3: bytes to commands, replies to bytes. Pure: no I/O, no state of the cache.

pub mod decode;
pub mod encode;
pub mod number;

pub use decode::{Decoder, Limits, Progress, ProtocolError, Span};
pub use encode::{Out, Protocol, Reply};
