//! What a policy keeps is kept on disk as well: it is packed anew when its segment makes room, refused when there is none, and
//! there after a stop.

use larder_cache::clock::now;
use larder_cache::{Deadline, NewValue, Policy, Room};

use crate::subject::{Shape, Subject};

const DISK: u64 = 16 << 20;
const LENGTH: usize = 1000;
const ROUNDS: usize = 16;

fn value_of(name: &str) -> Vec<u8> {
    let mut value = name.as_bytes().to_vec();
    value.resize(LENGTH, b'k');
    value
}

/// Stores an entry as the agent does; false if there is no room for it.
async fn offer(subject: &Subject, name: &str, deadline: Deadline) -> bool {
    loop {
        match subject.cache.make_room(4096, now()) {
            Room::Full => return false,
            Room::Busy => tokio::task::yield_now().await,
            Room::Made => break,
        }
    }
    let value = value_of(name);
    subject
        .with(name.as_bytes(), false, |section, key| {
            section.set(key, NewValue::Copied(&value), deadline).is_ok()
        })
        .await
}

/// Stores entries until there is no room for more; returns how many there are.
async fn fill(subject: &Subject, what: &str) -> usize {
    let mut number = 0;
    // What is on its way makes room when it has arrived.
    for _ in 0..10 {
        while offer(subject, &format!("{what}:{number}"), Deadline::None).await {
            number += 1;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    number
}

async fn found(subject: &Subject, what: &str, numbers: std::ops::Range<usize>) -> usize {
    let mut found = 0;
    for number in numbers {
        let name = format!("{what}:{number}");
        let value = subject.get(name.as_bytes()).await;
        assert!(value.as_ref().is_none_or(|value| *value == value_of(&name)), "{name}");
        found += usize::from(value.is_some());
    }
    found
}

async fn remove(subject: &Subject, what: &str, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        let name = format!("{what}:{number}");
        subject.with(name.as_bytes(), false, |section, key| section.remove(key)).await;
    }
}

/// Memory and disk are filled, emptied in part and filled again, so that the oldest segments make room several times over.
async fn nothing_kept_is_dropped(policy: Policy) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let shape = Shape { memory: 4 << 20, disk: DISK, policy, ..Shape::default() };
    let (subject, _) = Subject::shaped(directory.path(), shape).await;
    let count = fill(&subject, "kept").await;
    assert!(count * LENGTH > shape.memory * 5 / 4, "the disk was not used: {count}");
    assert_eq!(found(&subject, "kept", 0..count).await, count);
    let mut more = 0;
    for round in 0..ROUNDS {
        // Every second one of what was stored first, and all that was added.
        remove(&subject, "kept", (round..count / 2).step_by(ROUNDS / 3)).await;
        remove(&subject, &format!("more{}", round.max(1) - 1), 0..more).await;
        more = fill(&subject, &format!("more{round}")).await;
        assert!(more > count / 20, "round {round}: deletes made room for {more} of {count}");
        assert_eq!(found(&subject, &format!("more{round}"), 0..more).await, more, "round {round}");
        assert_eq!(found(&subject, "kept", count / 2..count).await, count - count / 2, "round {round}");
    }
    let stats = subject.cache.stats();
    assert_eq!((stats.evictions(), stats.lost), (0, 0));
    assert!(stats.readmissions > 0, "nothing was packed anew: {:?}", subject.cache.disk_figures());
    let entries = subject.cache.figures().entries;
    let begun = std::time::Instant::now();
    subject.stop().await;
    assert!(begun.elapsed().as_secs() < 10, "a stop took {:?}", begun.elapsed());
    let (subject, warmth) = Subject::shaped(directory.path(), shape).await;
    assert_eq!((warmth.entries + warmth.controls, warmth.was_clean), (entries, true), "{warmth:?}");
    assert_eq!(found(&subject, &format!("more{}", ROUNDS - 1), 0..more).await, more);
    assert_eq!(found(&subject, "kept", count / 2..count).await, count - count / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_eviction_nothing_is_dropped() {
    nothing_kept_is_dropped(Policy::NoEviction).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_expires_is_kept_where_only_the_other_may_go() {
    nothing_kept_is_dropped(Policy::Volatile).await;
}

/// What expires makes room on disk for what does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_gives_way_on_disk() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let shape = Shape { memory: 4 << 20, disk: DISK, policy: Policy::Volatile, ..Shape::default() };
    let (subject, _) = Subject::shaped(directory.path(), shape).await;
    let later = Deadline::At(larder_cache::clock::Millis(now().0 + 1_000_000));
    for number in 0..30_000 {
        assert!(offer(&subject, &format!("session:{number}"), later).await);
    }
    let count = fill(&subject, "kept").await;
    assert!(count * LENGTH > shape.memory * 5 / 4, "{count}");
    assert_eq!(found(&subject, "kept", 0..count).await, count);
    assert!(subject.cache.stats().evicted_from_disk > 0);
    subject.stop().await;
    let (subject, _) = Subject::shaped(directory.path(), shape).await;
    assert_eq!(found(&subject, "kept", 0..count).await, count);
}

/// A stop that finds no room for what may not be dropped says so, and does not try for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_room_ends() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let shape = Shape { memory: 64 << 20, disk: DISK, policy: Policy::NoEviction, ..Shape::default() };
    let (subject, _) = Subject::shaped(directory.path(), shape).await;
    let count = 40_000;
    for number in 0..count {
        assert!(offer(&subject, &format!("kept:{number}"), Deadline::None).await);
    }
    subject.tending.abort();
    let begun = std::time::Instant::now();
    let sealed = subject.cache.seal(true, std::time::Duration::from_secs(60)).await;
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert!(!sealed.is_complete && sealed.left > 0, "{sealed:?}");
    assert_eq!(sealed.entries + sealed.left, count as u64);
    drop(subject);
    let (subject, warmth) = Subject::shaped(directory.path(), shape).await;
    assert_eq!((warmth.entries, warmth.was_clean), (sealed.entries, true));
    assert_eq!(found(&subject, "kept", 0..count).await as u64, sealed.entries);
}
