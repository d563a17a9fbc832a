//! Bytes from a disk as a segment.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder_cache::scrutinize_segment(data));
