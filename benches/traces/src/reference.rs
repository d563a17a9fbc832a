//! Fixed eviction policies, each as small and plain as it is published, to set the cache beside.
//!
//! All of them weigh entries by size: a capacity of `n` over entries of size one holds `n` entries. What is larger than the
//! capacity is never kept.

mod arc;
mod lfu;
mod lists;
mod optimum;
mod queues;
mod s3fifo;
mod sieve;
mod tiny_lfu;

use crate::trace::Trace;

/// A cache that decides by a fixed rule.
trait Reference {
    /// Asks for an entry, and stores it if it is not there; true if it was.
    fn access(&mut self, entry: u32, size: u64) -> bool;
}

/// What a run over a trace came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Ratio {
    /// Hits of a hundred requests.
    pub(crate) hits: f64,
    /// Bytes hit of a hundred bytes asked for.
    pub(crate) bytes: f64,
}

/// Counts hits over a trace.
#[derive(Default)]
pub(crate) struct Tally {
    hits: u64,
    requests: u64,
    hit_bytes: u64,
    bytes: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, size: u64, is_hit: bool) {
        self.requests += 1;
        self.bytes += size;
        self.hits += u64::from(is_hit);
        self.hit_bytes += if is_hit { size } else { 0 };
    }

    pub(crate) fn ratio(&self) -> Ratio {
        let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        Ratio { hits: percent(self.hits, self.requests), bytes: percent(self.hit_bytes, self.bytes) }
    }
}

/// The policies that the cache is measured against, in the order of the README's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    Fifo,
    Lru,
    Lfu,
    Sieve,
    S3Fifo,
    Arc,
    TinyLfu1,
    TinyLfu20,
}

impl Fixed {
    pub(crate) const ALL: [Self; 8] = [
        Self::Fifo,
        Self::Lru,
        Self::Lfu,
        Self::Sieve,
        Self::S3Fifo,
        Self::Arc,
        Self::TinyLfu1,
        Self::TinyLfu20,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fifo => "FIFO",
            Self::Lru => "LRU",
            Self::Lfu => "LFU",
            Self::Sieve => "SIEVE",
            Self::S3Fifo => "S3-FIFO",
            Self::Arc => "ARC",
            Self::TinyLfu1 => "W-TinyLFU 1 %",
            Self::TinyLfu20 => "W-TinyLFU 20 %",
        }
    }

    /// Runs a trace through the policy.
    pub(crate) fn run(self, trace: &Trace, capacity: u64) -> Ratio {
        let entries = trace.sizes.len();
        let mut cache: Box<dyn Reference> = match self {
            Self::Fifo => Box::new(queues::Queue::fifo(entries, capacity)),
            Self::Lru => Box::new(queues::Queue::lru(entries, capacity)),
            Self::Lfu => Box::new(lfu::Lfu::new(entries, capacity)),
            Self::Sieve => Box::new(sieve::Sieve::new(entries, capacity)),
            Self::S3Fifo => Box::new(s3fifo::S3Fifo::new(entries, capacity)),
            Self::Arc => Box::new(arc::Arc::new(entries, capacity)),
            Self::TinyLfu1 => Box::new(tiny_lfu::TinyLfu::new(entries, capacity, 1)),
            Self::TinyLfu20 => Box::new(tiny_lfu::TinyLfu::new(entries, capacity, 20)),
        };
        let mut tally = Tally::default();
        for &entry in &trace.requests {
            let size = trace.size(entry);
            tally.count(size, size <= capacity && cache.access(entry, size));
        }
        tally.ratio()
    }
}

/// The best that any policy could have done, knowing what comes; for sizes that differ, close to it.
pub(crate) fn optimum(trace: &Trace, capacity: u64) -> Ratio {
    optimum::run(trace, capacity)
}
