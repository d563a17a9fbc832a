//! The disk tier's bytes: entries packed into segments, and the store that keeps segments in files.
//!
//! This room knows neither shards nor the index: which key lies in which segment, and which segment is still worth its
//! place, is decided above it.

pub(crate) mod keys;
pub(crate) mod segment;
pub(crate) mod store;
