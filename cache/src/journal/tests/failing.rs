//! A file system that fails when it is told to.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::io::{Io, Real};
use super::super::{Failed, OpenOptions, Reason, Record, Recovery};
use super::{open, open_with, warm};

/// How a call fails, and what comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As if the device was full this once.
    Once,
    /// From then on everything fails.
    Always,
    /// As if the process was killed: a write gets half done, and nothing happens after it.
    Killed,
    /// Writes fail from then on, the rest does not.
    Writes,
}

#[derive(Clone, Debug)]
pub(super) struct Failing {
    mode: Mode,
    /// Calls until it fails.
    left: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
    has_failed: Arc<AtomicBool>,
}

impl Failing {
    pub(super) fn after(calls: u64, mode: Mode) -> Self {
        Self {
            mode,
            left: Arc::new(AtomicU64::new(calls)),
            calls: Arc::default(),
            has_failed: Arc::default(),
        }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// It fails at the call after `calls` more.
    pub(super) fn arm(&self, calls: u64) {
        self.left.store(calls, Ordering::Relaxed);
    }

    fn fails(&self, is_write: bool) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
            return false;
        }
        match self.mode {
            Mode::Once => self.left.store(u64::MAX, Ordering::Relaxed),
            Mode::Writes => return is_write,
            Mode::Always | Mode::Killed => {}
        }
        true
    }

    fn run<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.fails(false) {
            self.has_failed.store(true, Ordering::Relaxed);
            Err(io::ErrorKind::StorageFull.into())
        } else {
            call()
        }
    }
}

impl Io for Failing {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.run(|| Real.create(path))
    }

    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        if !self.fails(true) {
            return Real.write(file, bytes, at);
        }
        if self.mode == Mode::Killed && !self.has_failed.swap(true, Ordering::Relaxed) {
            Real.write(file, &bytes[..bytes.len() / 2], at)?;
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    fn allocate(&self, file: &File, at: u64, length: u64) -> io::Result<()> {
        self.run(|| Real.allocate(file, at, length))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(|| Real.rename(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.run(|| Real.unlink(path))
    }
}

fn gone(hash: u64) -> Record<'static> {
    Record::Gone { hash }
}

/// A journal with one record, whose file system fails from the next call on.
fn about_to_fail(mode: Mode) -> (tempfile::TempDir, super::super::Journal, Failing) {
    let directory = tempfile::tempdir().expect("a directory");
    let io = Failing::after(u64::MAX, mode);
    let (journal, _) = open_with(directory.path(), Box::new(io.clone()));
    journal.append(&gone(1));
    journal.commit().expect("a healthy journal");
    io.arm(0);
    (directory, journal, io)
}

fn reason(directory: &Path) -> Reason {
    match open(directory).1 {
        Recovery::Cold(reason) => reason,
        Recovery::Warm(state) => panic!("warm: {state:?}"),
    }
}

#[test]
fn a_failed_write_poisons_the_journal_before_the_commit_returns() {
    for (mode, expected) in [(Mode::Once, Reason::Poisoned), (Mode::Writes, Reason::NoJournal)] {
        let (directory, journal, _) = about_to_fail(mode);
        assert_eq!(journal.append(&gone(2)), 3 - 1);
        assert!(journal.has_pending());
        assert_eq!(journal.commit(), Err(Failed::Poisoned));
        assert!(journal.is_poisoned() && !journal.has_pending());
        assert_eq!(journal.failure(), Some(io::ErrorKind::StorageFull));
        assert_eq!(journal.append(&gone(3)), 3, "numbers go on");
        assert!(!journal.has_pending());
        assert_eq!(reason(directory.path()), expected);
    }
}

#[test]
fn a_journal_that_cannot_be_invalidated_is_unsafe_until_it_can() {
    let (directory, journal, io) = about_to_fail(Mode::Always);
    journal.append(&gone(2));
    assert_eq!(journal.commit(), Err(Failed::Unsafe));
    assert!(journal.has_pending(), "whoever asks must be told");
    journal.append(&gone(3));
    assert_eq!(journal.commit(), Err(Failed::Unsafe));
    io.arm(u64::MAX);
    assert_eq!(journal.commit(), Err(Failed::Poisoned));
    assert!(!journal.has_pending());
    assert_eq!(reason(directory.path()), Reason::Poisoned);
}

#[test]
fn one_that_does_not_open_is_not_believed_later() {
    let directory = tempfile::tempdir().expect("a directory");
    open(directory.path());
    for (mode, is_safe) in [(Mode::Writes, true), (Mode::Always, false)] {
        let io = Box::new(Failing::after(0, mode));
        let opened =
            super::super::Journal::open_with(directory.path(), OpenOptions::default(), super::BOOT, io);
        let error = opened.expect_err("nothing can be written");
        assert_eq!(matches!(error, super::super::OpenError::Write(_)), is_safe, "{error}");
    }
    assert_eq!(reason(directory.path()), Reason::NoJournal);
}

#[test]
fn a_record_that_is_too_long_fails_the_journal() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = open(directory.path());
    let value = vec![1; super::super::CONTROL_VALUE_MAX + 1];
    let record = Record::Control { incarnation: 0, hash: 1, key: b"key", value: &value, deadline: None };
    assert!(!record.fits());
    journal.append(&record);
    assert_eq!(journal.commit(), Err(Failed::Poisoned));
    assert_eq!(reason(directory.path()), Reason::Poisoned);
}

#[test]
fn beyond_its_limit_a_journal_fails_and_restarts() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = OpenOptions { max_bytes: 3 << 19, ..OpenOptions::default() };
    let (journal, _) = super::super::Journal::open(directory.path(), options).expect("a journal");
    let journal = Arc::new(journal);
    let start = journal.statistics().size;
    let mut count = 0;
    let mut was_due = false;
    while !journal.is_poisoned() {
        count += 1;
        journal.append(&gone(count));
        let _ = journal.commit();
        was_due |= journal.wants_compaction();
    }
    assert!(was_due);
    assert_eq!(count, ((3 << 19) - start) / 17 + 1);
    let length = std::fs::metadata(directory.path().join("journal")).expect("a file").len();
    assert_eq!(length, 3 << 19);
    let compaction = journal.restart().expect("a fresh one");
    assert!(journal.wants_compaction(), "until there is a snapshot");
    journal.append(&gone(7));
    journal.commit().expect("healthy");
    compaction.segment(5, 100, 9, &[2]).expect("room");
    compaction.finish().expect("a snapshot");
    assert!(!journal.wants_compaction());
    drop(journal);
    let (_, recovery) = super::super::Journal::open(directory.path(), OpenOptions::default()).expect("one");
    let state = warm(recovery);
    assert_eq!(state.gone.into_iter().collect::<Vec<_>>(), [(7, count + 1)]);
    assert_eq!(state.segments.len(), 1);
}

#[test]
fn before_its_snapshot_is_there_a_restarted_journal_is_cold() {
    let (directory, journal, io) = about_to_fail(Mode::Once);
    journal.append(&gone(2));
    journal.commit().expect_err("the device is full");
    let journal = Arc::new(journal);
    io.arm(u64::MAX);
    let compaction = journal.restart().expect("a fresh one");
    journal.append(&gone(3));
    journal.commit().expect("healthy");
    // As if killed.
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["journal", "journal.new"] {
        std::fs::copy(directory.path().join(name), copy.path().join(name)).expect("a copy");
    }
    assert_eq!(reason(copy.path()), Reason::Unfinished);
    compaction.finish().expect("a snapshot");
    assert_eq!(warm(open(directory.path()).1).gone.len(), 1);
}

/// Run by the test below under a limit on the size of files.
#[test]
#[ignore = "a part of the test below"]
fn limited_child() {
    let directory = std::env::var_os("LARDER_JOURNAL_LIMITED").expect("a directory");
    let (journal, _) = open(Path::new(&directory));
    let failed = (0..200_000).find_map(|hash| {
        journal.append(&gone(hash));
        journal.commit().err().map(|failed| (failed, hash))
    });
    let (failed, hash) = failed.expect("a limit");
    assert_eq!(failed, Failed::Poisoned);
    assert!(hash > 60_000, "{hash}");
}

#[test]
fn a_limit_of_the_kernel_poisons_the_journal() {
    let directory = tempfile::tempdir().expect("a directory");
    let name = "journal::tests::failing::limited_child";
    let script = format!("trap '' XFSZ; ulimit -f 2560; exec \"$0\" --exact {name} --ignored");
    let status = std::process::Command::new("bash")
        .args(["-c", &script])
        .arg(std::env::current_exe().expect("this program"))
        .env("LARDER_JOURNAL_LIMITED", directory.path())
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.expect("bash").success());
    assert_eq!(reason(directory.path()), Reason::Poisoned);
}
