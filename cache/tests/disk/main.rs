//! The disk tier through the door: what leaves memory is read back, a start finds it again, and nothing that was changed
//! comes back.

mod governors;
mod model;
mod policies;
mod subject;
mod warmth;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use larder_cache::clock::{Millis, now};
use larder_cache::{Deadline, Purge, Tags};

use subject::Subject;

/// Keys from this number on are appended to, and carry no tags.
const CONTROLS_FROM: u64 = 20_000;

fn value_of(number: u64, version: u64) -> Vec<u8> {
    let mut value = format!("{number}:{version}:").into_bytes();
    let length = match number % 50 {
        0 => 20_000,
        1..5 => 3_000,
        _ => 100 + number as usize % 700,
    };
    value.resize(length, b'a' + (number % 26) as u8);
    value
}

/// On one thread the task that tends is stopped exactly where it waits for the device.
#[tokio::test]
async fn a_stop_amid_writes_loses_nothing() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (subject, _) = Subject::open(directory.path(), 1).await;
    let figures = || subject.cache.disk_figures().expect("a disk");
    let mut number = 0;
    while figures().bytes_written == 0 || figures().flush_queue_segments < 4 {
        let name = format!("key:{number}");
        subject.set(name.as_bytes(), &value_of(number, 0), Deadline::None, &Tags::default()).await;
        number += 1;
    }
    subject.tending.abort();
    let entries = subject.cache.figures().entries;
    let sealed = subject.cache.seal(true, Duration::from_secs(10)).await;
    assert!(sealed.is_complete, "{sealed:?} {:?}", figures());
    assert_eq!(figures().flush_queue_segments, 0);
    drop(subject);
    let (_subject, warmth) = Subject::open(directory.path(), 1).await;
    assert_eq!((warmth.entries, warmth.was_clean), (entries, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_times_memory_is_read_back_and_found_again() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (subject, warmth) = Subject::open(directory.path(), 1).await;
    assert!(warmth.cold.is_some());
    let count = 25_000;
    for number in 0..count {
        subject
            .set(format!("key:{number}").as_bytes(), &value_of(number, 0), Deadline::None, &Tags::default())
            .await;
    }
    let mut missed = 0;
    for number in 0..count {
        match subject.get(format!("key:{number}").as_bytes()).await {
            Some(value) => assert_eq!(value, value_of(number, 0), "{number}"),
            None => missed += 1,
        }
    }
    let busy = subject.cache.stats().refused_busy;
    assert_eq!(missed, busy);
    let names: BTreeSet<_> = subject.names(10).await.into_iter().collect();
    assert_eq!(names.len() as u64, count - missed);
    subject.stop().await;
    let (subject, warmth) = Subject::open(directory.path(), 1).await;
    assert_eq!(warmth.cold, None);
    let mut found = 0;
    for number in 0..count {
        let value = subject.get(format!("key:{number}").as_bytes()).await;
        found += u64::from(value == Some(value_of(number, 0)));
    }
    assert_eq!(found, count - missed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_does_not_come_back() {
    for shards in [1, 4] {
        changes(shards, 0x9E37_79B9_7F4A_7C15).await;
    }
}

async fn changes(shards: usize, seed: u64) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut state = seed;
    let mut below = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % bound
    };
    // The value that may be found, if any, and whether it carries a tag: all others are gone for good.
    let mut truth: BTreeMap<u64, (Vec<u8>, bool)> = BTreeMap::new();
    let mut version = 0;
    // Hits, those from disk, promotions, and entries and controls that were found after kills.
    let mut seen = (0, 0, 0, 0, 0);
    for cycle in 0..12 {
        let (subject, warmth) = Subject::open(directory.path(), shards).await;
        if cycle > 0 {
            assert_eq!(warmth.cold, None, "cycle {cycle}");
        }
        let mut hits = 0;
        for _ in 0..30_000 {
            let number = below(30_000) % (CONTROLS_FROM + 5000);
            let is_control = number >= CONTROLS_FROM;
            let name = format!("{}:{number}", number % 8);
            let name = name.as_bytes();
            match below(100) {
                0..45 => {
                    if let Some(value) = subject.get(name).await {
                        hits += 1;
                        assert_eq!(
                            Some(&value),
                            truth.get(&number).map(|(value, _)| value),
                            "cycle {cycle}, {number}"
                        );
                    }
                }
                45..80 => {
                    version += 1;
                    let mut tags = Tags::default();
                    if !is_control {
                        tags.add(format!("tag{}", number % 40).as_bytes()).expect("a tag");
                    }
                    subject.set(name, &value_of(number, version), Deadline::None, &tags).await;
                    truth.insert(number, (value_of(number, version), !is_control));
                }
                80..90 => {
                    let there = subject.with(name, true, |section, key| section.remove(key)).await;
                    assert!(!there || truth.contains_key(&number));
                    truth.remove(&number);
                }
                90 => {
                    let at = Millis(now().0 + 1);
                    subject.with(name, true, |section, key| section.set_deadline(key, Some(at))).await;
                    truth.remove(&number);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                91..97 => {
                    // One that carries tags would make its whole database start cold after a kill.
                    let number = number % 5000 + CONTROLS_FROM;
                    // So would one that is too long for the journal.
                    let number = if number.is_multiple_of(50) { number + 1 } else { number };
                    let name = format!("{}:{number}", number % 8);
                    let name = name.as_bytes();
                    let made = subject
                        .with(name, true, |section, key| {
                            section.governs(true);
                            let mut made = Vec::new();
                            section
                                .edit(key, 40_000, |value| {
                                    value.extend_from_slice(b"!");
                                    made = value.to_vec();
                                })
                                .expect("room");
                            made
                        })
                        .await;
                    let tagged = made.len() > 1 && truth.get(&number).is_some_and(|(_, tagged)| *tagged);
                    truth.insert(number, (made, tagged));
                }
                97 if below(20) == 0 => {
                    let mut section = subject.cache.section_over_all(now());
                    let tag = below(40);
                    section.purge(0, Purge::Tag(format!("tag{tag}").as_bytes()));
                    drop(section);
                    subject.cache.commit().expect("a journal");
                    truth.retain(|number, (_, tagged)| !*tagged || number % 40 != tag);
                }
                98 if below(200) == 0 => {
                    let mut section = subject.cache.section_over_all(now());
                    let prefix = below(8);
                    section.purge(0, Purge::Prefix(format!("{prefix}:").as_bytes()));
                    drop(section);
                    subject.cache.commit().expect("a journal");
                    truth.retain(|number, _| number % 8 != prefix);
                }
                99 if below(1000) == 0 => {
                    subject.cache.section_over_all(now()).flush(0);
                    subject.cache.commit().expect("a journal");
                    truth.clear();
                }
                _ => {}
            }
        }
        let stats = subject.cache.stats();
        seen.0 += hits;
        seen.1 += stats.disk_hits;
        seen.2 += stats.promotions;
        if !warmth.was_clean {
            seen.3 += warmth.entries;
            seen.4 += warmth.controls;
        }
        if cycle % 2 == 0 {
            subject.kill();
        } else {
            subject.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (hits, from_disk, promoted, entries, controls) = seen;
    let enough = hits > 20_000 && from_disk > 1000 && promoted > 100 && entries > 500 && controls > 500;
    assert!(enough, "{seen:?}: too little of what is to be tested happened");
}
