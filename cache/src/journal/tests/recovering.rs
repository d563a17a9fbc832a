//! What is recovered from a file that is not as it was written.

use proptest::prelude::*;

use super::super::header::{BLOCK, POISON_AT};
use super::super::io::Real;
use super::super::recovery::{Read, read};
use super::super::sealer::Secrecy;
use super::super::{Journal, OpenOptions, Reason, Record, Recovery, Sealer, What, frame};
use super::world::{Op, World, ops};
use super::{BOOT, open, warm};

const PLAIN: Secrecy = Secrecy { sealer: None, incarnation: 0 };

fn recover(image: &[u8]) -> Result<Read, Reason> {
    read(image, image.len() as u64, BOOT, &PLAIN)
}

/// What a run has left: the file up to a little behind its end, the world after each record and where the record ends.
struct Written {
    image: Vec<u8>,
    worlds: Vec<(World, usize)>,
    /// Where the records begin.
    start: usize,
    first_sequence: u64,
}

fn written(ops: Vec<Op>) -> Written {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = open(directory.path());
    let mut world = World::new();
    let start = journal.statistics().size as usize;
    let first_sequence = journal.next_sequence();
    let mut worlds = vec![(world.clone(), start)];
    for op in ops {
        if world.act(op, &journal) {
            journal.commit().expect("a healthy journal");
            worlds.push((world.clone(), journal.statistics().size as usize));
        }
    }
    let image = std::fs::read(directory.path().join("journal")).expect("a file");
    Written { image, worlds, start, first_sequence }
}

/// The length that the header says is not part of what is tried.
fn shortened(written: &Written) -> Vec<u8> {
    let end = written.worlds.last().map_or(0, |&(_, end)| end) + 64;
    let mut image = written.image[..end].to_vec();
    image[512..524].copy_from_slice(&super::super::header::encode_length(end as u64));
    image
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn torn_anywhere_it_is_a_prefix(ops in ops(60)) {
        let written = written(ops);
        let mut image = shortened(&written);
        let last = written.worlds.len() - 1;
        for at in (written.start..image.len()).rev() {
            image[at..].fill(0);
            let read = recover(&image).expect("what is left is whole");
            let whole = (read.state.next_sequence - written.first_sequence) as usize;
            prop_assert!(written.worlds[whole].1 <= at.max(written.start));
            prop_assert!(whole == last || written.worlds[whole + 1].1 > at);
            prop_assert_eq!(read.tail as usize, written.worlds[whole].1);
            let (world, _) = &written.worlds[whole];
            // What was packed later is known to the last world only.
            prop_assert_eq!(world.read(&read.state), world.truth());
        }
    }

    #[test]
    fn a_byte_that_changed_is_seen(ops in ops(40), flips in proptest::collection::vec(1..=255u8, 64)) {
        let written = written(ops);
        let mut image = shortened(&written);
        let (world, end) = &written.worlds[written.worlds.len() - 1];
        let truth = world.truth();
        for at in 0..image.len() {
            let flip = flips[at % flips.len()];
            // Every byte that ends a record is also changed to what it was before it was written.
            for flip in [flip, image[at]] {
                if flip == 0 {
                    continue;
                }
                image[at] ^= flip;
                match recover(&image) {
                    Err(_) => {}
                    Ok(read) if at < BLOCK || at >= *end => {
                        // Where nothing is written, or at most the beginning of a record.
                        prop_assert_eq!(world.read(&read.state), truth.clone());
                    }
                    Ok(read) => {
                        prop_assert_eq!((at, image[at]), (end - 1, 0), "a change that is not seen");
                        let whole = (read.state.next_sequence - written.first_sequence) as usize;
                        prop_assert_eq!(whole + 2, written.worlds.len());
                        let (before, _) = &written.worlds[whole];
                        prop_assert_eq!(before.read(&read.state), before.truth());
                    }
                }
                image[at] ^= flip;
            }
        }
    }
}

#[test]
fn a_file_that_was_cut_off_is_not_believed() {
    let written = written(vec![Op::Flush(0), Op::Flush(1)]);
    for length in [written.image.len() - 1, written.worlds[1].1, BLOCK, BLOCK - 1, 1, 0] {
        assert_eq!(recover(&written.image[..length]).err(), Some(Reason::Damaged));
    }
    let mut longer = written.image;
    longer.resize(longer.len() * 2, 0);
    assert!(recover(&longer).is_ok(), "it was growing when the process was killed");
}

#[test]
fn frames_that_are_missing_or_twice_are_seen() {
    let written = written(vec![Op::Flush(0), Op::Flush(0), Op::Flush(0), Op::Flush(0)]);
    let at = |record: usize| written.worlds[record].1;
    let mut missing = written.image.clone();
    missing.copy_within(at(2)..at(4), at(1));
    missing[at(3)..at(4)].fill(0);
    assert_eq!(recover(&missing).err(), Some(Reason::Damaged));
    let mut twice = written.image.clone();
    twice.copy_within(at(3)..at(4), at(4));
    assert_eq!(recover(&twice).err(), Some(Reason::Damaged));
}

#[test]
fn every_reason_for_a_cold_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    let cold = |boot, sealer| {
        let options = OpenOptions { sealer, ..OpenOptions::default() };
        let io = Box::new(Real);
        let (journal, recovery) = Journal::open_with(directory.path(), options, boot, io).expect("one");
        match recovery {
            Recovery::Cold(reason) => (reason, journal.seed(), journal.incarnation()),
            Recovery::Warm(_) => panic!("warm"),
        }
    };
    let (reason, seed, incarnation) = cold(BOOT, None);
    assert_eq!(reason, Reason::NoJournal);
    let image = std::fs::read(&path).expect("a file");
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = image.clone();
        change(&mut image);
        std::fs::write(&path, image).expect("written");
    };
    changed(&|_| {});
    let (reason, other_seed, other_incarnation) = cold([8; 16], None);
    assert_eq!(reason, Reason::OtherBoot);
    assert!(other_seed != seed && other_incarnation != incarnation);
    changed(&|image| image[0] ^= 1);
    assert_eq!(cold(BOOT, None).0, Reason::OtherFormat);
    changed(&|image| image[8] ^= 1);
    assert_eq!(cold(BOOT, None).0, Reason::OtherFormat);
    changed(&|image| image[40] ^= 1);
    assert_eq!(cold(BOOT, None).0, Reason::Damaged);
    changed(&|image| image[POISON_AT as usize] = 1);
    assert_eq!(cold(BOOT, None).0, Reason::Poisoned);
    changed(&|image| image[BLOCK..].fill(0));
    assert_eq!(cold(BOOT, None).0, Reason::Unfinished);
    changed(&|_| {});
    assert_eq!(cold(BOOT, Some(std::sync::Arc::new(Xor(1)))).0, Reason::OtherKey);
    changed(&|image| {
        let tail = frame::end_of_data(&image[..], 0, image.len() as u64).expect("readable") as usize;
        let mut chain = u32::from_le_bytes(image[tail - 5..tail - 1].try_into().expect("four bytes"));
        let mut unknown = Vec::new();
        assert!(frame::put(&mut unknown, 40, |_| ()));
        frame::stamp(&mut unknown, &mut chain);
        image[tail..tail + unknown.len()].copy_from_slice(&unknown);
    });
    assert_eq!(cold(BOOT, None).0, Reason::OtherFormat);
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir(&path).expect("a name that is free");
    let opened = Journal::open(directory.path(), OpenOptions::default());
    assert!(opened.is_err(), "no file can take its place");
    let labels: std::collections::HashSet<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
    assert_eq!(labels.len(), Reason::ALL.len());
}

/// No secret to anybody, but it shows what is sealed and by what.
#[derive(Debug)]
struct Xor(u8);

impl Sealer for Xor {
    fn seal(&self, context: &[u8], plain: &[u8], sealed: &mut Vec<u8>) {
        sealed.push(self.0);
        sealed.extend_from_slice(context);
        sealed.extend(plain.iter().map(|byte| byte ^ 0xaa));
    }

    fn open(&self, context: &[u8], sealed: &[u8], plain: &mut Vec<u8>) -> bool {
        let Some(sealed) = sealed.strip_prefix(&[self.0]).and_then(|rest| rest.strip_prefix(context)) else {
            return false;
        };
        plain.extend(sealed.iter().map(|byte| byte ^ 0xaa));
        true
    }
}

#[test]
fn sealed_names_are_not_in_the_file_and_come_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = |key| {
        let options = OpenOptions { sealer: Some(std::sync::Arc::new(Xor(key))), ..OpenOptions::default() };
        Journal::open(directory.path(), options).expect("a journal")
    };
    let journal = std::sync::Arc::new(open(1).0);
    let tell = |ordinal| {
        let what = What::Tag(&b"secret tag"[..]);
        let sequence = journal.append(&Record::Invalidated { ordinal, incarnation: Some(1), what });
        let record = Record::Control {
            incarnation: 1,
            hash: ordinal.into(),
            key: b"secret key",
            value: b"secret value",
            deadline: None,
        };
        journal.append(&record);
        journal.commit().expect("healthy");
        sequence
    };
    let sequence = tell(1);
    let compaction = journal.begin_compaction().expect("a compaction");
    compaction.invalidation(sequence, 1, Some(1), What::Tag(b"secret tag")).expect("room");
    compaction.control(1, 1, b"secret key", b"secret value", None).expect("room");
    tell(2);
    compaction.finish().expect("a snapshot");
    drop(journal);
    let image = std::fs::read(directory.path().join("journal")).expect("a file");
    assert!(!image.windows(6).any(|bytes| bytes == b"secret"));
    let state = warm(open(1).1);
    assert_eq!(state.invalidations.len(), 1);
    assert_eq!(state.invalidations[0].what, What::Tag((*b"secret tag").into()));
    assert_eq!(state.controls[&1].len(), 2);
    assert_eq!(&*state.controls[&1][&2].value, b"secret value");
    assert!(matches!(open(2).1, Recovery::Cold(Reason::OtherKey)));
}

#[test]
fn a_database_that_was_not_there_before_has_an_incarnation_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = open(directory.path());
    journal.append(&Record::Database { number: 1, incarnation: 4 });
    journal.append(&Record::Database { number: 1, incarnation: 5 });
    journal.commit().expect("healthy");
    drop(journal);
    let options = OpenOptions { databases: 6, ..OpenOptions::default() };
    for _ in 0..2 {
        let (journal, recovery) =
            Journal::open_with(directory.path(), options.clone(), BOOT, Box::new(Real)).expect("one");
        let state = warm(recovery);
        assert_eq!(state.next_sequence, journal.next_sequence());
        assert_eq!(state.roots.databases.into_values().collect::<Vec<_>>(), [0, 5, 2, 6, 7, 8]);
        assert_eq!(state.roots.next_incarnation, 9);
    }
}

#[test]
fn a_clean_stop_is_told_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = open(directory.path());
    journal.append(&Record::ColdDatabase { incarnation: 1 });
    journal.append(&Record::Closed);
    journal.commit().expect("healthy");
    drop(journal);
    let state = warm(open(directory.path()).1);
    assert!(state.is_clean && !state.starts_cold(1));
    let state = warm(open(directory.path()).1);
    assert!(!state.is_clean && state.starts_cold(1) && !state.starts_cold(0));
}
