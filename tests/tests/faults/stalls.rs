//! Calls that wait: they are let go by whoever may, keep nobody else waiting, and never keep the disk from its end.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use larder_tests::faults::{Fault, FaultyDisk, Injected, Op};
use larder_tests::poll_until;

use crate::{done, pattern, put};

const LIMIT: Duration = Duration::from_secs(10);

/// A program that reads a file of the disk, and is stalled in that when this returns.
fn stalled_reader(disk: &FaultyDisk, fault: &Injected) -> Child {
    let mut command = Command::new("cat");
    command.arg(disk.path().join("slow")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("cat runs");
    assert!(poll_until(LIMIT, || (fault.stalled() == 1).then_some(())).is_some(), "it does not stall");
    child
}

fn with_slow_file() -> Option<(FaultyDisk, Injected)> {
    let disk = FaultyDisk::mount()?;
    put(&disk.beneath().join("slow"), &pattern(10_000));
    let fault = disk.inject(Fault::stall(&[Op::Read]).on("slow"));
    Some((disk, fault))
}

#[test]
fn a_stalled_read_is_released_and_others_go_on_meanwhile() {
    let Some((disk, fault)) = with_slow_file() else { return };
    let reader = stalled_reader(&disk, &fault);
    // More of them than there are threads that answer the kernel.
    let more: Vec<Child> = (0..12)
        .map(|_| {
            let mut command = Command::new("cat");
            command.arg(disk.path().join("slow")).stdout(Stdio::null()).spawn().expect("cat runs")
        })
        .collect();
    assert!(poll_until(LIMIT, || (fault.stalled() == 13).then_some(())).is_some(), "{}", fault.stalled());
    done(
        "dd",
        &[&"if=/dev/zero", &format!("of={}", disk.path().join("other").display()), &"bs=1M", &"count=4"],
    );
    assert_eq!(done("stat", &[&"-c%s", &disk.path().join("slow")]), b"10000\n");
    done("rm", &[&disk.path().join("other")]);

    assert_eq!((fault.stalled(), fault.fired()), (13, 13));
    fault.release();
    let output = reader.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stdout == pattern(10_000));
    more.into_iter().for_each(|mut child| assert!(child.wait().expect("it ends").success()));
    assert_eq!(fault.stalled(), 0);
    assert_eq!(done("cat", &[&disk.path().join("slow")]), pattern(10_000), "nothing stalls any more");
}

#[test]
fn writes_wait_for_a_time() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let time = Duration::from_millis(300);
    let fault = disk.inject(Fault::stall_for(&[Op::Write], time).times(1));
    let path = disk.path().join("file");
    for (least, most) in [(time, LIMIT), (Duration::ZERO, time)] {
        let started = Instant::now();
        done("dd", &[&"if=/dev/zero", &format!("of={}", path.display()), &"bs=64k", &"count=1"]);
        let took = started.elapsed();
        assert!((least..most).contains(&took), "{took:?}");
    }
    assert_eq!(fault.fired(), 1);
    assert_eq!(fs::metadata(&path).expect("it has attributes").len(), 65_536);
}

#[test]
fn the_disk_goes_while_a_read_is_stalled() {
    let Some((disk, fault)) = with_slow_file() else { return };
    let reader = stalled_reader(&disk, &fault);
    let directory = disk.path().parent().expect("it has a parent").to_owned();
    let started = Instant::now();
    drop(disk);
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    // It was let go or its call was ended: either way it ends, and nothing is left.
    reader.wait_with_output().expect("it ends");
    assert!(!directory.exists());
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it can be read");
    assert!(!mounts.contains(&*directory.to_string_lossy()));
}

#[test]
fn the_disk_goes_while_a_file_is_open() {
    let Some(disk) = FaultyDisk::mount() else { return };
    let script = "exec 3>\"$0\"; echo ready; read go; echo more >&3";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(disk.path().join("file"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs");
    let path = disk.beneath().join("file");
    assert!(poll_until(LIMIT, || path.exists().then_some(())).is_some());
    let started = Instant::now();
    drop(disk);
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    drop(child.stdin.take());
    assert!(!child.wait().expect("it ends").success(), "there is no disk under its file any more");
}

#[test]
fn a_stalled_reader_can_be_killed() {
    let Some((disk, fault)) = with_slow_file() else { return };
    let mut reader = stalled_reader(&disk, &fault);
    reader.kill().expect("a child of ours can be killed");
    let ended = poll_until(LIMIT, || reader.try_wait().expect("a child of ours can be waited for"));
    assert!(ended.is_some(), "it waits for the disk in spite of being killed");
    assert_eq!((fault.stalled(), fault.fired()), (0, 1));
    drop(disk);
}
