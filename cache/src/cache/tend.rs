//! Tending the disk tier: what one task does for all shards while they serve.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Cache;
use crate::clock::now;
use crate::disk::segment::parse::Segment;
use crate::disk::store::{Refused, Store};
use crate::held::{Guarded, Held};
use crate::journal::{CompactionFailed, What};
use crate::tier::{Flight, Tier};
use crate::validity::Said;

/// How long the task rests when nobody wakes it.
const REST: Duration = Duration::from_millis(500);
/// How long the device may take for one round of writes before nothing more is sent to it.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// How often a journal or a store that has failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// A sweep over the disk is followed by a rest so many times as long as it took.
const SWEEP_REST: u32 = 4;
/// Segments swept, and rows and entries gathered for a compaction, between two chances for others.
const SWEEP_STEP: usize = 32;
const GATHER_STEP: usize = 512;

/// What the task remembers between its rounds.
#[derive(Debug, Default)]
pub(super) struct Tending {
    tried_journal: Option<Instant>,
    tried_store: Option<Instant>,
    swept: Option<(Instant, Duration)>,
}

impl Cache {
    /// Writes what leaves memory, makes room for it, keeps the journal short and drops what was invalidated, for ever. Nothing
    /// is written without it.
    pub async fn tend(&self) {
        let Some(tier) = &self.tier else { return std::future::pending().await };
        let mut tending = Tending::default();
        loop {
            self.tend_once(tier, &mut tending).await;
            tier.rest(REST).await;
        }
    }

    /// One round of what [`tend`](Self::tend) does.
    pub(super) async fn tend_once(&self, tier: &Arc<Tier>, tending: &mut Tending) {
        self.do_chores(tier);
        self.note_fill(tier);
        self.write_out(tier).await;
        self.note_fill(tier);
        self.mend(tier, tending).await;
        if tier.journal.wants_compaction()
            && let Err(error) = self.compact(tier).await
        {
            tier.counts.note_compaction_failed(&error);
        }
        self.sweep(tier, tending).await;
        if tier.has_ungoverned() {
            self.empty_ungoverned(tier);
        }
        if tier.journal.has_pending() {
            // Whoever acknowledges sees the failure for himself.
            let _ = tier.journal.commit();
        }
    }

    /// Removes from the store what nothing is left of, and takes note of what it took by itself.
    fn do_chores(&self, tier: &Tier) {
        let (doomed, lost) = tier.chores();
        if let Some(store) = tier.store() {
            doomed.into_iter().for_each(|number| store.remove(number));
        }
        lost.into_iter().for_each(|number| self.lose(number));
    }

    /// Gives up a segment, whichever shard's it is.
    pub(super) fn lose(&self, number: u64) {
        for guarded in &self.shards {
            let mut shard = Held::lock(guarded);
            if shard.lose(number) {
                self.publish(&mut shard);
                if let Some(tier) = &self.tier {
                    tier.counts.segments_lost.fetch_add(1, Relaxed);
                }
                return;
            }
        }
    }

    /// Writes finished segments until there are none.
    async fn write_out(&self, tier: &Arc<Tier>) {
        let Some(store) = tier.store() else { return };
        let mut batch: Vec<Flight> = Vec::new();
        while let Some(flight) = tier.next_flight() {
            let in_flight: usize = batch.iter().map(|flight| flight.takes).sum();
            self.make_space(tier, &store, &mut batch, in_flight + flight.takes).await;
            self.give(tier, &store, &mut batch, flight).await;
        }
        if !batch.is_empty() {
            self.settle(tier, &store, &mut batch).await;
        }
    }

    /// Gives a segment to the store, once that has seen off others if need be.
    async fn give(&self, tier: &Arc<Tier>, store: &Arc<Store>, batch: &mut Vec<Flight>, flight: Flight) {
        loop {
            match store.write(flight.number, flight.bytes.clone()) {
                Ok(()) => return batch.push(flight),
                Err(Refused::Busy) if !batch.is_empty() => self.settle(tier, store, batch).await,
                Err(_) => return self.land(tier, store, &flight),
            }
        }
    }

    /// Sees off what whoever tended had given to the store when it was stopped.
    pub(super) async fn settle_left_behind(&self, tier: &Arc<Tier>) {
        let Some(store) = tier.store() else { return };
        let mut batch = tier.left_behind(&store);
        if !batch.is_empty() {
            self.settle(tier, &store, &mut batch).await;
        }
    }

    /// Waits until what was given to the store is on disk, and says so.
    async fn settle(&self, tier: &Arc<Tier>, store: &Arc<Store>, batch: &mut Vec<Flight>) {
        let begun = Instant::now();
        let mut settled = Box::pin(store.settle());
        if tokio::time::timeout(SETTLE_MAX, &mut settled).await.is_err() {
            // Memory goes on without the disk until it has caught up.
            tier.set_down(true);
            settled.await;
            tier.set_down(store.has_stopped());
        }
        tier.counts.writes.note(begun.elapsed());
        if store.has_stopped() {
            tier.set_down(true);
        }
        batch.drain(..).for_each(|flight| self.land(tier, store, &flight));
        // What was sealed counts from now on, whether anybody acknowledges something or not.
        let _ = tier.journal.commit();
    }

    /// A segment has arrived, or never will.
    fn land(&self, tier: &Tier, store: &Store, flight: &Flight) {
        let mut shard = Held::lock(&self.shards[flight.shard]);
        if store.holds(flight.number) {
            tier.counts.segments_written.fetch_add(1, Relaxed);
            if !shard.sealed(flight.row, flight.number, flight.takes as u32, tier.written()) {
                store.remove(flight.number);
            }
        } else {
            tier.counts.segments_lost.fetch_add(1, Relaxed);
            shard.lose(flight.number);
        }
        tier.landed(flight.number);
        self.publish(&mut shard);
    }

    /// Gives up the oldest segments until none lies further back than the store reaches when so many bytes more are written.
    async fn make_space(&self, tier: &Arc<Tier>, store: &Arc<Store>, batch: &mut Vec<Flight>, more: usize) {
        let end = tier.written() + more as u64;
        while let Some((shard, number)) = self.oldest_before(end.saturating_sub(tier.limits.capacity)) {
            let is_vacant = Held::lock(&self.shards[shard]).is_vacant(number);
            let segment = if is_vacant { None } else { self.read(tier, store, number).await };
            self.clear(&self.shards[shard], number, segment.as_ref());
            tier.counts.segments_reclaimed.fetch_add(1, Relaxed);
            self.do_chores(tier);
            // What was packed anew goes out before more is: never more than was given up, so the room that is kept free holds it.
            while tier.is_crowded()
                && let Some(flight) = tier.next_flight()
            {
                self.give(tier, store, batch, flight).await;
            }
        }
    }

    fn clear(&self, guarded: &Guarded, number: u64, segment: Option<&Segment>) {
        let mut shard = Held::lock(guarded);
        shard.clear(number, segment, now());
        self.publish(&mut shard);
    }

    /// The oldest sealed segment, if it begins before a position.
    fn oldest_before(&self, position: u64) -> Option<(usize, u64)> {
        let oldest = self.shards.iter().enumerate().filter_map(|(place, guarded)| {
            let shard = Held::lock(guarded);
            let ledger = &shard.disk.as_ref()?.ledger;
            let row = ledger.row(ledger.oldest()?)?;
            (row.state == crate::ledger::State::Sealed).then_some((row.number, row.position, place))
        });
        let (number, begins, place) = oldest.min()?;
        (begins < position).then_some((place, number))
    }

    async fn read(&self, tier: &Tier, store: &Store, number: u64) -> Option<Segment> {
        let bytes = match tier.on_its_way(number) {
            Some(bytes) => Some(bytes),
            None => {
                let begun = Instant::now();
                let read = tokio::time::timeout(SETTLE_MAX, store.read(number)).await;
                tier.counts.reads.note(begun.elapsed());
                read.ok().and_then(Result::ok).flatten()
            }
        };
        Segment::parse(bytes?, number).ok()
    }

    fn note_fill(&self, tier: &Tier) {
        let (mut living, mut kept, mut oldest) = (0, 0, u64::MAX);
        for guarded in &self.shards {
            let shard = Held::lock(guarded);
            let Some(disk) = &shard.disk else { continue };
            living += disk.ledger.living_bytes();
            kept += shard.kept_bytes();
            let row = disk.ledger.oldest().and_then(|row| disk.ledger.row(row));
            oldest = oldest.min(row.map_or(u64::MAX, |row| row.position));
        }
        let spread = tier.written().saturating_sub(oldest);
        tier.note_fill(living, kept, spread > tier.limits.capacity - tier.limits.capacity / 16);
    }

    /// Begins a journal, or a store, anew that has failed.
    async fn mend(&self, tier: &Arc<Tier>, tending: &mut Tending) {
        let is_due = |tried: &mut Option<Instant>| {
            let is_due = tried.is_none_or(|tried| tried.elapsed() >= RETRY);
            if is_due {
                *tried = Some(Instant::now());
            }
            is_due
        };
        if tier.journal.is_poisoned() && is_due(&mut tending.tried_journal) {
            let restarted = match tier.journal.restart() {
                Ok(compaction) => self.gather(compaction).await,
                Err(error) => Err(error),
            };
            match restarted {
                Ok(()) => _ = tier.counts.journal_restarts.fetch_add(1, Relaxed),
                Err(error) => tier.counts.note_compaction_failed(&error),
            }
        }
        if tier.has_no_store() && is_due(&mut tending.tried_store) {
            tier.open_again().await;
        } else if tier.store().is_some_and(|store| store.has_stopped()) && is_due(&mut tending.tried_store) {
            tier.reopen().await;
        }
    }

    /// Takes a snapshot in the journal's place.
    async fn compact(&self, tier: &Arc<Tier>) -> Result<(), CompactionFailed> {
        let compaction = tier.journal.begin_compaction()?;
        self.gather(compaction).await
    }

    async fn gather(&self, compaction: crate::journal::Compaction) -> Result<(), CompactionFailed> {
        for Said { incarnation, what, record } in self.validity.said() {
            let what = match &what {
                What::All => What::All,
                What::Tag(tag) => What::Tag(&tag[..]),
                What::Prefix(prefix) => What::Prefix(&prefix[..]),
            };
            compaction.invalidation(record.said_at, record.ordinal, incarnation, what)?;
        }
        for guarded in &self.shards {
            let mut from = 0;
            loop {
                let next = Held::lock(guarded).gather_segments(from, GATHER_STEP, &compaction)?;
                let Some(next) = next else { break };
                from = next;
                tokio::task::yield_now().await;
            }
            let mut from = 0;
            loop {
                let next = Held::lock(guarded).gather_controls(from, GATHER_STEP, &compaction)?;
                let Some(next) = next else { break };
                from = next;
                tokio::task::yield_now().await;
            }
        }
        compaction.finish()
    }

    /// Finishes what is being filled, and says what has to be swept.
    fn begin_sweep(&self, guarded: &Guarded) -> Vec<u64> {
        let mut shard = Held::lock(guarded);
        shard.finish_all();
        let unswept = shard.unswept();
        self.publish(&mut shard);
        unswept
    }

    fn sweep_segment(&self, guarded: &Guarded, number: u64, segment: Option<&Segment>) {
        let mut shard = Held::lock(guarded);
        match segment {
            Some(segment) => shard.sweep_segment(number, segment, now()),
            None => _ = shard.lose(number),
        }
        self.publish(&mut shard);
    }

    /// Drops from disk what was invalidated by tag or prefix, segment by segment.
    async fn sweep(&self, tier: &Arc<Tier>, tending: &mut Tending) {
        let newest = self.validity.latest().map_or(0, |latest| latest.ordinal);
        let is_swept = |guarded| Held::lock(guarded).swept_on_disk() >= newest;
        let rests = tending.swept.is_some_and(|(at, took)| at.elapsed() < took * SWEEP_REST);
        if rests || self.shards.iter().all(is_swept) {
            return;
        }
        let Some(store) = tier.store() else { return };
        let begun = Instant::now();
        for guarded in &self.shards {
            for (place, number) in self.begin_sweep(guarded).into_iter().enumerate() {
                let segment = self.read(tier, &store, number).await;
                self.sweep_segment(guarded, number, segment.as_ref());
                if place % SWEEP_STEP == 0 {
                    tokio::task::yield_now().await;
                }
            }
            Held::lock(guarded).end_sweep_of_disk(newest);
        }
        tending.swept = Some((Instant::now(), begun.elapsed()));
    }
}
