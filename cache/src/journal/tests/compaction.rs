//! Compaction changes nothing that anybody can tell, whenever it happens and wherever it is cut short.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::io::{Io, Real};
use super::super::{Compaction, Journal, Record, Recovery};
use super::failing::{Failing, Mode};
use super::world::{Op, Truth, World, ops};
use super::{BOOT, open, open_with, options, warm};

/// A journal, what it is told, and a compaction that may be going on.
struct Run {
    journal: Arc<Journal>,
    world: World,
    compaction: Option<(Compaction, usize)>,
    /// What was true when a commit last succeeded.
    acknowledged: Truth,
    has_failed: bool,
}

impl Run {
    fn new(journal: Journal, world: World) -> Self {
        let acknowledged = world.truth();
        Self { journal: Arc::new(journal), world, compaction: None, acknowledged, has_failed: false }
    }

    /// False from the first commit on that fails.
    fn step(&mut self, op: Op) -> bool {
        if let Op::Compact = op {
            self.compaction = match self.compaction.take() {
                None => self.journal.begin_compaction().ok().map(|compaction| (compaction, 0)),
                Some((compaction, World::SECTIONS)) => {
                    let _ = compaction.finish();
                    None
                }
                Some((compaction, section)) => {
                    self.world.gather(section, &compaction).ok().map(|()| (compaction, section + 1))
                }
            };
            return true;
        }
        if self.world.act(op, &self.journal) {
            self.has_failed |= self.journal.commit().is_err();
        }
        if !self.has_failed {
            self.acknowledged = self.world.truth();
        }
        !self.has_failed
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_finds_what_is_true(first in ops(150), second in ops(80)) {
        let directory = tempfile::tempdir().expect("a directory");
        let (journal, _) = open(directory.path());
        let mut run = Run::new(journal, World::new());
        for op in first {
            prop_assert!(run.step(op));
        }
        let world = run.world.clone();
        // As a kill would leave it: what a compaction has left lies there.
        std::mem::forget(run);
        let (journal, recovery) = open(directory.path());
        prop_assert_eq!(world.read(&warm(recovery)), world.truth());
        let mut run = Run::new(journal, world);
        for op in second {
            prop_assert!(run.step(op));
        }
        let recovered = warm(open(directory.path()).1);
        prop_assert_eq!(run.world.read(&recovered), run.world.truth());
        prop_assert_eq!(recovered.torn, 0);
    }
}

/// Everything that can happen, with compactions all along.
fn script() -> Vec<Op> {
    let mut ops = Vec::new();
    for round in 0..6u8 {
        let database = round % 3;
        ops.extend([
            Op::Evict(database, 1),
            Op::Compact,
            Op::Evict(database, 2),
            Op::Evict(0, 3 + round % 4),
            Op::Control(database, 1, round),
            Op::Compact,
            Op::Write(database, 2),
            Op::Seal(0),
            Op::Compact,
            Op::Seal(1),
            Op::Write(database, 1),
            Op::Compact,
            Op::Invalidate(round, (round % 2 == 0).then_some(database)),
            Op::Swap(database, (database + 1) % 3),
            Op::Compact,
            Op::Cold(database),
            Op::Cursor(round),
            Op::Compact,
            Op::Evict(database, 1),
            Op::Flush((round + 2) % 3),
        ]);
        if round > 3 {
            ops.push(Op::Retire(usize::from(round) % 2));
        }
    }
    ops
}

#[test]
fn a_kill_at_any_call_leaves_what_was_acknowledged() {
    let dry = Failing::after(u64::MAX, Mode::Killed);
    let directory = tempfile::tempdir().expect("a directory");
    let mut run = Run::new(open_with(directory.path(), Box::new(dry.clone())).0, World::new());
    let opened = dry.calls();
    assert!(script().into_iter().all(|op| run.step(op)));
    let calls = dry.calls();
    assert_eq!(run.journal.statistics().compactions, 7);
    for at in opened..calls {
        let directory = tempfile::tempdir().expect("a directory");
        let io = Failing::after(at, Mode::Killed);
        let mut run = Run::new(open_with(directory.path(), Box::new(io.clone())).0, World::new());
        for op in script() {
            if io.calls() > at || !run.step(op) {
                break;
            }
        }
        let state = warm(open(directory.path()).1);
        assert_eq!(run.world.read(&state), run.acknowledged, "killed at call {at}");
    }
}

#[test]
fn a_call_that_fails_is_told_or_does_not_matter() {
    let dry = Failing::after(u64::MAX, Mode::Once);
    let directory = tempfile::tempdir().expect("a directory");
    let mut run = Run::new(open_with(directory.path(), Box::new(dry.clone())).0, World::new());
    let opened = dry.calls();
    assert!(script().into_iter().all(|op| run.step(op)));
    let calls = dry.calls();
    let (mut cold, mut restarted) = (0, 0);
    for at in opened..calls {
        let directory = tempfile::tempdir().expect("a directory");
        let io: Box<dyn Io> = Box::new(Failing::after(at, Mode::Once));
        let mut run = Run::new(open_with(directory.path(), io).0, World::new());
        script().into_iter().for_each(|op| _ = run.step(op));
        run.compaction = None;
        let (_, recovery) = open_copy(directory.path());
        match recovery {
            Recovery::Cold(_) => {
                assert!(run.has_failed, "a failure at call {at} that nobody was told of");
                cold += 1;
                // The world goes on; with a new snapshot a restart is warm again.
                let compaction = run.journal.restart().expect("one failure only");
                for section in 0..World::SECTIONS {
                    run.world.gather(section, &compaction).expect("room");
                }
                run.world.act(Op::Write(0, 1), &run.journal);
                run.journal.commit().expect("healthy");
                compaction.finish().expect("room");
                let state = warm(open(directory.path()).1);
                assert_eq!(run.world.read(&state), run.world.truth());
                restarted += 1;
            }
            Recovery::Warm(state) => {
                assert!(!run.has_failed, "a commit failed at call {at} and the journal is believed");
                assert_eq!(run.world.read(&state), run.world.truth(), "failed at call {at}");
            }
        }
    }
    assert!(cold > 50 && restarted == cold && cold < calls - opened, "{cold} cold, {restarted} again");
}

/// What another process would find.
fn open_copy(directory: &std::path::Path) -> (Journal, Recovery) {
    let copy = tempfile::tempdir().expect("a directory");
    let _ = std::fs::copy(directory.join("journal"), copy.path().join("journal"));
    Journal::open_with(copy.path(), options(), BOOT, Box::new(Real)).expect("a journal")
}

#[test]
fn a_compaction_makes_the_file_small_and_the_old_one_wants_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = Arc::new(open(directory.path()).0);
    let mut appended = 0;
    while !journal.wants_compaction() {
        journal.append(&Record::Gone { hash: appended });
        journal.commit().expect("room");
        appended += 1;
    }
    assert!((60_000..64_000).contains(&appended), "{appended}");
    let compaction = journal.begin_compaction().expect("a compaction");
    assert_eq!(journal.begin_compaction().err(), Some(super::super::CompactionFailed::Busy));
    drop(compaction);
    assert!(!journal.wants_compaction(), "not at once after one was given up");
    journal.begin_compaction().and_then(Compaction::finish).expect("room");
    assert!(journal.statistics().size < 5_000);
    let length = std::fs::metadata(directory.path().join("journal")).expect("a file").len();
    assert_eq!(length, 1 << 20);
    assert!(!directory.path().join("journal.new").exists());
}

#[test]
fn a_segment_that_governs_is_known_until_it_is_retired() {
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = open(directory.path());
    let journal = Arc::new(journal);
    let incarnation = journal.roots().databases[&0];
    let compaction = journal.begin_compaction().expect("a compaction");
    for segment in [1, 2] {
        compaction.segment(segment, 4096, 1, &[]).expect("room");
        compaction.governs(segment, incarnation).expect("room");
    }
    compaction.finish().expect("it can be finished");
    journal.append(&Record::Retired { segment: 1 });
    journal.commit().expect("written");
    drop(journal);
    let (journal, recovery) = open(directory.path());
    assert_eq!(warm(recovery).governs, [(2, incarnation)].into());
    journal.append(&Record::Database { number: 0, incarnation: journal.roots().next_incarnation });
    journal.commit().expect("written");
    drop(journal);
    assert!(warm(open(directory.path()).1).governs.is_empty(), "its incarnation is dead");
}
