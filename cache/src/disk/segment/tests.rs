//! Packing and parsing are each other's inverse, and no bytes bring them down.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::entry::{Entry, TAGS_MAX};
use super::packer::{Packer, stands_alone};
use super::parse::{Damaged, Segment};
use super::{CHECKSUM, HEADER, Identity, PLACE, scrutiny};
use crate::clock::Millis;

/// Fewer files than were written by hand mean that the corpus was not found.
const SEEDS: usize = 8;

/// An entry that owns its bytes.
#[derive(Clone, Debug)]
struct Owned {
    numbers: (u32, u64, u32, Option<u64>),
    frequency: u8,
    is_control: bool,
    tags: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Owned {
    fn entry(&self) -> Entry<'_> {
        let (incarnation, token, ordinal, deadline) = self.numbers;
        Entry {
            incarnation,
            token,
            ordinal,
            deadline: deadline.map(Millis),
            frequency: self.frequency,
            is_control: self.is_control,
            tags: &self.tags,
            key: &self.key,
            value: &self.value,
        }
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    let tags = prop_oneof![3 => Just(0..1), 1 => Just(1..200), 1 => Just(TAGS_MAX..TAGS_MAX + 1)];
    (
        any::<(u32, u64, u32, Option<u64>)>(),
        any::<(u8, bool)>(),
        tags.prop_flat_map(|len| proptest::collection::vec(any::<u8>(), len)),
        proptest::collection::vec(any::<u8>(), 0..300),
        proptest::collection::vec(any::<u8>(), 0..3000),
    )
        .prop_map(|(numbers, (frequency, is_control), tags, key, value)| Owned {
            numbers,
            frequency,
            is_control,
            tags,
            key,
            value,
        })
}

fn plain<'a>(key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
    Entry {
        incarnation: 7,
        token: 1 << 40,
        ordinal: 3,
        deadline: None,
        frequency: 1,
        is_control: false,
        tags: &[],
        key,
        value,
    }
}

fn identity(number: u64) -> Identity {
    Identity { incarnation: 77, number }
}

/// A segment with a little of everything.
fn mixed() -> Bytes {
    let mut packer = Packer::new(4096);
    let tagged = Entry { tags: b"\x01red\x02blue", deadline: Some(Millis(99_000)), ..plain(b"tagged", b"1") };
    let later = Entry { token: (1 << 40) + 70_000, incarnation: 9, ordinal: 1000, ..plain(b"later", b"") };
    let control = Entry { is_control: true, frequency: 3, deadline: Some(Millis(5)), ..plain(b"", b"12") };
    for entry in [plain(b"plain", &[b'x'; 200]), tagged, later, control] {
        packer.push(&entry).expect("there is room");
    }
    packer.seal(identity(0x0102_0304_0506))
}

proptest! {
    #[test]
    fn what_was_packed_is_what_is_read(entries in proptest::collection::vec(owned(), 0..40), capacity in 64..20_000usize) {
        let mut packer = Packer::new(capacity);
        let mut taken = Vec::new();
        for owned in &entries {
            let Some(place) = packer.push(&owned.entry()) else { continue };
            prop_assert_eq!(usize::from(place), taken.len());
            taken.push(owned.entry());
            prop_assert_eq!(packer.get(place), Some(owned.entry()));
            prop_assert!(packer.bytes() <= capacity);
        }
        prop_assert_eq!(packer.len(), taken.len());
        let sealed = packer.seal(identity(5));
        prop_assert!(sealed.len() <= capacity.max(HEADER));
        let segment = Segment::parse(sealed, 5).expect("what was sealed can be parsed");
        prop_assert_eq!(segment.entries().collect::<Vec<_>>(), taken);
    }

    #[test]
    fn an_entry_alone_has_all_the_room_it_needs(owned in owned()) {
        let packer = Packer::alone(&owned.entry());
        prop_assert_eq!(packer.get(0), Some(owned.entry()));
        let segment = Segment::parse(packer.seal(identity(1)), 1).expect("what was sealed can be parsed");
        prop_assert_eq!(segment.value(0).expect("one entry"), &owned.value);
    }

    #[test]
    fn noise_is_no_segment(mut noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        scrutiny::run(&noise);
        // Past the header, where a guess would not get.
        let mixed = mixed();
        let kept = HEADER.min(noise.len());
        noise[..kept].copy_from_slice(&mixed[..kept]);
        scrutiny::run(&noise);
    }
}

#[test]
fn no_flipped_bit_and_no_cut_brings_it_down() {
    let whole = mixed();
    scrutiny::run(&whole);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << bit;
            scrutiny::run(&flipped);
        }
        scrutiny::run(&whole[..at]);
        let cut = Segment::parse(whole.slice(..at), 0x0102_0304_0506);
        assert!(cut.is_err(), "the first {at} bytes are no whole segment");
    }
}

#[test]
fn damage_has_a_name() {
    let whole = mixed();
    let parse = |at: usize, byte: u8| {
        let mut bytes = whole.to_vec();
        bytes[at] = byte;
        Segment::parse(bytes.into(), 0x0102_0304_0506).map(|segment| segment.count())
    };
    assert_eq!(parse(0, b'L'), Ok(4));
    assert_eq!(parse(0, b'l'), Err(Damaged::Magic));
    assert_eq!(parse(4, 1), Err(Damaged::Version));
    assert_eq!(parse(5, 1), Err(Damaged::Version));
    assert_eq!(parse(6, 3), Err(Damaged::Directory));
    assert_eq!(parse(8, 0), Err(Damaged::Number));
    assert_eq!(parse(HEADER + CHECKSUM, 0xf0), Err(Damaged::Entry));
    assert_eq!(parse(whole.len() - 1, 0xf0), Err(Damaged::Directory));
}

#[test]
fn an_entry_costs_sixteen_bytes_beside_its_own() {
    // Keys and values of usual lengths, tokens and ordinals that move on a little with each.
    let mut packer = Packer::new(16 << 10);
    let mut entries = 0;
    while packer
        .push(&Entry { token: 5_000_000 + entries * 40, ordinal: 900, ..plain(&[b'k'; 16], &[b'v'; 100]) })
        .is_some()
    {
        entries += 1;
    }
    let beside = (packer.bytes() - HEADER) as f64 / entries as f64 - 116.0;
    assert!(beside < 16.0, "{beside:.2} bytes beside key and value, {PLACE} of them in the directory");
    assert!(entries >= 122, "{entries} entries in 16 KiB");
}

#[test]
fn what_would_fill_half_a_segment_stands_alone() {
    let capacity = 16 << 10;
    let value = vec![0; capacity];
    let (mut least, mut most) = (0, capacity);
    while least < most {
        let middle = (least + most) / 2;
        if stands_alone(&plain(b"key", &value[..middle]), capacity) {
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    let longest = plain(b"key", &value[..least - 1]);
    let mut packer = Packer::new(capacity);
    assert!(packer.push(&longest).is_some() && packer.push(&longest).is_some(), "two of the longest fit");
    assert!(packer.bytes() > capacity - 16, "and leave next to nothing");
}

#[test]
fn the_corpus_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/segment");
    let files: Vec<_> = std::fs::read_dir(&directory)
        .expect("a corpus")
        .map(|entry| entry.expect("a readable corpus").path())
        .collect();
    assert!(files.len() >= SEEDS, "{} inputs in {}", files.len(), directory.display());
    let mut parsed = 0;
    for file in files {
        let data = std::fs::read(&file).expect("a readable input");
        assert!(std::panic::catch_unwind(|| scrutiny::run(&data)).is_ok(), "{}", file.display());
        let number = data.get(8..16).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("eight")));
        parsed += usize::from(Segment::parse(data.into(), number).is_ok());
    }
    assert!(parsed >= SEEDS / 2, "only {parsed} of them are segments");
}
