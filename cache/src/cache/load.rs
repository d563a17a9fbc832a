//! What a caller waits for: segments that have to be read before a command can be answered, and the journal before it is.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Cache;
use crate::clock::now;
use crate::disk::store::Store;
use crate::disk::store::spans::Got;
use crate::held::Held;
use crate::key::Key;
use crate::layout::Span;
use crate::shard::disk::{Fetched, Lent, Want};
use crate::tier::Tier;

/// Entries that are read for commands to come,
const AHEAD_MAX: usize = 32;
/// and their bytes.
const AHEAD_BYTES: usize = 256 << 10;

/// What was fetched for one command, and for those that follow it.
#[derive(Clone, Debug, Default)]
pub struct Fetches {
    pub(crate) segments: Lent,
    /// How often something was fetched for it.
    tries: u32,
    /// Whether it has to do with what is at hand now.
    pub(crate) is_last: bool,
}

impl Fetches {
    /// Bytes that were fetched.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.segments.iter().map(|(_, fetched)| fetched.bytes()).sum()
    }

    /// Whether nothing was fetched.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tries == 0 && self.segments.is_empty()
    }

    /// The command has its answer. What lies on disk does not change, so what was read for the next ones stays good; a segment
    /// that came too late is asked for again.
    pub fn end_command(&mut self) {
        if self.segments.iter().any(|(_, fetched)| !matches!(fetched, Fetched::Entry(..))) {
            Arc::make_mut(&mut self.segments).retain(|(_, fetched)| matches!(fetched, Fetched::Entry(..)));
        }
        (self.tries, self.is_last) = (0, false);
    }
}

/// What a command wants to be fetched, and what commands to come will.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub(crate) now: Vec<Want>,
    pub(crate) ahead: Vec<(u64, Span)>,
    ahead_bytes: usize,
}

impl Wanted {
    pub(crate) fn whole(number: Option<u64>) -> Self {
        Self {
            now: number.into_iter().map(|number| Want { number, span: None }).collect(),
            ..Self::default()
        }
    }

    /// Whether nothing is wanted now.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }

    /// Whether more may be wanted for commands to come.
    #[must_use]
    pub fn has_room_ahead(&self) -> bool {
        self.ahead.len() < AHEAD_MAX && self.ahead_bytes < AHEAD_BYTES
    }

    fn knows(&self, number: u64, span: Span) -> bool {
        self.now.contains(&Want { number, span: Some(span) }) || self.ahead.contains(&(number, span))
    }
}

/// What was to be acknowledged must not be: a later start may not know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal can neither be written nor be invalidated")]
pub struct Unsafe;

/// A command is answered with what is at hand after so many fetches, and one more for each 16 keys.
const TRIES: u32 = 4;
const KEYS_A_TRY: usize = 16;

impl Cache {
    /// Whether there is a disk tier.
    #[inline]
    #[must_use]
    pub fn has_disk(&self) -> bool {
        self.tier.is_some()
    }

    /// Whether there is one that takes nothing now.
    #[must_use]
    pub fn is_disk_down(&self) -> bool {
        self.tier.as_ref().is_some_and(|tier| tier.is_down())
    }

    /// Writes down what happened so far. To be called before anything that happened is acknowledged to anybody.
    ///
    /// # Errors
    /// If nothing may be acknowledged.
    #[inline]
    pub fn commit(&self) -> Result<(), Unsafe> {
        match &self.tier {
            Some(tier) if tier.has_ungoverned() => {
                self.empty_ungoverned(tier);
                self.commit()
            }
            Some(tier) if tier.journal.has_pending() => match tier.journal.commit() {
                Err(crate::journal::Failed::Unsafe) => Err(Unsafe),
                // A later start will not believe the journal, so what it lacks does no harm.
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Empties databases of which an entry was lost that governs others, as a counter of versions does: counted anew, it would
    /// lead to what it had led away from.
    #[cold]
    pub(super) fn empty_ungoverned(&self, tier: &Tier) {
        let mut section = self.section_over_all(now());
        for incarnation in tier.take_ungoverned() {
            let is_it = |database: &u16| self.databases.incarnation(*database) == incarnation;
            // If none is it, it was emptied since.
            if let Some(database) = (0..self.databases()).find(is_it) {
                section.flush(database);
            }
        }
        tier.note_governed();
    }

    /// Notes that a command to come is going to read a key. If that lies on disk, it is fetched with what is wanted now.
    pub fn foresee(&self, key: &Key<'_>, wanted: &mut Wanted) {
        let foreseen = Held::lock(&self.shards[self.shard_of(key)]).foresee(key);
        let Some(Want { number, span: Some(span) }) = foreseen else { return };
        if wanted.knows(number, span) || !wanted.has_room_ahead() {
            return;
        }
        // The device is to have all of them at once. What turns out to be in the page cache is read again, which costs little.
        let store = self.tier.as_ref().and_then(|tier| tier.store());
        if store.is_some_and(|store| store.read_span_at_once(number, span).is_none()) {
            wanted.ahead_bytes += span.bytes as usize;
            wanted.ahead.push((number, span));
        }
    }

    /// Fetches what is wanted for a command over so many keys, for as long as an answer may wait.
    pub async fn fetch(&self, wanted: Wanted, keys: usize, before: Fetches) -> Fetches {
        let tries = before.tries + 1;
        let is_last = tries >= TRIES + (keys / KEYS_A_TRY) as u32;
        let Some((tier, store)) = self.tier.as_ref().and_then(|tier| Some((tier, tier.store()?))) else {
            return Fetches { segments: Lent::default(), tries, is_last: true };
        };
        let begun = Instant::now();
        let until = begun + tier.limits.timeout;
        let Wanted { now, ahead, .. } = wanted;
        let mut segments = Vec::with_capacity(now.len() + ahead.len());
        let own: Vec<_> = now.iter().filter_map(|want| Some((want.number, want.span?))).collect();
        let mut wholes: Vec<_> =
            now.iter().filter(|want| want.span.is_none()).map(|want| want.number).collect();
        if !own.is_empty() {
            let count = own.len();
            let spans = [own, ahead].concat();
            let got = store.read_spans(spans.clone(), until).await;
            for (place, ((number, span), got)) in spans.into_iter().zip(got).enumerate() {
                match got {
                    Got::Bytes(bytes) => segments.push((number, Fetched::Entry(span.from, bytes))),
                    Got::Nothing if place < count => wholes.push(number),
                    Got::Late if place < count => {
                        tier.counts.timeouts.fetch_add(1, Relaxed);
                        segments.push((number, Fetched::Late(Some(span.from))));
                    }
                    // Whoever was going to read it asks for it then.
                    Got::Nothing | Got::Late => {}
                }
            }
        }
        if !wholes.is_empty() {
            self.fetch_whole(tier, &store, wholes, until, &mut segments).await;
        }
        tier.counts.reads.note(begun.elapsed());
        Fetches { segments: Arc::new(segments), tries, is_last }
    }

    /// Fetches whole segments: where they are sealed as such, where all of them is asked for, and where an entry was not what it
    /// should be, since then the store has to say what became of it.
    async fn fetch_whole(
        &self,
        tier: &Tier,
        store: &Arc<Store>,
        mut numbers: Vec<u64>,
        until: Instant,
        segments: &mut Vec<(u64, Fetched)>,
    ) {
        numbers.sort_unstable();
        numbers.dedup();
        let read = |number| {
            let store = Arc::clone(store);
            (number, tokio::spawn(async move { store.read(number).await }))
        };
        let reads: Vec<_> = numbers.into_iter().map(read).collect();
        for (number, read) in reads {
            match tokio::time::timeout_at(until.into(), read).await {
                Ok(Ok(Ok(Some(bytes)))) => segments.push((number, Fetched::Whole(bytes))),
                // It is not there, or not what it was.
                Ok(Ok(_)) => self.lose(number),
                Ok(Err(_)) => segments.push((number, Fetched::Late(None))),
                Err(_) => {
                    tier.counts.timeouts.fetch_add(1, Relaxed);
                    segments.push((number, Fetched::Late(None)));
                }
            }
        }
    }
}
