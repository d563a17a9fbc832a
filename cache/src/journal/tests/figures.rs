//! What it costs: `cargo test --release -p larder-cache journal::tests::figures -- --ignored --nocapture`.

use std::time::Instant;

use super::super::Record;
use super::{open, warm};

#[test]
#[ignore = "prints figures"]
fn figures() {
    for batch in [1, 16, 256] {
        let mut best = f64::MAX;
        for _ in 0..7 {
            let directory = tempfile::tempdir().expect("a directory");
            let (journal, _) = open(directory.path());
            let count = 200_000u64;
            let start = Instant::now();
            for hash in 0..count {
                journal.append(&Record::Gone { hash: hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) });
                if hash % batch == batch - 1 {
                    journal.commit().expect("room");
                }
            }
            best = best.min(start.elapsed().as_nanos() as f64 / count as f64);
        }
        println!("append and commit, {batch} at a time: {best:.1} ns a record");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = open(directory.path());
    for hash in 0..1_000_000u64 {
        journal.append(&Record::Gone { hash: hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) });
    }
    journal.commit().expect("room");
    drop(journal);
    for _ in 0..3 {
        let start = Instant::now();
        let state = warm(open(directory.path()).1);
        println!("recovery of {} records: {:.0?}", state.gone.len(), start.elapsed());
    }
}
