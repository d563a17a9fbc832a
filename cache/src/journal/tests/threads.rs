//! Many threads at once, and a process that is killed while it commits.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::{Journal, OpenOptions, Record};
use super::{open, warm};

const THREADS: u64 = 4;
const EACH: u64 = 20_000;

#[test]
fn what_a_commit_returned_for_is_there_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = Arc::new(open(directory.path()).0);
    let goes_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        // Compactions all along, with nothing to gather: what they drop is what was committed before.
        let compacting = scope.spawn(|| {
            while goes_on.load(Ordering::Relaxed) {
                journal.begin_compaction().expect("healthy").finish().expect("healthy");
                std::thread::yield_now();
            }
        });
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let journal = &journal;
                scope.spawn(move || {
                    for i in 0..EACH {
                        let epoch = [thread as u8; 16];
                        journal.append(&Record::Control {
                            incarnation: thread as u32,
                            hash: i % 7,
                            key: &i.to_le_bytes(),
                            value: &epoch,
                            deadline: None,
                        });
                        journal.append(&Record::Database {
                            number: thread as u16,
                            incarnation: i as u32 + 1000,
                        });
                        if i % 3 == 0 || journal.has_pending() {
                            journal.commit().expect("healthy");
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        goes_on.store(false, Ordering::Relaxed);
        compacting.join().expect("no panic");
    });
    assert!(!journal.has_pending());
    let statistics = journal.statistics();
    assert_eq!(statistics.appends, THREADS * EACH * 2);
    assert!(statistics.compactions > 0, "{statistics:?}");
    drop(journal);
    let state = warm(open(directory.path()).1);
    assert_eq!(state.next_sequence, THREADS * EACH * 2 + 2);
    for thread in 0..THREADS as u16 {
        assert_eq!(state.roots.databases[&thread], EACH as u32 + 999);
    }
}

#[test]
fn sequences_are_the_order_in_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = open(directory.path()).0;
    let given: Vec<AtomicU64> = (0..THREADS * EACH).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (journal, given) = (&journal, &given);
            scope.spawn(move || {
                for hash in thread * EACH..(thread + 1) * EACH {
                    given[hash as usize].store(journal.append(&Record::Gone { hash }), Ordering::Relaxed);
                    if hash % 5 == 0 {
                        journal.commit().expect("healthy");
                    }
                }
            });
        }
    });
    journal.commit().expect("healthy");
    drop(journal);
    let gone = warm(open(directory.path()).1).gone;
    assert_eq!(gone.len(), given.len());
    for (hash, sequence) in given.iter().enumerate() {
        assert_eq!(gone[&(hash as u64)], sequence.load(Ordering::Relaxed));
    }
}

/// Run by the test below: tells on its output what was committed, and is killed.
#[test]
#[ignore = "a part of the test below"]
fn killed_child() {
    let directory = std::env::var_os("LARDER_JOURNAL_KILLED").expect("a directory");
    let (journal, recovery) = Journal::open(Path::new(&directory), OpenOptions::default()).expect("one");
    let journal = Arc::new(journal);
    let after = match recovery {
        super::Recovery::Warm(state) => state.next_sequence,
        super::Recovery::Cold(_) => 0,
    };
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let journal = &journal;
            scope.spawn(move || {
                let mut output = std::io::stderr();
                for i in 0.. {
                    let batch = (thread + i) % 40 + 1;
                    for _ in 0..batch {
                        journal.append(&Record::Retired { segment: i });
                    }
                    let hash = (after + i) << 1 | thread;
                    let sequence = journal.append(&Record::Gone { hash });
                    journal.commit().expect("healthy");
                    let told = [hash.to_le_bytes(), sequence.to_le_bytes()].concat();
                    output.write_all(&told).expect("somebody who listens");
                }
            });
        }
    });
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut told_all = 0;
    for round in 0..100u64 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "journal::tests::threads::killed_child", "--ignored", "--nocapture"])
            .env("LARDER_JOURNAL_KILLED", directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut output = child.stderr.take().expect("its output");
        let mut told = vec![0; 16 * (1 + round as usize * 13 % 97)];
        output.read_exact(&mut told).expect("it commits until it is killed");
        child.kill().expect("it runs");
        output.read_to_end(&mut told).expect("what it told before");
        child.wait().expect("it is gone");
        let (journal, recovery) = Journal::open(directory.path(), OpenOptions::default()).expect("one");
        let state = warm(recovery);
        for pair in told.chunks_exact(16) {
            let number = |at: usize| u64::from_le_bytes(pair[at..at + 8].try_into().expect("eight bytes"));
            let found = state.gone.get(&number(0)).copied();
            assert!(found >= Some(number(8)), "{found:?} instead of {} in round {round}", number(8));
            told_all += 1;
        }
        if round % 10 == 9 {
            Arc::new(journal).begin_compaction().expect("healthy").finish().expect("room");
        }
    }
    assert!(told_all > 1000, "only {told_all} were told");
}

/// What one lock guards: control values by hash, and which of the entries of a segment are dead.
type Guarded = parking_lot::Mutex<(HashMap<u64, u64>, [u8; 128])>;

#[test]
fn a_snapshot_that_is_gathered_while_others_write_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = Journal::open(directory.path(), OpenOptions::default()).expect("a journal");
    let journal = Arc::new(journal);
    let shards: Vec<Guarded> = (0..THREADS).map(|_| Guarded::new((HashMap::new(), [0; 128]))).collect();
    for segment in 0..THREADS {
        journal.append(&Record::Sealed { segment, bytes: 1, entries: 1024, dead: &[] });
    }
    let first = journal.next_sequence();
    let compactions = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for (thread, shard) in shards.iter().enumerate() {
            let (journal, compactions) = (&journal, &compactions);
            scope.spawn(move || {
                let mut i = thread as u64;
                while i < EACH || (compactions.load(Ordering::Relaxed) < 12 && i < 100 * EACH) {
                    i += 1;
                    let hash = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57;
                    let mut shard = shard.lock();
                    if i.is_multiple_of(5) {
                        journal.append(&Record::ControlGone { incarnation: thread as u32, hash });
                        shard.0.remove(&hash);
                    } else {
                        shard.0.insert(hash, i);
                        journal.append(&Record::Control {
                            incarnation: thread as u32,
                            hash,
                            key: b"key",
                            value: &i.to_le_bytes(),
                            deadline: None,
                        });
                    }
                    let place = (i % 1024) as usize;
                    if hash < 3 && shard.1[place / 8] >> (place % 8) & 1 == 0 {
                        shard.1[place / 8] |= 1 << (place % 8);
                        journal.append(&Record::Gone { hash: (thread << 10 | place) as u64 });
                    }
                    drop(shard);
                    if i.is_multiple_of(7) {
                        journal.commit().expect("healthy");
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..12 {
                let compaction = journal.begin_compaction().expect("healthy");
                for (thread, shard) in shards.iter().enumerate() {
                    let shard = shard.lock();
                    compaction.segment(thread as u64, 1, 1024, &shard.1).expect("room");
                    for (&hash, value) in &shard.0 {
                        let value = value.to_le_bytes();
                        compaction.control(thread as u32, hash, b"key", &value, None).expect("room");
                    }
                }
                compaction.finish().expect("healthy");
                compactions.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    journal.commit().expect("healthy");
    let next = journal.next_sequence();
    drop(journal);
    let state = warm(Journal::open(directory.path(), OpenOptions::default()).expect("a journal").1);
    assert_eq!(state.next_sequence, next + 1, "and that it was opened");
    for (thread, shard) in shards.iter().enumerate() {
        let (controls, dead) = &*shard.lock();
        let found = &state.controls[&(thread as u32)];
        assert_eq!(found.len(), controls.len());
        for (hash, value) in controls {
            assert_eq!(*found[hash].value, value.to_le_bytes());
        }
        let segment = state.segments.iter().find(|segment| segment.number == thread as u64);
        let segment = segment.expect("it was never retired");
        for place in 0..1024usize {
            let is_gone = state.gone.get(&((thread << 10 | place) as u64)).is_some_and(|&at| at >= first);
            let is_dead = segment.dead.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
            assert_eq!(is_gone || is_dead, dead[place / 8] >> (place % 8) & 1 == 1);
        }
    }
}
