//! The disk that fails on demand, by itself: it is a disk when nothing is wrong, and each fault fires, is seen by programs
//! that know nothing of it, and is counted. Where there is no FUSE all of this says so and is
//! skipped.

#![allow(
    clippy::print_stdout,
    reason = "figures that are reported and not asserted go to the test's own output"
)]

mod firing;
mod leftovers;
mod plain;
mod speed;
mod stalls;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const MIB: usize = 1 << 20;

/// An ordinary program, run to its end.
fn run(program: &str, words: &[&dyn AsRef<OsStr>]) -> Output {
    let mut command = Command::new(program);
    command.args(words).env("LC_ALL", "C").stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{program} cannot be run: {error}"))
}

/// The same; panics unless it succeeds, and returns what it said.
fn done(program: &str, words: &[&dyn AsRef<OsStr>]) -> Vec<u8> {
    let output = run(program, words);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The same; panics unless it fails and says `why`.
fn refused(why: &str, program: &str, words: &[&dyn AsRef<OsStr>]) {
    let output = run(program, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(why), "{program} ended with {}: {said}", output.status);
}

/// Bytes of which no two pages are alike.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// How many bits differ.
fn bits_apart(one: &[u8], other: &[u8]) -> u32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one ^ other).count_ones()).sum()
}

/// Writes a file beneath, where nothing fails.
fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the directory beneath can be written");
}
