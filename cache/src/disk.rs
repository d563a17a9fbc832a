//! The disk tier's bytes: entries packed into segments.
//!
//! This room knows neither shards nor the index: which key lies in which segment, and which segment is still worth its
//! place, is decided above it.

pub(crate) mod segment;
