//! Bytes through the decoder, whole and torn.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| larder_fuzz::decode::run(data));
