//! Segments in real files: back after a close and after a kill, never wrong, gone in order.

mod damage;
mod faults;

mod restart;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::shape::{ENVELOPE, PACKED_SEALED, PACKED_SEALED_STORED, PAGE};
use super::spans::Got;
use super::{Keys, OpenError, Refused, Store, StoreOptions};

use crate::disk::segment::Identity;
use crate::disk::segment::entry::Entry;
use crate::disk::segment::packer::Packer;
use crate::disk::segment::parse::entry_of;
use crate::layout::Span;

const MIB: u64 = 1 << 20;
/// Many segments of this length fit these small directories.
const PACKED: usize = PACKED_SEALED_STORED - ENVELOPE;

fn packed(store: &Store) -> usize {
    store.packed().min(PACKED)
}

/// A directory on a disk: what the system has for temporary files may be in memory.
fn directory() -> TempDir {
    let tests = std::env::current_exe().expect("a test's own path");
    tempfile::tempdir_in(tests.parent().expect("it lies in a directory")).expect("a directory")
}

fn options(directory: &Path) -> StoreOptions {
    StoreOptions {
        directory: directory.to_owned(),
        bytes: 16 * MIB,
        memory: 256 << 20,
        incarnation: 0xfeed_0000_0000_0001,
        wipe: false,
        counts: None,
        keys: None,
        reclaimed: Box::new(|_| {}),
    }
}

/// Reads something else for each number and length.
fn segment(number: u64, length: usize) -> Bytes {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = vec![0; length.next_multiple_of(8)];
    for word in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

async fn write(store: &Store, number: u64, bytes: Bytes) {
    if store.write(number, bytes.clone()) == Err(Refused::Busy) {
        store.settle().await;
        store.write(number, bytes).expect("there is room again");
    }
}

/// Writes packed segments and waits for them.
async fn fill(store: &Store, numbers: std::ops::Range<u64>) {
    for number in numbers {
        write(store, number, segment(number, packed(store))).await;
    }
    store.settle().await;
}

/// How many of these segments are there; all others are gone, none is wrong.
async fn intact(store: &Store, numbers: std::ops::Range<u64>) -> usize {
    let mut found = 0;
    for number in numbers {
        if let Ok(Some(bytes)) = store.read(number).await {
            assert_eq!(bytes, segment(number, packed(store)), "segment {number} is not what was written");
            found += 1;
        }
    }
    found
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn keys(text: &str) -> Option<Arc<Keys>> {
    Some(Arc::new(Keys::parse(text).expect("keys")))
}

const FIRST: &str = "1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SECOND: &str = "2:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[tokio::test]
async fn ten_thousand_segments_come_back() {
    let directory = directory();
    let options = StoreOptions { bytes: 256 * MIB, ..options(directory.path()) };
    let store = Store::open(options).await.expect("a store");
    fill(&store, 0..10_000).await;
    assert!((0..10_000).all(|number| store.holds(number)));
    assert_eq!(intact(&store, 0..10_000).await, 10_000);
    assert_eq!(store.read(10_000).await, Ok(None));
    let figures = store.figures();
    assert_eq!((figures.writes_failed, figures.reads_failed, figures.reclaimed), (0, [0; 4], 0));
    store.close().await;
}

#[tokio::test]
async fn a_packed_segment_takes_whole_pages_to_the_byte() {
    for keys in [None, keys(FIRST)] {
        let directory = directory();
        let is_sealed = keys.is_some();
        let store = Store::open(StoreOptions { keys, ..options(directory.path()) }).await.expect("a store");
        let packed = store.packed();
        let stored = if is_sealed { PACKED_SEALED_STORED } else { store.shape().packed_stored() };
        assert_eq!(store.footprint(packed), stored);
        assert_eq!(store.footprint(packed + 1), stored + PAGE);
        let mut written = store.figures().bytes_written;
        for (number, length, expected) in [(1, packed, stored), (2, packed + 1, stored + PAGE)] {
            write(&store, number, segment(number, length)).await;
            store.settle().await;
            let now = store.figures().bytes_written;
            // The page that says where segments are is written each time.
            assert_eq!(now - written, (expected + PAGE) as u64, "of {length} bytes");
            written = now;
            let read = store.figures().bytes_read;
            assert_eq!(store.read(number).await, Ok(Some(segment(number, length))));
            assert_eq!(store.figures().bytes_read - read, expected as u64);
        }
        store.close().await;
    }
}

#[tokio::test]
async fn files_are_reserved_in_full() {
    use std::os::unix::fs::MetadataExt;
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    let files = files(directory.path());
    assert_eq!(files.len(), store.shape().blocks);
    for (block, file) in files.iter().enumerate() {
        assert_eq!(*file, super::files::path(directory.path(), block), "foyer has other names for its files");
        let metadata = file.metadata().expect("a file");
        assert_eq!(metadata.len(), store.shape().block as u64);
        assert!(metadata.blocks() * 512 >= metadata.len(), "{} has holes", file.display());
    }
    store.close().await;
}

#[tokio::test]
async fn long_segments_are_taken_up_to_the_longest() {
    let directory = directory();
    let store =
        Store::open(StoreOptions { keys: keys(FIRST), ..options(directory.path()) }).await.expect("a store");
    let longest = store.largest();
    assert!(longest > 500 << 10, "{longest}");
    assert_eq!(store.write(1, segment(1, longest + 1)), Err(Refused::TooLong));
    for (number, length) in (2..).zip([0, 1, 5000, 100_000, longest]) {
        write(&store, number, segment(number, length)).await;
        store.settle().await;
        assert!(store.holds(number), "of {length} bytes");
        assert_eq!(store.read(number).await, Ok(Some(segment(number, length))));
    }
    store.close().await;
}

#[tokio::test]
async fn who_writes_too_much_is_refused_and_nothing_is_dropped() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    let mut taken = Vec::new();
    let mut refused = 0;
    for number in 0..700 {
        match store.write(number, segment(number, packed(&store))) {
            Ok(()) => taken.push(number),
            Err(error) => {
                assert_eq!(error, Refused::Busy);
                refused += 1;
            }
        }
    }
    // What is under way can be read, and is not yet on disk.
    let last = *taken.last().expect("some were taken");
    assert_eq!(store.read(last).await, Ok(Some(segment(last, packed(&store)))));
    store.settle().await;
    assert!(refused > 0 && taken.len() >= 30, "{} of them were taken", taken.len());
    assert!(taken.iter().all(|number| store.holds(*number)));
    assert_eq!(store.figures().writes_failed, 0);
    store.close().await;
}

#[tokio::test]
async fn the_oldest_make_room_and_are_named() {
    let directory = directory();
    let named = Arc::new(Mutex::new(Vec::new()));
    let hears = named.clone();
    let reclaimed = Box::new(move |number| hears.lock().push(number));
    let store = Store::open(StoreOptions { reclaimed, ..options(directory.path()) }).await.expect("a store");
    fill(&store, 0..3000).await;
    let named = std::mem::take(&mut *named.lock());
    let kept = intact(&store, 0..3000).await;
    assert!(kept >= 800, "only {kept} are left of what 16 MiB hold");
    let oldest = 3000 - kept as u64;
    assert!((0..oldest).all(|number| !store.holds(number)), "what was written first goes first");
    assert!((oldest..3000).all(|number| store.holds(number)));
    assert_eq!(named, (0..oldest).collect::<Vec<_>>(), "and each is named, in order");
    assert_eq!(store.figures().reclaimed, oldest);
    store.close().await;
}

#[tokio::test]
async fn what_is_removed_is_gone() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..20).await;
    for number in (0..20).step_by(2) {
        store.remove(number);
        assert!(!store.holds(number));
        assert_eq!(store.read(number).await, Ok(None));
    }
    store.settle().await;
    assert_eq!(intact(&store, 0..20).await, 10);
    store.close().await;
}

#[tokio::test]
async fn many_readers_of_a_segment_are_one_read() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..1).await;
    let before = store.figures().bytes_read;
    store.places.forget(0);
    let mut readers: Vec<_> = (0..50).map(|_| Box::pin(store.read(0))).collect();
    let mut context = Context::from_waker(Waker::noop());
    readers.retain_mut(|reader| reader.as_mut().poll(&mut context).is_pending());
    assert!(readers.len() >= 48, "they wait for the one who reads");
    for reader in readers {
        assert_eq!(reader.await, Ok(Some(segment(0, PACKED))));
    }
    // One who came after another's read had ended may have read again.
    assert!(store.figures().bytes_read - before <= 2 * PACKED_SEALED_STORED as u64);
    store.close().await;
}

#[tokio::test]
async fn what_is_in_the_page_cache_is_read_at_once() {
    let directory = directory();
    // The second time, everything is there already.
    for is_filled in [false, true] {
        let store = Store::open(StoreOptions { keys: keys(FIRST), ..options(directory.path()) });
        let store = store.await.expect("a store");
        if !is_filled {
            fill(&store, 0..500).await;
        }
        for round in 0..2 {
            for number in 0..500 {
                assert_eq!(
                    store.read(number).await,
                    Ok(Some(segment(number, packed(&store)))),
                    "round {round}"
                );
                let at_once = store.read_at_once(number);
                assert_eq!(at_once, Some(segment(number, packed(&store))), "foyer has another format");
            }
        }
        if is_filled {
            store.remove(3);
            assert_eq!(store.read_at_once(3), None);
        }
        store.close().await;
    }
}

#[tokio::test]
async fn an_entry_is_read_by_itself_and_proves_what_it_is() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    let entry = |key| Entry {
        incarnation: 1,
        token: 2,
        ordinal: 3,
        deadline: None,
        frequency: 0,
        is_control: false,
        tags: &[],
        key,
        value: &[7; 5000],
    };
    let mut layouts = Vec::new();
    for number in 0..40 {
        let mut packer = Packer::new(store.packed());
        for key in [b"one", b"two"] {
            packer.push(&entry(key)).expect("room");
        }
        layouts.push(packer.layout().expect("there are two"));
        let incarnation = options(directory.path()).incarnation;
        write(&store, number, packer.seal(Identity { incarnation, number })).await;
    }
    store.settle().await;
    for file in files(directory.path()) {
        let file = std::fs::File::open(file).expect("a file");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("pages are let go");
    }
    let before = store.figures().bytes_read;
    let spans: Vec<_> =
        (0..).zip(&layouts).map(|(n, layout)| (n, layout.span(1).expect("a place"))).collect();
    let until = Instant::now() + Duration::from_secs(10);
    let read = store.read_spans(spans.clone(), until).await;
    for (((number, span), got), layout) in spans.iter().zip(read).zip(&layouts) {
        let Got::Bytes(bytes) = got else { panic!("segment {number}: {got:?}") };
        assert_eq!(entry_of(&bytes, layout), Some(entry(b"two")));
        assert_eq!(store.read_span_at_once(*number, *span), Some(bytes), "it is cached now");
    }
    assert!(store.figures().bytes_read - before <= 2 * 40 * 3 * PAGE as u64, "not more than its pages");
    // What lies elsewhere is none, whichever checksum it has.
    let span = layouts[0].span(0).expect("a place");
    let shifted = Span { from: span.from + 4, ..span };
    assert_eq!(store.read_span_at_once(3, shifted), None);
    assert_eq!(store.read_spans(vec![(3, shifted), (77, span)], until).await, [Got::Nothing, Got::Nothing]);
    store.close().await;
}

#[tokio::test]
async fn pages_that_were_written_leave_the_page_cache() {
    let directory = directory();
    let store = Store::open(options(directory.path())).await.expect("a store");
    fill(&store, 0..900).await;
    // The last of them are still being pushed.
    let pushing = store.pushing.lock().take();
    if let Some(pushing) = pushing {
        pushing.await.expect("it is pushed").expect("the disk is well");
    }
    let mut cached = 0;
    let mut byte = [0];
    for file in files(directory.path()) {
        let file = std::fs::File::open(file).expect("a file");
        // To ask for a page has the kernel read it, and else those behind it, which are asked for next.
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).expect("advice is taken");
        for page in (0..store.shape().block as u64).step_by(PAGE) {
            let buffers = &mut [rustix::io::IoSliceMut::new(&mut byte)];
            let flags = rustix::io::ReadWriteFlags::NOWAIT;
            cached += usize::from(rustix::io::preadv2(&file, buffers, page, flags).is_ok());
        }
    }
    let limit = (super::UNPUSHED_MAX as usize + store.shape().buffer) / PAGE;
    assert!(cached <= limit + store.shape().block / PAGE, "{cached} pages of 4,096 are cached");
    store.close().await;
}

#[tokio::test]
async fn memory_is_no_disk() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else { return };
    let refused = Store::open(options(directory.path())).await;
    assert!(matches!(refused, Err(OpenError::Tmpfs)), "{refused:?}");
    assert!(files(directory.path()).is_empty(), "something was left behind");
}
