//! Each fault fires, is seen, and is counted.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use larder_tests::faults::{Errno, Fault, FaultyDisk, Op};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::{MIB, bits_apart, done, pattern, put, refused};

/// A disk and a file in it that holds `bytes`.
fn with_file(bytes: &[u8]) -> Option<(FaultyDisk, PathBuf)> {
    let disk = FaultyDisk::mount()?;
    put(&disk.beneath().join("file.seg"), bytes);
    let path = disk.path().join("file.seg");
    Some((disk, path))
}

fn of(path: &Path) -> String {
    format!("of={}", path.display())
}

#[test]
fn reads_fail() {
    let Some((disk, path)) = with_file(&pattern(10_000)) else { return };
    put(&disk.beneath().join("other"), b"whole");
    let fault = disk.inject(Fault::fail(&[Op::Read], Errno::IO).on_ending(".seg").times(1));
    assert_eq!(done("cat", &[&disk.path().join("other")]), b"whole");
    assert_eq!(fault.fired(), 0);
    refused("Input/output error", "cat", &[&path]);
    assert_eq!(fault.fired(), 1);
    assert_eq!(done("cat", &[&path]), pattern(10_000));
    assert_eq!(fault.fired(), 1);
}

#[test]
fn reads_are_short() {
    let Some((disk, path)) = with_file(&pattern(10_000)) else { return };
    let fault = disk.inject(Fault::short_read().times(2));
    let mut file = File::open(&path).expect("it can be opened");
    let mut buffer = [0; 10_000];
    assert_eq!(file.read(&mut buffer).expect("it can be read"), 5_000);
    assert_eq!(file.read(&mut buffer).expect("it can be read"), 2_500);
    assert_eq!(file.read(&mut buffer).expect("it can be read"), 2_500);
    assert_eq!(fault.fired(), 2);
    // A program that goes on until the end sees nothing of it; at the end there is nothing to be short of.
    let fault = disk.inject(Fault::short_read());
    assert_eq!(done("cat", &[&path]), pattern(10_000));
    // With 10,000, 5,000, ..., 5, 3 and 2 bytes to go; the last reads, of one byte and of none, are as they should be.
    assert_eq!(fault.fired(), 14);
}

#[test]
fn writes_and_reservations_fail() {
    let Some((disk, path)) = with_file(b"") else { return };
    for (errno, why) in [(Errno::IO, "Input/output error"), (Errno::NOSPC, "No space left on device")] {
        let fault = disk.inject(Fault::fail(&[Op::Write, Op::Allocate], errno));
        refused(why, "dd", &[&"if=/dev/zero", &of(&path), &"bs=4k", &"count=1"]);
        refused(why, "fallocate", &[&"-l", &"1M", &path]);
        assert!(fault.fired() >= 2, "{}", fault.fired());
        fault.clear();
        assert_eq!(fs::metadata(&path).expect("it has attributes").len(), 0);
    }
    done("fallocate", &[&"-l", &"1M", &path]);
}

#[test]
fn the_nth_write_is_torn() {
    let Some((disk, path)) = with_file(b"") else { return };
    let fault = disk.inject(Fault::torn_write(Errno::IO).after(2).times(1));
    refused("Input/output error", "dd", &[&"if=/dev/zero", &of(&path), &"bs=8k", &"count=5"]);
    assert_eq!(fault.fired(), 1);
    assert_eq!(fs::metadata(&path).expect("it has attributes").len(), 2 * 8192 + 4096);
}

#[test]
fn writes_are_short() {
    let Some((disk, path)) = with_file(b"") else { return };
    let fault = disk.inject(Fault::short_write().times(1));
    let mut file = OpenOptions::new().write(true).open(&path).expect("it can be opened");
    assert_eq!(file.write(&pattern(1_000)).expect("it can be written"), 500);
    assert_eq!(fault.fired(), 1);
    assert_eq!(fs::read(&path).expect("it can be read"), pattern(1_000)[..500]);
}

#[test]
fn bits_flip_when_read() {
    let bytes = pattern(100_000);
    let Some((disk, path)) = with_file(&bytes) else { return };
    let fault = disk.inject(Fault::flip_read().times(1));
    assert_eq!(bits_apart(&done("cat", &[&path]), &bytes), 1);
    assert_eq!(fault.fired(), 1);
    assert_eq!(done("cat", &[&path]), bytes, "the file itself is whole");
}

#[test]
fn bits_flip_when_written() {
    let Some((disk, path)) = with_file(b"") else { return };
    let bytes = pattern(100_000);
    put(&disk.beneath().join("source"), &bytes);
    let fault = disk.inject(Fault::flip_write().on("file").times(1));
    done("dd", &[&format!("if={}", disk.beneath().join("source").display()), &of(&path), &"bs=100000"]);
    assert_eq!(fault.fired(), 1);
    assert_eq!(bits_apart(&fs::read(disk.beneath().join("file.seg")).expect("it lies beneath"), &bytes), 1);
}

#[test]
fn unlinks_renames_opens_cuts_and_syncs_are_refused() {
    let Some((disk, path)) = with_file(b"stays") else { return };
    let to = disk.path().join("renamed");
    let size = || fs::metadata(&path).map(|metadata| metadata.len()).ok();
    // In an order in which each finds the file as it was.
    let refusals: [(Op, &str, &[&dyn AsRef<OsStr>]); 5] = [
        (Op::Open, "cat", &[&path]),
        (Op::Sync, "sync", &[&path]),
        (Op::Truncate, "truncate", &[&"-s1", &path]),
        (Op::Rename, "mv", &[&path, &to]),
        (Op::Unlink, "rm", &[&path]),
    ];
    for (op, program, words) in refusals {
        let fault = disk.inject(Fault::fail(&[op], Errno::IO).on("file.seg"));
        refused("Input/output error", program, words);
        assert_eq!((fault.fired(), size()), (1, Some(5)), "{op:?}");
        fault.clear();
    }
    refusals[..3].iter().for_each(|(_, program, words)| drop(done(program, words)));
    assert_eq!(size(), Some(1));
    done("mv", &[&path, &to]);
    done("rm", &[&to]);
}

#[test]
fn a_file_is_cut_behind_its_users_back() {
    let Some((disk, path)) = with_file(&pattern(8_192)) else { return };
    let file = File::open(&path).expect("it can be opened");
    let fault = disk.inject(Fault::cut(&[Op::Read], 1_000).after(1).times(1));
    let mut buffer = [0; 4_096];
    let mut read = |at| file.read_at(&mut buffer, at).expect("it can be read");
    assert_eq!((read(0), fault.fired()), (4_096, 0));
    assert_eq!((read(0), fault.fired()), (1_000, 1));
    assert_eq!((read(4_096), fault.fired()), (0, 1));
    assert_eq!(file.metadata().expect("it has attributes").len(), 1_000);

    // And by the test itself, without a fault.
    let beneath = OpenOptions::new().write(true).open(disk.beneath().join("file.seg"));
    beneath.and_then(|file| file.set_len(10)).expect("it can be cut");
    assert_eq!(file.metadata().expect("it has attributes").len(), 10);
    assert_eq!(read(0), 10);
}

#[test]
fn the_disk_is_full_from_a_byte_on() {
    let Some((disk, path)) = with_file(b"") else { return };
    let reserved = disk.path().join("reserved");
    done("fallocate", &[&"-l", &"1M", &reserved]);
    let fault = disk.inject(Fault::full(3 * MIB as u64));
    refused("No space left on device", "dd", &[&"if=/dev/zero", &of(&path), &"bs=300k", &"count=20"]);
    assert_eq!(
        fs::metadata(&path).expect("it has attributes").len(),
        2 * MIB as u64,
        "as far as there was room"
    );
    let fired = fault.fired();
    assert!(fired >= 2, "once short, once refused: {fired}");
    let room = statvfs(disk.path()).expect("it tells of its room");
    assert_eq!((room.f_blocks * room.f_frsize, room.f_bavail), (3 * MIB as u64, 0));

    // What is reserved can be overwritten, and no more be reserved.
    let file = OpenOptions::new().write(true).open(&reserved).expect("it can be opened");
    file.write_all_at(&pattern(MIB), 0).expect("there was room before");
    assert_eq!(fault.fired(), fired);
    assert_eq!(fallocate(&file, FallocateFlags::empty(), 0, 2 * MIB as u64), Err(Errno::NOSPC));
    assert_eq!(fault.fired(), fired + 1);
    // What is removed is room again.
    fs::remove_file(&path).expect("it can be removed");
    fallocate(&file, FallocateFlags::empty(), 0, 2 * MIB as u64).expect("there is room");
    let blocks = file.metadata().expect("it has attributes").blocks();
    assert!(blocks * 512 >= 2 * MIB as u64, "{blocks}");
}

#[test]
fn chance_chooses_the_same_calls_for_the_same_seed() {
    let Some((disk, path)) = with_file(&pattern(4_096)) else { return };
    let file = File::open(&path).expect("it can be opened");
    let failing = |seed| {
        let fault = disk.inject(Fault::fail(&[Op::Read], Errno::IO).chance(0.2, seed));
        let failed: Vec<bool> = (0..500).map(|_| file.read_at(&mut [0; 16], 0).is_err()).collect();
        assert_eq!(fault.fired(), failed.iter().filter(|failed| **failed).count() as u64);
        fault.clear();
        failed
    };
    let first = failing(7);
    let count = first.iter().filter(|failed| **failed).count();
    assert!((60..140).contains(&count), "{count}");
    assert_eq!(first, failing(7));
    assert_ne!(first, failing(8));
    disk.inject(Fault::fail(&[Op::Read], Errno::IO));
    disk.heal();
    assert_eq!(file.read_at(&mut [0; 16], 0).expect("all is well again"), 16);
}
