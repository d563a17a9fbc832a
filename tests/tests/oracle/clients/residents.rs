//! A client whose entries are written once and stay: by them a restart is seen to be warm.

use larder_tests::resp::Client;

use crate::findings::Findings;
use crate::life::{Life, words};
use crate::random::Random;
use crate::subject::End;

pub(crate) const DATABASE: u32 = 3;
const KEYS: usize = 400;
const DEPTH: usize = 50;

fn name_of(key: usize) -> String {
    format!("resident:{key}")
}

/// What is known of an entry.
#[derive(Clone, Debug, Default)]
struct Entry {
    generation: u64,
    /// The oldest that may still be read: none before one whose write was acknowledged.
    oldest: u64,
    /// It was there when last asked for, or its write was acknowledged.
    is_stored: bool,
    /// It was there when the agent had started: it lies on disk.
    came_back: bool,
}

/// Of so many entries that had to be there after a restart, so many were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Warmth {
    pub(crate) due: u64,
    pub(crate) hits: u64,
    /// The life that began with the smallest part: hits, of so many, and its number.
    pub(crate) least: Option<(u64, u64, u64)>,
}

impl Warmth {
    fn note(&mut self, hits: u64, due: u64, life: u64) {
        self.hits += hits;
        self.due += due;
        let is_less = |(least, of, _): (u64, u64, u64)| hits * of < least * due;
        if due > 0 && self.least.is_none_or(is_less) {
            self.least = Some((hits, due, life));
        }
    }

    pub(crate) fn is_at_least(self, percent: u64) -> bool {
        self.hits * 100 >= self.due * percent
    }
}

#[derive(Debug)]
pub(crate) struct Residents {
    entries: Vec<Entry>,
    last_end: Option<End>,
    pub(crate) after_termination: Warmth,
    pub(crate) after_kill: Warmth,
    pub(crate) findings: Findings,
}

impl Residents {
    pub(crate) fn new() -> Self {
        Self {
            entries: vec![Entry::default(); KEYS],
            last_end: None,
            after_termination: Warmth::default(),
            after_kill: Warmth::default(),
            findings: Findings::new(format!("residents of database {DATABASE}")),
        }
    }

    /// Everything was emptied while nobody did anything.
    pub(crate) fn emptied(&mut self) {
        for entry in &mut self.entries {
            let generation = entry.generation + 1;
            *entry = Entry { generation, oldest: generation, ..Entry::default() };
        }
    }

    /// A life ended so; `None`: nothing may be asked of the next.
    pub(crate) fn ended(&mut self, end: Option<End>) {
        self.last_end = end;
        if end != Some(End::Terminate) {
            // A life may be too short to ask for all of them again.
            self.entries.iter_mut().for_each(|entry| entry.is_stored = false);
        }
    }

    pub(crate) fn live(&mut self, life: &Life) {
        let mut random = Random::of(life.seed, life.number, 500);
        let Some(mut client) = life.connect(DATABASE, &mut self.findings) else { return };
        let before = self.entries.clone();
        // Of what a life did not come to ask for, its end says nothing.
        self.entries.iter_mut().for_each(|entry| entry.is_stored = false);
        let (hits, all) = (self.findings.tally.hits, (0..KEYS).collect::<Vec<_>>());
        for keys in all.chunks(DEPTH) {
            if !self.read(&mut client, life, keys) {
                return;
            }
        }
        self.findings.tally.hits_after_restart += self.findings.tally.hits - hits;
        let warmth = match self.last_end {
            Some(End::Terminate) => Some((&mut self.after_termination, true)),
            Some(End::Kill | End::KillWhileTerminating(_)) => Some((&mut self.after_kill, false)),
            None => None,
        };
        if let Some((warmth, is_clean)) = warmth {
            let due = |entry: &Entry| if is_clean { entry.is_stored } else { entry.came_back };
            let pairs = || before.iter().zip(&self.entries).filter(|(before, _)| due(before));
            let hits = pairs().filter(|(before, after)| before.generation == after.generation).count();
            warmth.note(hits as u64, pairs().count() as u64, life.number);
        }
        for (entry, before) in self.entries.iter_mut().zip(before) {
            entry.came_back = entry.is_stored && entry.generation == before.generation;
        }
        self.last_end = None;
        while life.goes_on() {
            let from = random.place(KEYS - DEPTH);
            let keys: Vec<usize> = (from..from + DEPTH).collect();
            if !self.read(&mut client, life, &keys) {
                return;
            }
        }
    }

    /// Reads some, and stores what is not there.
    fn read(&mut self, client: &mut Client, life: &Life, keys: &[usize]) -> bool {
        let gets: Vec<_> = keys.iter().map(|&key| words(&["GET", &name_of(key)])).collect();
        let mut missed = Vec::new();
        let entries = &mut self.entries;
        let whole = life.exchange(client, &gets, &mut self.findings, |findings, place, _, reply| {
            let (key, entry) = (keys[place], &mut entries[keys[place]]);
            findings.tally.reads += 1;
            if reply.is_null() {
                entry.is_stored = false;
                missed.push(key);
            } else if (entry.oldest..=entry.generation).any(|old| reply.text() == Some(value_of(key, old))) {
                findings.tally.hits += 1;
                entry.is_stored = true;
            } else {
                findings.violation(&name_of(key), format_args!("holds {reply:?} and not {entry:?}"));
            }
        });
        // Another generation, so that what was missed once must not come back once it is overwritten.
        missed.iter().for_each(|&key| self.entries[key].generation += 1);
        let set = |&key: &usize| words(&["SET", &name_of(key), &value_of(key, self.entries[key].generation)]);
        let sets: Vec<_> = missed.iter().map(set).collect();
        let entries = &mut self.entries;
        whole
            && life.exchange(client, &sets, &mut self.findings, |_, place, _, _| {
                let entry = &mut entries[missed[place]];
                (entry.is_stored, entry.came_back, entry.oldest) = (true, false, entry.generation);
            })
    }
}

fn value_of(key: usize, generation: u64) -> String {
    let length = if key.is_multiple_of(20) { 3000 } else { 40 + key % 200 };
    format!("{} {generation} {}", name_of(key), "r".repeat(length))
}
