//! What a stop leaves is there after it: what was read stays, and room that is not used is no reason to drop anything.

use larder_cache::{Deadline, Tags};

use crate::subject::{Shape, Subject};

const RESIDENTS: usize = 400;

async fn store(subject: &Subject, what: &str, numbers: std::ops::Range<usize>, length: usize) {
    for number in numbers {
        let name = format!("{what}:{number}");
        let mut value = name.clone().into_bytes();
        value.resize(length, b'v');
        subject.set(name.as_bytes(), &value, Deadline::None, &Tags::default()).await;
    }
}

/// How many of these are found.
async fn found(subject: &Subject, what: &str, numbers: std::ops::Range<usize>) -> usize {
    let mut found = 0;
    for number in numbers {
        let name = format!("{what}:{number}");
        let value = subject.get(name.as_bytes()).await;
        assert!(value.as_ref().is_none_or(|value| value.starts_with(name.as_bytes())), "{name}");
        found += usize::from(value.is_some());
    }
    found
}

/// What is read over and over lies in memory, with a copy on disk that may be the next to make room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_makes_room_keeps_what_is_read() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (subject, _) = Subject::open(directory.path(), 1).await;
    store(&subject, "resident", 0..RESIDENTS, 1000).await;
    subject.cache.demote();
    // What was read is not given up, and by then the disk is full of what was not.
    let mut number = 0;
    while subject.cache.stats().refused_unread == 0 {
        store(&subject, "other", number..number + 500, 1000).await;
        number += 500;
        assert!(number < (Shape::default().disk / 500) as usize, "the disk is never full");
        found(&subject, "resident", 0..RESIDENTS).await;
    }
    let before = found(&subject, "resident", 0..RESIDENTS).await;
    assert_eq!(before, RESIDENTS);
    subject.stop().await;
    let (subject, warmth) = Subject::open(directory.path(), 1).await;
    let after = found(&subject, "resident", 0..RESIDENTS).await;
    assert!(after * 100 >= before * 99, "{after} of {before}: {warmth:?}");
}

/// Each start writes to blocks of its own, and most of what they hold is of the past.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_with_little_on_disk_keeps_all() {
    let shape = Shape { memory: 16 << 20, disk: 256 << 20, ..Shape::default() };
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut due = 0;
    for start in 0..24 {
        let (subject, warmth) = Subject::shaped(directory.path(), shape).await;
        let there = found(&subject, "entry", 0..30_000).await;
        assert!(there * 100 >= due * 99, "start {start}: {there} of {due}, {warmth:?}");
        store(&subject, "entry", 0..8000, 1500).await;
        store(&subject, "entry", 8000 + start * 900..8000 + (start + 1) * 900, 900).await;
        due = subject.cache.figures().entries as usize;
        subject.stop().await;
    }
}
