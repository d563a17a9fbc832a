//! What a caller waits for: segments that have to be read before a command can be answered, and the journal before it is.

use std::sync::Arc;
use std::time::Instant;

use super::Cache;
use crate::clock::now;
use crate::shard::disk::Fetched;
use crate::tier::Tier;

/// Segments that were fetched for one command.
#[derive(Clone, Debug, Default)]
pub struct Fetches {
    pub(crate) segments: Vec<(u64, Fetched)>,
    /// How often something was fetched for it.
    tries: u32,
    /// Whether it has to do with what is at hand now.
    pub(crate) is_last: bool,
}

impl Fetches {
    /// Bytes that were fetched.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = |fetched: &Fetched| if let Fetched::Bytes(bytes) = fetched { bytes.len() } else { 0 };
        self.segments.iter().map(|(_, fetched)| bytes(fetched)).sum()
    }

    /// Whether nothing was fetched.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tries == 0
    }
}

/// Segments that a command wants to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(pub(crate) Vec<u64>);

impl Wanted {
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    /// Fetches segments for a command over so many keys, for as long as an answer may wait.
    pub async fn fetch(&self, wanted: Wanted, keys: usize, before: Fetches) -> Fetches {
        let tries = before.tries + 1;
        let is_last = tries >= TRIES + (keys / KEYS_A_TRY) as u32;
        let Some((tier, store)) = self.tier.as_ref().and_then(|tier| Some((tier, tier.store()?))) else {
            return Fetches { segments: Vec::new(), tries, is_last: true };
        };
        let begun = Instant::now();
        let reads: Vec<_> = wanted
            .0
            .into_iter()
            .map(|number| {
                let store = Arc::clone(&store);
                (number, tokio::spawn(async move { store.read(number).await }))
            })
            .collect();
        let until = tokio::time::Instant::from_std(begun + tier.limits.timeout);
        let mut segments = Vec::with_capacity(reads.len());
        for (number, read) in reads {
            match tokio::time::timeout_at(until, read).await {
                Ok(Ok(Ok(Some(bytes)))) => segments.push((number, Fetched::Bytes(bytes))),
                // It is not there, or not what it was.
                Ok(Ok(_)) => self.lose(number),
                Ok(Err(_)) => segments.push((number, Fetched::Late)),
                Err(_) => {
                    tier.counts.timeouts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    segments.push((number, Fetched::Late));
                }
            }
        }
        tier.counts.reads.note(begun.elapsed());
        Fetches { segments, tries, is_last }
    }
}
