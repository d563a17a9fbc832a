//! Scans of a whole database in steps: over the segments on disk first, then over the index.
//!
//! ```text
//! cursor: over segments | scan | segment          over the index | scan | shard | hash
//!         1             | 9    | 42               0              | 9    | 10    | 32
//! ```
//! Without a disk a cursor is the last two alone. See [`crate::shard::names`] for why nothing is missed.

use super::{Cache, Cursor};
use crate::cache::load::{Fetches, Wanted};
use crate::clock::Millis;
use crate::held::Held;
use crate::key::Database;
use crate::shard::names::Step;

const PLACE_BITS: u32 = 42;
const SCAN_BITS: u32 = 9;
const OVER_SEGMENTS: u64 = 1 << (PLACE_BITS + SCAN_BITS);
const PLACE: u64 = (1 << PLACE_BITS) - 1;
const SCAN: u64 = (1 << SCAN_BITS) - 1;

/// Where a scan goes on over the index. If that looks like the end it goes on under another's number, which knows of no segment
/// that was walked.
fn over_index(scan: u64, place: Cursor) -> Cursor {
    match Cursor(place.0 | scan << PLACE_BITS) {
        Cursor(0) => Cursor(SCAN << PLACE_BITS),
        cursor => cursor,
    }
}

impl Cache {
    /// Shows about `wanted` keys of a database from a cursor on; returns where to go on, zero at the end, and what has to be
    /// [fetched](Self::fetch) before that.
    ///
    /// A key that is there from the first call to the last is shown at least once.
    pub fn scan(
        &self,
        database: Database,
        cursor: Cursor,
        wanted: usize,
        now: Millis,
        fetched: &Fetches,
        mut show: impl FnMut(&[u8]),
    ) -> (Cursor, Wanted) {
        let Some(tier) = &self.tier else {
            let next = crate::section::scan(
                self.shards.len(),
                cursor,
                wanted,
                show,
                |number, from, wanted, show| {
                    let shard = Held::lock(&self.shards[number]);
                    shard.scan(self.databases.incarnation(database), from, wanted, now, show, |_, _| {})
                },
            );
            return (next, Wanted::default());
        };
        let mut scan = cursor.0 >> PLACE_BITS & SCAN;
        if cursor == Cursor(0) {
            let last = tier.last_number();
            if last > 0 {
                scan = tier.scans.lock().begin(last, now);
            }
        }
        let last = tier.scans.lock().last(scan, now);
        if cursor.0 & OVER_SEGMENTS != 0 || (cursor == Cursor(0) && last > 0) {
            let from = (cursor.0 & PLACE).max(1);
            return self.scan_segments(database, (scan, from, last), now, fetched, &mut show);
        }
        let mut waits = None;
        let place = Cursor(cursor.0 & PLACE);
        let next =
            crate::section::scan(self.shards.len(), place, wanted, show, |number, from, wanted, show| {
                if waits.is_some() {
                    return Some(from);
                }
                let mut shard = Held::lock(&self.shards[number]);
                shard.lend(&fetched.segments, fetched.is_last);
                let incarnation = self.databases.incarnation(database);
                let (next, waits_for) = shard.scan_everywhere(incarnation, from, wanted, now, last, show);
                shard.forget_section();
                waits = waits_for;
                next
            });
        // The beginning of the first shard looks like the end, and is passed only if there is something to wait for.
        if next == Cursor(0) && waits.is_none() {
            tier.scans.lock().end(scan);
            return (next, Wanted::default());
        }
        (over_index(scan, next), Wanted::whole(waits))
    }

    /// One step over the segments that were finished when the scan began.
    fn scan_segments(
        &self,
        database: Database,
        (scan, from, last): (u64, u64, u64),
        now: Millis,
        fetched: &Fetches,
        show: &mut dyn FnMut(&[u8]),
    ) -> (Cursor, Wanted) {
        let over_segments = |number: u64| Cursor(OVER_SEGMENTS | scan << PLACE_BITS | number);
        let first = |(place, guarded)| {
            let number = Held::lock(guarded).first_segment(from, last)?;
            Some((number, place))
        };
        let Some((number, place)) = self.shards.iter().enumerate().filter_map(first).min() else {
            return (over_index(scan, Cursor(0)), Wanted::default());
        };
        // Up to the next segment of another shard.
        let until = self.shards.iter().enumerate().filter(|(other, _)| *other != place);
        let until = until.filter_map(|(_, guarded)| Held::lock(guarded).first_segment(from, last)).min();
        let last_here = until.map_or(last, |until| last.min(until - 1));
        let mut shard = Held::lock(&self.shards[place]);
        shard.lend(&fetched.segments, fetched.is_last);
        let incarnation = self.databases.incarnation(database);
        let step = shard.scan_segment(incarnation, (number, last_here), now, show);
        shard.forget_section();
        drop(shard);
        match step {
            Step::Next(number) => (over_segments(number), Wanted::default()),
            Step::Wanted(number) => (over_segments(number), Wanted::whole(Some(number))),
            Step::End => (over_segments(last_here + 1), Wanted::default()),
        }
    }
}
