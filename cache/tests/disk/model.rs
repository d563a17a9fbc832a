//! The engine over a disk against a plain map, through stops and crashes: where nothing has to be evicted nothing is lost but
//! what lay in memory alone when it crashed, and whatever is found is what was stored last.
//!
//! `LARDER_DISK_CASES` is the number of cases.

use std::collections::HashMap;
use std::time::Duration;

use larder_cache::clock::{Millis, now};
use larder_cache::{Deadline, NewTags, NewValue, Purge, Tags};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use crate::subject::{Shape, Subject};

const CASES: u32 = 300;
const DATABASES: u16 = 3;
const TAGS: u8 = 4;
/// In how many milliseconds what is made to expire does: sooner than it is asked for, or never.
const SOON_MS: u64 = 1;
const LATE_MS: u64 = 10_000_000;

#[derive(Clone, Debug)]
enum Step {
    Set {
        at: (u16, u8),
        length: usize,
        tag: Option<u8>,
        expires: bool,
    },
    Append {
        at: (u16, u8),
    },
    Get {
        at: (u16, u8),
    },
    Remove {
        at: (u16, u8),
    },
    Expire {
        at: (u16, u8),
        soon: bool,
    },
    Persist {
        at: (u16, u8),
    },
    Rename {
        from: (u16, u8),
        to: u8,
    },
    PurgeTag {
        database: u16,
        tag: u8,
    },
    PurgePrefix {
        database: u16,
        first: u8,
    },
    PurgeAll,
    Flush {
        database: u16,
    },
    Swap,
    Demote,
    /// Until what is on its way is on disk.
    Settle,
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || (0..DATABASES, 0u8..40);
    let length = prop_oneof![4 => 0usize..200, 2 => 900usize..1200, 1 => 5_000usize..40_000];
    prop_oneof![
        12 => (at(), length, proptest::option::of(0..TAGS), any::<bool>())
            .prop_map(|(at, length, tag, expires)| Step::Set { at, length, tag, expires }),
        3 => at().prop_map(|at| Step::Append { at }),
        8 => at().prop_map(|at| Step::Get { at }),
        3 => at().prop_map(|at| Step::Remove { at }),
        2 => (at(), any::<bool>()).prop_map(|(at, soon)| Step::Expire { at, soon }),
        2 => at().prop_map(|at| Step::Persist { at }),
        2 => (at(), 0u8..40).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => (0..DATABASES, 0..TAGS).prop_map(|(database, tag)| Step::PurgeTag { database, tag }),
        1 => (0..DATABASES, 0u8..10).prop_map(|(database, first)| Step::PurgePrefix { database, first }),
        1 => (0u8..8).prop_map(|one| if one == 0 { Step::PurgeAll } else { Step::Settle }),
        1 => (0..DATABASES).prop_map(|database| Step::Flush { database }),
        1 => Just(Step::Swap),
        5 => Just(Step::Demote),
        2 => Just(Step::Settle),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

/// What an entry holds, and its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    value: Vec<u8>,
    tag: Option<u8>,
    /// It may be missing, since it lay in memory when a process crashed.
    may_miss: bool,
}

struct Bench {
    directory: TempDir,
    subject: Option<Subject>,
    model: Vec<HashMap<u8, Entry>>,
    /// Makes each value another.
    version: u64,
}

/// The first letter is a prefix that purges name.
fn name_of(key: u8) -> Vec<u8> {
    format!("{}:{key}", key % 10).into_bytes()
}

fn tag_of(tag: u8) -> Vec<u8> {
    format!("tag{tag}").into_bytes()
}

impl Bench {
    async fn open(directory: TempDir) -> Self {
        let mut bench =
            Self { directory, subject: None, model: vec![HashMap::new(); DATABASES.into()], version: 0 };
        bench.reopen().await;
        bench
    }

    async fn reopen(&mut self) {
        let shape = Shape { memory: 32 << 20, disk: 4 << 20, ..Shape::default() };
        self.subject = Some(Subject::shaped(self.directory.path(), shape).await.0);
    }

    fn subject(&self) -> &Subject {
        self.subject.as_ref().expect("it is open")
    }

    /// Whether an entry is there, after which it is known.
    async fn check(&mut self, (database, key): (u16, u8)) -> bool {
        let name = name_of(key);
        let found = self
            .subject()
            .within(database, &name, false, |section, key| section.get(key).map(|view| view.value.to_vec()))
            .await;
        let model = &mut self.model[usize::from(database)];
        match (found, model.get_mut(&key)) {
            (Some(value), Some(entry)) => {
                assert!(value == entry.value, "{database}/{key} is of another time");
                entry.may_miss = false;
                true
            }
            (Some(_), None) => panic!("{database}/{key} is there again"),
            (None, Some(entry)) => {
                assert!(entry.may_miss, "{database}/{key} is lost");
                model.remove(&key);
                false
            }
            (None, None) => false,
        }
    }

    async fn set(&mut self, (database, key): (u16, u8), value: Vec<u8>, tag: Option<u8>, deadline: Deadline) {
        let mut tags = Tags::default();
        tag.into_iter().for_each(|tag| tags.add(&tag_of(tag)).expect("a tag"));
        self.subject()
            .within(database, &name_of(key), true, |section, key| {
                section
                    .set_tagged(key, NewValue::Copied(&value), deadline, NewTags::These(&tags))
                    .expect("room");
            })
            .await;
        self.model[usize::from(database)].insert(key, Entry { value, tag, may_miss: false });
    }

    async fn run(&mut self, step: &Step) {
        match *step {
            Step::Set { at, length, tag, expires } => {
                self.version += 1;
                let mut value = format!("{}:", self.version).into_bytes();
                value.resize(value.len() + length, b'v');
                let late = Deadline::At(Millis(now().0 + LATE_MS));
                self.set(at, value, tag, if expires { late } else { Deadline::None }).await;
            }
            Step::Append { at } => {
                // What carries tags and governs others makes its database start cold after a crash, as it should.
                let known = self.check(at).await;
                let tagged =
                    self.model[usize::from(at.0)].get(&at.1).is_some_and(|entry| entry.tag.is_some());
                if tagged || known && self.model[usize::from(at.0)][&at.1].value.len() > 2000 {
                    return;
                }
                self.subject()
                    .within(at.0, &name_of(at.1), true, |section, key| {
                        section.governs(true);
                        section.edit(key, 50_000, |value| value.extend_from_slice(b"!")).expect("room");
                    })
                    .await;
                let fresh = Entry { value: Vec::new(), tag: None, may_miss: false };
                self.model[usize::from(at.0)].entry(at.1).or_insert(fresh).value.push(b'!');
            }
            Step::Get { at } => _ = self.check(at).await,
            Step::Remove { at } => {
                let (database, name) = (at.0, name_of(at.1));
                let removed =
                    self.subject().within(database, &name, false, |section, key| section.remove(key)).await;
                let entry = self.model[usize::from(database)].remove(&at.1);
                assert!(if removed { entry.is_some() } else { entry.is_none_or(|entry| entry.may_miss) });
            }
            Step::Expire { at, soon } => {
                let deadline = Millis(now().0 + if soon { SOON_MS } else { LATE_MS });
                let name = name_of(at.1);
                let there = self.check(at).await;
                let set = self
                    .subject()
                    .within(at.0, &name, true, |section, key| section.set_deadline(key, Some(deadline)))
                    .await;
                assert_eq!(there, set);
                if soon {
                    self.model[usize::from(at.0)].remove(&at.1);
                    tokio::time::sleep(Duration::from_millis(SOON_MS + 1)).await;
                }
            }
            Step::Persist { at } => {
                let there = self.check(at).await;
                let set = self
                    .subject()
                    .within(at.0, &name_of(at.1), true, |section, key| section.set_deadline(key, None))
                    .await;
                assert_eq!(there, set);
            }
            Step::Rename { from, to } => {
                if !self.check(from).await || from.1 == to {
                    return;
                }
                let entry = self.model[usize::from(from.0)][&from.1].clone();
                self.set((from.0, to), entry.value, entry.tag, Deadline::None).await;
                self.run_remove(from).await;
            }
            Step::PurgeTag { database, tag } => {
                self.purge(database, Purge::Tag(&tag_of(tag)));
                self.model[usize::from(database)].retain(|_, entry| entry.tag != Some(tag));
            }
            Step::PurgePrefix { database, first } => {
                self.purge(database, Purge::Prefix(format!("{first}:").as_bytes()));
                self.model[usize::from(database)].retain(|key, _| key % 10 != first);
            }
            Step::PurgeAll => {
                _ = self.subject().cache.section_over_all(now()).purge_everything();
                self.subject().cache.commit().expect("a journal");
                self.model.iter_mut().for_each(HashMap::clear);
            }
            Step::Flush { database } => {
                self.subject().cache.section_over_all(now()).flush(database);
                self.subject().cache.commit().expect("a journal");
                self.model[usize::from(database)].clear();
            }
            Step::Swap => {
                self.subject().cache.section_over_all(now()).swap(0, 1);
                self.subject().cache.commit().expect("a journal");
                self.model.swap(0, 1);
            }
            Step::Demote => _ = self.subject().cache.demote(),
            Step::Settle => self.settle().await,
            Step::Reopen => {
                self.subject.take().expect("it is open").stop().await;
                self.reopen().await;
            }
            Step::Crash => {
                let subject = self.subject.take().expect("it is open");
                subject.tending.abort();
                let _ = subject.tending.await;
                // Another process would find what is there now: nothing of what the store writes later.
                let copy = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
                for file in std::fs::read_dir(self.directory.path()).expect("a directory").flatten() {
                    std::fs::copy(file.path(), copy.path().join(file.file_name())).expect("a copy");
                }
                drop(subject.cache);
                self.directory = copy;
                self.reopen().await;
                let entries = self.model.iter_mut().flat_map(HashMap::values_mut);
                entries.for_each(|entry| entry.may_miss = true);
            }
        }
    }

    async fn run_remove(&mut self, (database, key): (u16, u8)) {
        self.subject().within(database, &name_of(key), false, |section, key| section.remove(key)).await;
        self.model[usize::from(database)].remove(&key);
    }

    fn purge(&self, database: u16, purge: Purge<'_>) {
        self.subject().cache.section_over_all(now()).purge(database, purge);
        self.subject().cache.commit().expect("a journal");
    }

    async fn settle(&self) {
        for _ in 0..1000 {
            if self.subject().cache.disk_figures().expect("a disk").flush_queue_segments == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[test]
fn what_is_found_is_what_was_stored_last() {
    let cases = std::env::var("LARDER_DISK_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 1..120), |steps| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
            let mut bench = Bench::open(directory).await;
            for step in &steps {
                bench.run(step).await;
            }
            for at in (0..DATABASES).flat_map(|database| (0..40).map(move |key| (database, key))) {
                bench.check(at).await;
            }
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
