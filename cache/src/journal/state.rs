//! What a journal says, folded: the state that a restart begins with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::record::{Entry, Record, What};
use crate::clock::Millis;

/// What is small enough to be known at every moment, so that a snapshot has it exactly as it was when the snapshot was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// What each number stands for.
    pub databases: BTreeMap<u16, u32>,
    /// Greater than any incarnation that a record has named.
    pub next_incarnation: u32,
    /// Living incarnations that start cold after an unclean stop.
    pub cold: BTreeSet<u32>,
    /// How far the feed was followed: its epoch and sequence number.
    pub cursor: Option<([u8; 16], u64)>,
}

impl Roots {
    /// Whether a number stands for it.
    #[must_use]
    pub fn is_alive(&self, incarnation: u32) -> bool {
        self.databases.values().any(|&named| named == incarnation)
    }

    /// What a snapshot says of them.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'static>> {
        let databases = self.databases.iter();
        let databases = databases.map(|(&number, &incarnation)| Record::Database { number, incarnation });
        let cold = self.cold.iter().map(|&incarnation| Record::ColdDatabase { incarnation });
        let cursor = self.cursor.iter().map(|&(epoch, sequence)| Record::Cursor { epoch, sequence });
        let records = databases.chain(cold).chain(cursor).map(Entry::Record);
        std::iter::once(Entry::NextIncarnation(self.next_incarnation)).chain(records)
    }

    /// What gives every number below `count` that stands for nothing yet an incarnation of its own.
    pub(super) fn missing(&self, count: u16) -> Vec<(u16, u32)> {
        let numbers = (0..count).filter(|number| !self.databases.contains_key(number));
        numbers.zip(self.next_incarnation..).collect()
    }

    /// Returns the incarnations that died of it.
    pub(super) fn apply(&mut self, record: &Record<'_>) -> Vec<u32> {
        match *record {
            Record::Database { number, incarnation } => return self.map(&[(number, incarnation)]),
            Record::Exchanged { one, other } => return self.map(&[one, other]),
            Record::ColdDatabase { incarnation } if self.is_alive(incarnation) => {
                self.cold.insert(incarnation);
            }
            Record::Cursor { epoch, sequence } => self.cursor = Some((epoch, sequence)),
            _ => {}
        }
        Vec::new()
    }

    fn map(&mut self, mappings: &[(u16, u32)]) -> Vec<u32> {
        let before = mappings.iter().filter_map(|(number, _)| self.databases.get(number));
        let mut died: Vec<_> = before.copied().collect();
        for &(number, incarnation) in mappings {
            self.databases.insert(number, incarnation);
            self.next_incarnation = self.next_incarnation.max(incarnation.saturating_add(1));
        }
        died.retain(|&incarnation| !self.is_alive(incarnation));
        for incarnation in &died {
            self.cold.remove(incarnation);
        }
        died
    }
}

/// A segment that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Its length.
    pub bytes: u32,
    /// How many entries were packed into it.
    pub entries: u16,
    /// Those that are dead, one bit each from the lowest of the first byte on; what is missing is not.
    pub dead: Box<[u8]>,
}

/// An invalidation; no matching entry with a token up to `sequence` counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// Its place in the journal's order.
    pub sequence: u64,
    /// As it was given.
    pub ordinal: u32,
    /// The one it is about, or all.
    pub incarnation: Option<u32>,
    /// What it is about.
    pub what: What<Box<[u8]>>,
}

/// A control key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Control {
    pub key: Box<[u8]>,
    pub value: Box<[u8]>,
    pub deadline: Option<Millis>,
    /// When it got it: an invalidation with a smaller sequence number does not reach it.
    pub sequence: u64,
}

/// Hashes are keyed and evenly spread already.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        // Only whole numbers are hashed; whatever else comes is mixed so that it is merely slow.
        bytes.iter().for_each(|&byte| self.0 = (self.0.rotate_left(8)) ^ u64::from(byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// From a key's hash to when a copy of it last became one too many.
pub type Gone = HashMap<u64, u64, BuildHasherDefault<AsIs>>;

/// What a restart begins with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Databases and the feed.
    pub roots: Roots,
    /// The segments that count, in the order in which each shard sealed its own.
    pub segments: Vec<Segment>,
    /// No entry of such a hash counts whose token is not greater than this. Since the last snapshot: what was gone before is
    /// dead in `segments`.
    pub gone: Gone,
    /// In their order. One that a later one covers is left out.
    pub invalidations: Vec<Invalidation>,
    /// By incarnation, which lives, and hash of the key.
    pub controls: HashMap<u32, HashMap<u64, Control>>,
    /// Segments with control keys that are not among these, and their incarnation, which lives. With such a segment lost it
    /// starts cold.
    pub governs: HashMap<u64, u32>,
    /// Whether the last thing said was that all is said.
    pub is_clean: bool,
    /// The number that the next record gets.
    pub next_sequence: u64,
    /// Bytes of a write that was cut short: nothing that was acknowledged.
    pub torn: u64,
}

impl State {
    /// Whether everything an incarnation holds starts cold, as far as this journal can tell.
    #[must_use]
    pub fn starts_cold(&self, incarnation: u32) -> bool {
        !self.is_clean && self.roots.cold.contains(&incarnation)
    }
}
