//! Folding: from entries, in the order in which they lie in a journal, to the state that they leave.

use std::collections::HashMap;

use super::record::{Entry, Record, What};
use super::state::{Control, Gone, Invalidation, Roots, Segment, State};

/// From what invalidations are about to when the last of them was, and its ordinal.
type Invalidations = HashMap<What<Box<[u8]>>, (u64, u32)>;

/// A journal that is being read: as [`State`], but by what is asked for while it goes on.
///
/// What it holds is bounded by what is left to say: the last of each invalidation, the living segments and control values, and
/// the hashes that are gone.
#[derive(Debug, Default)]
pub(super) struct Fold {
    roots: Roots,
    segments: HashMap<u64, (u64, Segment)>,
    segments_seen: u64,
    gone: Gone,
    /// By the incarnation that they are about, so that those of one are dropped at once when it dies.
    invalidations: HashMap<Option<u32>, Invalidations>,
    controls: HashMap<u32, HashMap<u64, Control>>,
    governs: HashMap<u64, u32>,
    is_clean: bool,
    /// None until the snapshot is whole.
    next: Option<u64>,
}

/// An entry stands where none of its kind may.
#[derive(Debug)]
pub(super) struct Misplaced;

impl Fold {
    pub(super) fn apply(&mut self, entry: &Entry<'_>) -> Result<(), Misplaced> {
        match *entry {
            Entry::Record(ref record) => {
                // Before the snapshot's end it is part of the snapshot, and has no number.
                let sequence = self.next.unwrap_or_default();
                self.record(record, sequence);
                if let Some(next) = &mut self.next {
                    *next = next.checked_add(1).ok_or(Misplaced)?;
                }
            }
            Entry::NextIncarnation(next) => {
                self.roots.next_incarnation = self.roots.next_incarnation.max(next);
            }
            Entry::InvalidatedAt { sequence, ordinal, incarnation, what } => {
                self.invalidate(sequence, ordinal, incarnation, what);
            }
            Entry::SnapshotEnd { sequence } if self.next.is_none() => {
                self.next = Some(sequence);
                // Gathered when the snapshot had begun, and nothing spoke against them then.
                let gathered = self.controls.values_mut().flat_map(HashMap::values_mut);
                gathered.for_each(|control| control.sequence = sequence);
            }
            Entry::SnapshotEnd { .. } => return Err(Misplaced),
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, sequence: u64) {
        self.is_clean = matches!(record, Record::Closed);
        match *record {
            Record::Gone { hash } => {
                self.gone.insert(hash, sequence);
            }
            Record::Invalidated { ordinal, incarnation, what } => {
                self.invalidate(sequence, ordinal, incarnation, what);
            }
            Record::Sealed { segment, bytes, entries, dead } => self.seal(segment, bytes, entries, dead),
            Record::Retired { segment } => {
                self.segments.remove(&segment);
                self.governs.remove(&segment);
            }
            Record::Governs { segment, incarnation } => {
                self.governs.insert(segment, incarnation);
            }
            Record::Control { incarnation, hash, key, value, deadline } => {
                let control = Control { key: key.into(), value: value.into(), deadline, sequence };
                self.controls.entry(incarnation).or_default().insert(hash, control);
            }
            Record::ControlGone { incarnation, hash } => {
                if let Some(controls) = self.controls.get_mut(&incarnation) {
                    controls.remove(&hash);
                }
            }
            Record::Database { .. }
            | Record::Exchanged { .. }
            | Record::ColdDatabase { .. }
            | Record::Cursor { .. } => {
                let died = self.roots.apply(record);
                // Only what has just died: a snapshot may have brought what records behind it bring to life.
                died.into_iter().for_each(|incarnation| self.bury(incarnation));
            }
            Record::Closed | Record::Opened => {}
        }
    }

    fn seal(&mut self, number: u64, bytes: u32, entries: u16, dead: &[u8]) {
        let fresh = || Segment { number, bytes, entries, dead: dead.into() };
        let place = self.segments_seen;
        self.segments_seen += 1;
        self.segments
            .entry(number)
            .and_modify(|(_, segment)| unite(&mut segment.dead, dead))
            .or_insert_with(|| (place, fresh()));
    }

    fn invalidate(&mut self, sequence: u64, ordinal: u32, incarnation: Option<u32>, what: What<&[u8]>) {
        if what == What::All {
            // It covers what was before it.
            let covers = |scope: &Option<u32>| incarnation.is_none() || *scope == incarnation;
            for (_, covered) in self.invalidations.iter_mut().filter(|(scope, _)| covers(scope)) {
                covered.retain(|_, &mut (at, _)| at > sequence);
            }
        }
        let what = match what {
            What::All => What::All,
            What::Tag(name) => What::Tag(name.into()),
            What::Prefix(name) => What::Prefix(name.into()),
        };
        let last = self.invalidations.entry(incarnation).or_default().entry(what).or_default();
        *last = (*last).max((sequence, ordinal));
    }

    fn bury(&mut self, died: u32) {
        self.controls.remove(&died);
        self.invalidations.remove(&Some(died));
    }

    /// The state; `None` if the journal ends before its snapshot does.
    pub(super) fn finish(self, torn: u64) -> Option<State> {
        let Self { roots, segments, gone, invalidations, mut controls, mut governs, is_clean, next, .. } =
            self;
        let mut segments: Vec<_> = segments.into_values().collect();
        segments.sort_unstable_by_key(|&(place, _)| place);
        let alive = |scope: Option<u32>| scope.is_none_or(|incarnation| roots.is_alive(incarnation));
        let mut invalidations: Vec<_> = invalidations
            .into_iter()
            .filter(|&(incarnation, _)| alive(incarnation))
            .flat_map(|(incarnation, about)| {
                about.into_iter().map(move |(what, last)| (incarnation, what, last))
            })
            .map(|(incarnation, what, (sequence, ordinal))| Invalidation {
                sequence,
                ordinal,
                incarnation,
                what,
            })
            .collect();
        invalidations.sort_unstable_by_key(|invalidation| invalidation.sequence);
        controls.retain(|&incarnation, controls| !controls.is_empty() && roots.is_alive(incarnation));
        governs.retain(|_, incarnation| roots.is_alive(*incarnation));
        let segments = segments.into_iter().map(|(_, segment)| segment).collect();
        let next_sequence = next?;
        Some(State { roots, segments, gone, invalidations, controls, governs, is_clean, next_sequence, torn })
    }
}

/// Adds the bits of one bitmap to another.
fn unite(bits: &mut Box<[u8]>, more: &[u8]) {
    if bits.len() < more.len() {
        let mut longer = std::mem::take(bits).into_vec();
        longer.resize(more.len(), 0);
        *bits = longer.into();
    }
    bits.iter_mut().zip(more).for_each(|(byte, more)| *byte |= more);
}
