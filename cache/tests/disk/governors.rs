//! What governs others does not leave without them: a counter of versions that begins anew leads to nothing of old.

use std::time::Duration;

use larder_cache::clock::now;
use larder_cache::{Deadline, Room, Tags};

use crate::subject::Subject;

/// Longer than any segment may be, where memory is 8 MiB.
const LONG: usize = 300_000;

async fn append(subject: &Subject, name: &str, length: usize) {
    while subject.cache.make_room(2 * length, now()) != Room::Made {
        tokio::task::yield_now().await;
    }
    subject
        .with(name.as_bytes(), true, |section, key| {
            section.governs(true);
            section.edit(key, LONG + 1, |value| value.resize(length, b'1')).expect("room");
        })
        .await;
}

async fn fill(subject: &Subject, from: usize) {
    for number in from..from + 30_000 {
        let name = format!("other:{number}");
        subject.set(name.as_bytes(), &[b'o'; 600], Deadline::None, &Tags::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_the_disk_does_not_take_stays() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (subject, _) = Subject::open(directory.path(), 1).await;
    append(&subject, "version", LONG).await;
    subject.set(b"v1", b"governed", Deadline::None, &Tags::default()).await;
    for round in 0..3 {
        fill(&subject, round * 30_000).await;
    }
    assert!(subject.cache.stats().refused_size > 0, "nobody tried to evict it");
    assert_eq!(subject.get(b"version").await.map(|value| value.len()), Some(LONG));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_hardly_anything_else_is_left_they_go_with_all_of_theirs() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (subject, _) = Subject::open(directory.path(), 1).await;
    append(&subject, "version", LONG).await;
    subject.set(b"v1", b"governed", Deadline::None, &Tags::default()).await;
    subject.cache.demote();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for number in 0..120 {
        append(&subject, &format!("counter:{number}"), LONG).await;
        let (counter, governed) = (subject.get(b"version").await, subject.get(b"v1").await);
        assert!(counter.is_some() || governed.is_none(), "{number}: what is governed outlived the counter");
    }
    assert_eq!(subject.get(b"counter:0").await, None, "more than memory holds was kept");
}
