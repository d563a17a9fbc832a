//! Files that are not what they were: a segment is lost, never another one.

use std::fs;
use std::path::Path;

use super::super::{ReadError, Store, StoreOptions};
use super::{FIRST, PAGE, directory, files, fill, intact, keys, options};

/// Of foyer's header of a block's first segment.
const UNUSED_BEGIN: usize = PAGE + 8;
const UNUSED_END: usize = PAGE + 20;

/// Numbers of the segments whose reading fails, and how many are simply gone.
async fn lost(store: &Store, count: u64) -> (Vec<ReadError>, usize) {
    let (mut failed, mut gone) = (Vec::new(), 0);
    for number in 0..count {
        match store.read(number).await {
            Ok(Some(bytes)) => {
                assert_eq!(bytes, super::segment(number, super::packed(store)), "segment {number}");
            }
            Ok(None) => gone += 1,
            Err(error) => failed.push(error),
        }
    }
    (failed, gone)
}

async fn filled(directory: &Path, text: Option<&str>) -> Store {
    let keys = text.and_then(keys);
    let store = Store::open(StoreOptions { keys, ..options(directory) }).await.expect("a store");
    fill(&store, 0..900).await;
    store
}

/// Flips one bit in each block that is in use.
fn flip(directory: &Path, at: impl Fn(usize) -> usize) -> usize {
    let mut flipped = 0;
    for (block, file) in files(directory).into_iter().enumerate() {
        let mut bytes = fs::read(&file).expect("a block");
        if bytes[..PAGE].iter().any(|byte| *byte != 0) {
            bytes[at(block)] ^= 4;
            fs::write(&file, bytes).expect("written");
            flipped += 1;
        }
    }
    flipped
}

#[tokio::test]
async fn a_flipped_bit_in_every_block_loses_what_it_hits() {
    for text in [None, Some(FIRST)] {
        for at in
            [4, 20, PAGE + 2, PAGE + 10, PAGE + 30, PAGE + 35, PAGE + 5000, PAGE + 16_380, 9 * PAGE + 77]
        {
            let directory = directory();
            filled(directory.path(), text).await.close().await;
            let blocks = flip(directory.path(), |block| at + block % 3);
            assert!(blocks > 10, "{blocks} blocks are in use");
            let keys = text.and_then(keys);
            let store =
                Store::open(StoreOptions { keys, ..options(directory.path()) }).await.expect("a store");
            let (failed, gone) = lost(&store, 900).await;
            let lost = failed.len() + gone;
            match at {
                // A page that says where segments are loses all of its block.
                ..PAGE => assert!(lost > 10 * blocks, "at {at}: {lost} of {blocks} blocks"),
                // Foyer's own copy of the hash and its order, which nobody asks for.
                UNUSED_BEGIN..=UNUSED_END => assert_eq!(lost, 0),
                _ => assert!((blocks - 1..=blocks).contains(&lost), "at {at}: {lost} of {blocks} blocks"),
            }
            // A failed read is followed by none at all.
            assert_eq!(store.figures().reads_failed.iter().sum::<u64>(), failed.len() as u64);
            fill(&store, 10_000..10_050).await;
            assert_eq!(intact(&store, 10_000..10_050).await, 50);
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_bit_that_flips_under_an_open_store_is_found() {
    let directory = directory();
    let store = filled(directory.path(), None).await;
    let blocks = flip(directory.path(), |_| PAGE + 9000);
    let (failed, gone) = lost(&store, 900).await;
    assert_eq!((failed, gone), (vec![ReadError::Damaged; blocks], 0));
    assert_eq!(store.figures().reads_failed, [0, blocks as u64, 0, 0]);
    assert_eq!(lost(&store, 900).await, (vec![], blocks), "and then it is forgotten");
    store.close().await;
}

#[tokio::test]
async fn a_file_cut_short_loses_its_end() {
    let directory = directory();
    let store = filled(directory.path(), None).await;
    let second = &files(directory.path())[1];
    let cut = fs::OpenOptions::new().write(true).open(second).expect("a block");
    cut.set_len(200_000).expect("cut");
    let (failed, gone) = lost(&store, 900).await;
    assert!(
        failed.len() > 20 && gone == 0 && failed.iter().all(|error| *error == ReadError::Io),
        "{failed:?}"
    );
    store.close().await;
    let store = Store::open(options(directory.path())).await.expect("a store");
    let (again, gone) = lost(&store, 900).await;
    assert_eq!(again.len() + gone, failed.len(), "what lay before the cut is there: {again:?}");
    fill(&store, 2000..2100).await;
    assert_eq!(intact(&store, 2000..2100).await, 100);
    store.close().await;
}

#[tokio::test]
async fn a_deleted_file_loses_its_block() {
    let directory = directory();
    let store = filled(directory.path(), None).await;
    fs::remove_file(&files(directory.path())[2]).expect("deleted");
    assert_eq!(lost(&store, 900).await, (vec![], 0), "an open file is still there");
    store.close().await;
    let store = Store::open(options(directory.path())).await.expect("a store");
    let (failed, gone) = lost(&store, 900).await;
    assert!(failed.is_empty() && (40..80).contains(&gone), "{failed:?}, {gone} gone");
    store.close().await;
}

#[tokio::test]
async fn blocks_that_are_noise_are_empty() {
    let directory = directory();
    filled(directory.path(), None).await.close().await;
    for (number, file) in (0..).zip(files(directory.path())) {
        let length = file.metadata().expect("a file").len() as usize;
        fs::write(&file, super::segment(number, length)).expect("written");
    }
    let store = Store::open(options(directory.path())).await.expect("a store");
    assert_eq!(lost(&store, 900).await, (vec![], 900));
    fill(&store, 2000..2100).await;
    assert_eq!(intact(&store, 2000..2100).await, 100);
    store.close().await;
}
