//! Mounts that a test left behind: unmounted at its end, however it ends, and by the next run if it was killed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use larder_tests::faults::{Fault, FaultyDisk, Op};
use larder_tests::poll_until;

use crate::put;

const LIMIT: Duration = Duration::from_secs(10);

fn is_mounted(point: &str) -> bool {
    std::fs::read_to_string("/proc/self/mountinfo").expect("it can be read").contains(point)
}

#[test]
fn a_panic_unmounts() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let point = disk.path().to_string_lossy().into_owned();
    assert!(is_mounted(&point));
    let ended = std::thread::spawn(move || {
        let _disk = disk;
        panic!("as a failing test does");
    });
    ended.join().expect_err("it panics");
    assert!(!is_mounted(&point));
}

/// Mounts, says where, and reads a file of its own that stalls, so that it cannot even end when it is killed.
#[test]
#[ignore = "a child of the test below"]
fn one_that_is_killed() {
    let Some(disk) = FaultyDisk::mount() else { return };
    put(&disk.beneath().join("slow"), b"bytes");
    let fault = disk.inject(Fault::stall(&[Op::Read]));
    let path = disk.path().join("slow");
    let reader = std::thread::spawn(move || std::fs::read(path));
    assert!(poll_until(LIMIT, || (fault.stalled() == 1).then_some(())).is_some());
    println!("\nmounted {}", disk.path().display());
    // For the next run to find, it must end by being killed.
    let _ = reader.join();
}

#[test]
fn a_killed_test_is_cleaned_up_after_by_the_next() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let mut child = Command::new(std::env::current_exe().expect("this is a program"))
        .args(["leftovers::one_that_is_killed", "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut points = lines.map_while(Result::ok);
    let point = points.find_map(|line| line.strip_prefix("mounted ").map(str::to_owned)).expect("it mounts");
    // While it lives, another test leaves it alone.
    drop(FaultyDisk::mount());
    assert!(is_mounted(&point));

    child.kill().expect("a child of ours can be killed");
    // Until the next mount it may hang in its own file system; the threads that would answer it are dead.
    let next = poll_until(LIMIT, || {
        drop(FaultyDisk::mount());
        (!is_mounted(&point)).then_some(())
    });
    assert!(next.is_some(), "{point} is still mounted");
    let ended = poll_until(LIMIT, || child.try_wait().expect("a child of ours can be waited for"));
    assert!(ended.is_some(), "it does not end");
    assert!(!PathBuf::from(&point).exists());
    assert!(is_mounted(&disk.path().to_string_lossy()), "one that lives was unmounted");
}
