//! How fast it is when nothing is wrong: fast enough that a program on it is not another program. Printed; only a standstill fails.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use larder_tests::faults::{Errno, Fault, FaultyDisk, Op};

use crate::{MIB, pattern};

const LENGTH: usize = 256 * MIB;
const READERS: usize = 4;
const PAGE: usize = 16 << 10;

fn rate(what: &str, bytes: usize, work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    let rate = bytes as f64 / MIB as f64 / started.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} MiB/s");
    rate
}

#[test]
fn throughput() {
    let Some(disk) = FaultyDisk::mount() else { return };
    // One that fits nothing, so that the way through the faults is what is measured.
    disk.inject(Fault::fail(&[Op::Read, Op::Write], Errno::IO).on("no such file"));
    let path = disk.path().join("large");
    let piece = pattern(MIB);
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).open(&path).expect("it can be made");
    let each = |piece: usize| (0..LENGTH as u64).step_by(piece);

    let written = rate("written, 1 MiB at a time", LENGTH, || {
        each(MIB).for_each(|at| file.write_all_at(&piece, at).expect("it can be written"));
    });
    let mut buffer = vec![0; MIB];
    let read = rate("read, 1 MiB at a time", LENGTH, || {
        each(MIB).for_each(|at| file.read_exact_at(&mut buffer, at).expect("it can be read"));
    });
    assert_eq!(buffer, piece);
    rate("read, 16 KiB at a time by four threads", LENGTH, || {
        std::thread::scope(|scope| {
            for reader in 0..READERS {
                let file = File::open(&path).expect("it can be opened");
                scope.spawn(move || {
                    let mut page = [0; PAGE];
                    let own = (0..LENGTH as u64).step_by(PAGE).skip(reader).step_by(READERS);
                    own.into_iter().for_each(|at| file.read_exact_at(&mut page, at).expect("it can be read"));
                });
            }
        });
    });
    assert!(written.min(read) > 10.0, "it stands still");
}
