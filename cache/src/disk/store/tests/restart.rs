//! What is there after a close, a drop, and a kill.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::{ReadError, Store, StoreOptions};
use super::{FIRST, MIB, SECOND, directory, fill, intact, keys, options, segment};

#[tokio::test]
async fn a_closed_store_has_everything_again() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..500).await;
    store.close().await;
    let store = Store::open(options(directory.path())).await.expect("a store");
    assert_eq!(intact(&store, 0..500).await, 500);
    fill(&store, 500..700).await;
    assert_eq!(intact(&store, 0..700).await, 700);
    // What was settled needs no close.
    drop(store);
    let store = Store::open(options(directory.path())).await.expect("a store");
    assert_eq!(intact(&store, 0..700).await, 700);
    store.close().await;
}

#[tokio::test]
async fn another_incarnation_and_a_wiped_store_have_nothing() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..100).await;
    store.close().await;
    let other = StoreOptions { incarnation: 2, ..options(directory.path()) };
    let store = Store::open(other).await.expect("a store");
    assert_eq!(intact(&store, 0..100).await, 0);
    store.close().await;
    let wiped = StoreOptions { wipe: true, ..options(directory.path()) };
    let store = Store::open(wiped).await.expect("a store");
    assert_eq!(intact(&store, 0..100).await, 0);
    assert_eq!(store.figures().reads_failed, [0; 4]);
    store.close().await;
}

#[tokio::test]
async fn more_room_keeps_what_was_there_and_less_begins_anew() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..600).await;
    store.close().await;
    for (bytes, kept) in [(24 * MIB, 600), (40 * MIB, 600), (16 * MIB, 0)] {
        let resized = StoreOptions { bytes, ..options(directory.path()) };
        let store = Store::open(resized).await.expect("a store");
        assert_eq!(intact(&store, 0..600).await, kept, "with {bytes} bytes");
        store.close().await;
    }
}

#[tokio::test]
async fn the_oldest_still_goes_first_after_a_start() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..3000).await;
    store.close().await;
    let store = Store::open(options(directory.path())).await.expect("a store");
    let before = intact(&store, 0..3000).await as u64;
    fill(&store, 3000..3300).await;
    let gone = before + 300 - intact(&store, 0..3300).await as u64;
    assert!(gone >= 200, "{gone} made room");
    let oldest = 3000 - before;
    let lost = (oldest..3000).filter(|number| !store.holds(*number)).count();
    assert_eq!(lost, (oldest..oldest + gone).filter(|number| !store.holds(*number)).count());
    store.close().await;
}

#[tokio::test]
async fn a_store_without_an_empty_block_takes_writes_all_the_same() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..3000).await;
    store.close().await;
    // As a kill leaves it between the writer's first page in a new block and the emptying of the next: none is empty.
    let files = super::files(directory.path());
    let used = std::fs::read(&files[0]).expect("a block");
    let mut emptied = 0;
    for file in &files {
        let mut bytes = std::fs::read(file).expect("a block");
        if bytes[..4096].iter().all(|byte| *byte == 0) {
            bytes[..4096].copy_from_slice(&used[..4096]);
            std::fs::write(file, bytes).expect("written");
            emptied += 1;
        }
    }
    assert!(emptied > 0, "one is always empty while the store is open");
    let store = Store::open(options(directory.path())).await.expect("a store");
    let written = tokio::time::timeout(std::time::Duration::from_secs(20), fill(&store, 3000..3100)).await;
    assert!(written.is_ok(), "writes wait for ever");
    assert_eq!(intact(&store, 3000..3100).await, 100);
    store.close().await;
}

#[tokio::test]
async fn keys_rotate() {
    let directory = directory();
    let sealed = |text: String| StoreOptions { keys: keys(&text), ..options(directory.path()) };
    let store = Store::open(sealed(FIRST.into())).await.expect("a store");
    fill(&store, 0..50).await;
    store.close().await;
    let plain = segment(7, store_packed());
    for file in super::files(directory.path()) {
        let bytes = std::fs::read(file).expect("a block");
        assert!(!bytes.windows(16).any(|window| window == &plain[..16]), "a segment lies there unsealed");
    }
    let store = Store::open(sealed(format!("{SECOND}\n{FIRST}"))).await.expect("a store");
    fill(&store, 50..100).await;
    assert_eq!(intact(&store, 0..100).await, 100);
    store.close().await;
    let store = Store::open(sealed(SECOND.into())).await.expect("a store");
    assert_eq!(intact(&store, 0..50).await, 0);
    assert_eq!(store.read(0).await, Err(ReadError::Key));
    assert_eq!(intact(&store, 50..100).await, 50);
    store.close().await;
    let forged = format!("2{}", &FIRST[1..]);
    let store = Store::open(sealed(forged)).await.expect("a store");
    assert_eq!(store.read(60).await, Err(ReadError::Seal));
    assert_eq!(store.figures().reads_failed, [0, 0, 0, 1]);
    store.close().await;
}

fn store_packed() -> usize {
    super::PACKED_SEALED
}

/// Runs in a process of its own: writes until it is killed, and says what is on disk.
#[tokio::test]
#[ignore = "run by others, in a process of its own"]
async fn writes_until_killed() {
    let directory = std::env::var_os("LARDER_TEST_DIRECTORY").expect("a directory");
    let from = std::env::var("LARDER_TEST_FROM").expect("a number").parse::<u64>().expect("a number");
    let store = Store::open(options(Path::new(&directory))).await.expect("a store");
    let mut next = from;
    loop {
        fill(&store, next..next + 10).await;
        next += 10;
        println!("settled {next}");
    }
}

#[tokio::test]
async fn a_killed_store_has_what_it_settled() {
    let directory = directory();
    let mut from = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "disk::store::tests::restart::writes_until_killed", "--ignored", "--nocapture"])
            .env("LARDER_TEST_DIRECTORY", directory.path())
            .env("LARDER_TEST_FROM", from.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut settled =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("settled ")?.parse().ok());
        let wanted = from + 300 + round * 70;
        let mut last: u64 = settled.find(|settled| *settled >= wanted).expect("it writes on and on");
        child.kill().expect("killed");
        child.wait().expect("it ended");
        last = settled.last().unwrap_or(last);
        let store = Store::open(options(directory.path())).await.expect("a store");
        // Half of what fits is far from what was reclaimed.
        let recent = last.saturating_sub(400).max(from)..last;
        let count = (recent.end - recent.start) as usize;
        assert_eq!(intact(&store, recent).await, count, "round {round}");
        intact(&store, 0..last + 20).await;
        assert_eq!(store.figures().reads_failed, [0; 4]);
        store.close().await;
        // What was under way when it was killed may be there: those numbers were used.
        from = last + 1000;
    }
}

#[tokio::test]
async fn starts_give_up_what_counts_least() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..3000).await;
    let oldest = 3000 - intact(&store, 0..3000).await as u64;
    store.close().await;
    let kept = oldest + 200..oldest + 220;
    for start in 0..40 {
        let range = kept.clone();
        let counts: super::super::Counts = Box::new(move |number| u64::from(range.contains(&number)));
        let counting = StoreOptions { counts: Some(counts), ..options(directory.path()) };
        let store = Store::open(counting).await.expect("a store");
        assert_eq!(intact(&store, kept.clone()).await, 20, "after {start} starts");
        let places: Vec<_> = kept.clone().map(|number| store.position(number)).collect();
        assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
        assert!(places[19] < Some(store.begun_at()), "{places:?}");
        fill(&store, 10_000 + start..10_001 + start).await;
        store.close().await;
    }
}
