//! Without faults it is a disk like others.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use larder_tests::faults::{Errno, FaultyDisk};
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, statfs, statvfs};

use crate::{done, pattern, refused};

#[test]
fn bytes_lengths_names_and_times_pass_through() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let path = disk.path().join("dir/file");
    fs::create_dir(disk.path().join("dir")).expect("a directory can be made");
    let bytes = pattern(3_000_000);
    fs::write(&path, &bytes).expect("it can be written");
    assert_eq!(fs::read(disk.beneath().join("dir/file")).expect("it lies beneath"), bytes);
    assert!(fs::read(&path).expect("it can be read") == bytes);

    // Appended, cut, sought, overwritten.
    let mut file = OpenOptions::new().append(true).open(&path).expect("it can be opened");
    file.write_all(b"end").expect("it can be appended to");
    assert_eq!(file.metadata().expect("it has attributes").len(), 3_000_003);
    let mut file = OpenOptions::new().read(true).write(true).open(&path).expect("it can be opened");
    file.set_len(10).expect("it can be cut");
    file.write_all_at(b"XY", 4).expect("it can be overwritten");
    assert_eq!(file.seek(SeekFrom::End(0)).expect("it can be sought"), 10);
    file.sync_all().and_then(|()| file.sync_data()).expect("it can be synced");
    File::open(disk.path()).and_then(|root| root.sync_all()).expect("a directory can be synced");
    let expected = [&bytes[..4], b"XY", &bytes[6..10]].concat();
    assert_eq!(fs::read(&path).expect("it can be read"), expected);

    // Renamed over another, and unlinked while it is open.
    let other = disk.path().join("other");
    fs::write(&other, "gone").expect("it can be written");
    let old = File::open(&other).expect("it can be opened");
    fs::rename(&path, &other).expect("it can be renamed");
    assert_eq!(fs::read(&other).expect("it can be read"), expected);
    let mut gone = [0; 4];
    old.read_exact_at(&mut gone, 0).expect("what is open stays");
    assert_eq!(&gone, b"gone");
    fs::remove_file(&other).expect("it can be unlinked");
    assert_eq!(file.metadata().expect("what is open has attributes").len(), 10);
    file.set_len(5).expect("what is open can be cut");
    assert_eq!(fs::metadata(&other).expect_err("it is unlinked").kind(), std::io::ErrorKind::NotFound);
    fs::remove_dir(disk.path().join("dir")).expect("an empty directory can be removed");

    let stamped = disk.path().join("stamped");
    done("touch", &[&"-d", &"2001-02-03T04:05:06Z", &stamped]);
    assert_eq!(fs::metadata(&stamped).expect("it has attributes").mtime(), 981_173_106);
    done("chmod", &[&"640", &stamped]);
    assert_eq!(fs::metadata(&stamped).expect("it has attributes").mode() & 0o777, 0o640);
    refused("File exists", "mkdir", &[&stamped]);
}

#[test]
fn room_is_reserved_and_told_as_beneath() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let file = File::create(disk.path().join("reserved")).expect("it can be made");
    fallocate(&file, FallocateFlags::empty(), 0, 8 << 20).expect("room can be reserved");
    let metadata = fs::metadata(disk.beneath().join("reserved")).expect("it lies beneath");
    assert_eq!(metadata.len(), 8 << 20);
    assert!(metadata.blocks() * 512 >= 8 << 20, "{}", metadata.blocks());
    fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 4 << 20)
        .expect("it can be given back");

    const TMPFS_MAGIC: u64 = 0x0102_1994;
    const FUSE_MAGIC: u64 = 0x6573_5546;
    let kind = statfs(disk.path()).expect("it has a type").f_type as u64;
    assert!(kind == FUSE_MAGIC && kind != TMPFS_MAGIC, "{kind:x}");
    let [above, beneath] =
        [disk.path(), &disk.beneath()].map(|path| statvfs(path).expect("it tells of its room"));
    assert_eq!((above.f_blocks, above.f_frsize), (beneath.f_blocks, beneath.f_frsize));
}

#[test]
fn locks_hold() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let path = disk.path().join("lock");
    let [one, other] = [(); 2].map(|()| File::create(&path).expect("it can be made"));
    flock(&one, FlockOperation::NonBlockingLockExclusive).expect("nobody has it");
    assert_eq!(flock(&other, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK));
    let run = |expected| {
        let output = crate::run("flock", &[&"--nonblock", &path, &"true"]);
        assert_eq!(output.status.code(), Some(expected));
    };
    run(1);
    drop(one);
    run(0);
    flock(&other, FlockOperation::NonBlockingLockShared).expect("nobody has it");

    // The other kind, on a range, is the kernel's as well.
    let locked = rustix::fs::fcntl_lock(&other, FlockOperation::NonBlockingLockExclusive);
    locked.expect("nobody has it");
}

#[test]
fn a_thousand_files_are_listed_and_removed() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let names: BTreeSet<String> = (0..1_000).map(|number| format!("segment-{number:04}")).collect();
    for name in &names {
        fs::write(disk.path().join(name), name).expect("it can be written");
    }
    let listed = || -> BTreeSet<String> {
        let entries = fs::read_dir(disk.path()).expect("it can be listed");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(listed(), names);
    for name in &names {
        assert_eq!(fs::read_to_string(disk.path().join(name)).expect("it can be read"), *name);
    }
    // While they are being listed, as a program that clears its directory does.
    for entry in fs::read_dir(disk.path()).expect("it can be listed") {
        fs::remove_file(entry.expect("an entry").path()).expect("it can be removed");
    }
    assert_eq!(listed(), BTreeSet::new());
}

#[test]
fn what_is_made_directly_is_opened_too() {
    let Some(disk) = FaultyDisk::mount() else { return };
    // Past the page cache, and only if it is not there: as stores and journals open their files.
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    let path = disk.path().join("direct");
    let file = File::from(rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).expect("it can be made"));
    file.write_all_at(&pattern(4096), 0).expect("it can be written");
    assert_eq!(rustix::fs::open(&path, flags, Mode::RUSR).expect_err("it is there"), Errno::EXIST);
    assert_eq!(fs::metadata(&path).expect("it has attributes").mode() & 0o777, 0o600);
}
