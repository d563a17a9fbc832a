//! What goes wrong around an agent, with its disk or with the clock, from some moment of a life until its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::faults::{Errno, Fault, FaultyDisk, Injected, Op};
use larder_tests::wall::Wall;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::clock::{StepsSeen, shown_by};
use super::random::Random;

/// What can go wrong.
pub(crate) enum Trouble {
    /// Files must not grow, nor be written to behind a place: the journal's first block may still be written to, or not even that.
    FileLimit { limited: u64 },
    /// The device fails in one way or another.
    Device(Device),
    /// The wall clock steps, once in each life and once more before the next.
    Clock { wall: Wall, seen: StepsSeen },
}

/// A disk that fails on demand, and how often it has.
pub(crate) struct Device {
    disk: FaultyDisk,
    present: Option<(&'static str, Injected)>,
    fired: BTreeMap<&'static str, u64>,
}

/// Names of the files that hold segments, and of the journal's.
const SEGMENTS: &str = "foyer";
const JOURNAL: &str = "journal";
/// Up to where files may be written to at most.
const LIMIT_MAX: u64 = 64 << 10;

type Make = fn(&mut Random) -> Fault;

/// The ways in which a device fails.
#[rustfmt::skip]
const WAYS: &[(&str, Make)] = &[
    ("reads fail", |_| Fault::fail(&[Op::Read], Errno::IO)),
    ("some reads fail", |random| Fault::fail(&[Op::Read], Errno::IO).chance(0.2, random.next())),
    ("reads are short", |random| Fault::short_read().chance(0.5, random.next())),
    ("bits of reads flip", |random| Fault::flip_read().chance(0.1, random.next())),
    ("writes fail", |random| Fault::fail(&[Op::Write, Op::Allocate], Errno::IO).after(random.below(200))),
    ("writes of segments fail", |_| Fault::fail(&[Op::Write], Errno::IO).on(SEGMENTS)),
    ("writes of the journal fail", |_| Fault::fail(&[Op::Write, Op::Allocate], Errno::IO).on(JOURNAL)),
    ("one write of the journal fails", |random| {
        Fault::fail(&[Op::Write], Errno::IO).on(JOURNAL).after(random.below(300)).times(1)
    }),
    ("a write of the journal is torn", |random| {
        Fault::torn_write(Errno::IO).on(JOURNAL).after(random.below(300)).times(1)
    }),
    ("writes are short", |random| Fault::short_write().chance(0.3, random.next())),
    ("no room is left", |random| {
        Fault::fail(&[Op::Write, Op::Allocate], Errno::NOSPC).after(random.below(200))
    }),
    ("the disk is full", |_| Fault::full(0)),
    ("bits of written segments flip", |random| Fault::flip_write().on(SEGMENTS).chance(0.2, random.next())),
    ("the journal stalls", |random| {
        Fault::stall_for(&[Op::Write], Duration::from_millis(20 + random.below(300))).on(JOURNAL).chance(0.02, random.next())
    }),
    ("segments stall", |_| Fault::stall(&[Op::Read, Op::Write, Op::Sync]).on(SEGMENTS)),
    ("everything is slow", |random| {
        Fault::stall_for(&[Op::Read, Op::Write], Duration::from_millis(1 + random.below(8))).chance(0.2, random.next())
    }),
];

impl Trouble {
    pub(crate) fn file_limit() -> Self {
        Self::FileLimit { limited: 0 }
    }

    /// None where there can be no such disk, which was said then.
    pub(crate) fn device() -> Option<Self> {
        Some(Self::Device(Device { disk: FaultyDisk::mount()?, present: None, fired: BTreeMap::new() }))
    }

    /// None where no clock can be set, which was said then.
    pub(crate) fn clock() -> Option<Self> {
        Some(Self::Clock { wall: Wall::new()?, seen: StepsSeen::default() })
    }

    /// What the agent is to be started with.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        if let Self::Clock { wall, .. } = self { wall.environment().into() } else { Vec::new() }
    }

    /// Whether what lies on disk stays there nevertheless.
    pub(crate) fn spares_the_disk(&self) -> bool {
        matches!(self, Self::Clock { .. })
    }

    /// Where the agent is to keep its files, if that matters.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::FileLimit { .. } | Self::Clock { .. } => None,
            Self::Device(device) => Some(device.disk.path()),
        }
    }

    /// It begins, for this agent; says what it is.
    pub(crate) fn begin(&mut self, agent: &Agent, random: &mut Random) -> &'static str {
        match self {
            Self::FileLimit { limited } => {
                let limit = if random.one_in(4) { 0 } else { 4096 + random.below(LIMIT_MAX) };
                let pid = Pid::from_raw(agent.pid().cast_signed()).expect("an agent is not process 0");
                let limits = Rlimit { current: Some(limit), maximum: Some(limit) };
                prlimit(Some(pid), Resource::Fsize, limits).expect("a child of ours can be limited");
                *limited += 1;
                "files are limited"
            }
            Self::Device(device) => {
                let (way, make) = WAYS[random.place(WAYS.len())];
                device.present = Some((way, device.disk.inject(make(random))));
                way
            }
            Self::Clock { wall, seen } => {
                wall.step(random.step_ms());
                seen.note(wall, shown_by(&mut agent.client()));
                "the clock steps"
            }
        }
    }

    /// It is over, with the agent's life.
    pub(crate) fn end(&mut self, random: &mut Random) {
        match self {
            Self::FileLimit { .. } => {}
            Self::Device(device) => {
                if let Some((way, fault)) = device.present.take() {
                    *device.fired.entry(way).or_default() += fault.fired();
                    fault.clear();
                }
            }
            Self::Clock { wall, .. } => wall.step(random.step_ms()),
        }
    }

    /// How often what happened.
    pub(crate) fn fired(&self) -> BTreeMap<&'static str, u64> {
        match self {
            Self::FileLimit { limited } => BTreeMap::from([("files are limited", *limited)]),
            Self::Device(device) => device.fired.clone(),
            Self::Clock { seen, .. } => seen.fired(),
        }
    }
}

/// How many ways there are.
pub(crate) fn ways() -> usize {
    WAYS.len()
}
