//! What an agent takes while it is loaded, looked at all the time.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use larder_tests::http::Metrics;
use larder_tests::status_bytes;

use super::load::Done;
use crate::MIB;
use crate::arena::Arena;

const INTERVAL: Duration = Duration::from_millis(100);

/// The most and the sum of what was seen, in bytes.
#[derive(Default)]
struct Figure {
    most: u64,
    sum: u64,
}

impl Figure {
    fn note(&mut self, bytes: u64) {
        self.most = self.most.max(bytes);
        self.sum += bytes;
    }
}

#[derive(Default)]
pub(crate) struct Watch {
    looks: u64,
    anonymous: Figure,
    used: Figure,
    /// What the process holds beyond what the cache accounts for.
    beyond: Figure,
}

impl Watch {
    /// Looks until it is over.
    pub(crate) fn until(arena: &Arena, is_over: &AtomicBool) -> Self {
        let mut watch = Self::default();
        while !is_over.load(Relaxed) {
            let used = Metrics::of(&arena.agent).value("larder_cache_memory_used_bytes") as u64;
            let anonymous = status_bytes(arena.agent.pid(), "RssAnon").unwrap_or_default();
            watch.looks += 1;
            watch.anonymous.note(anonymous);
            watch.used.note(used);
            watch.beyond.note(anonymous.saturating_sub(used));
            std::thread::sleep(INTERVAL);
        }
        watch
    }

    pub(crate) fn report(&self, done: Done, arena: &Arena) -> String {
        let mib = |bytes: u64| bytes as usize / MIB;
        let mean = |figure: &Figure| mib(figure.sum / self.looks.max(1));
        let now = arena.agent.rss_bytes() as f64;
        format!(
            "{} commands, {} refused, {} connections closed; resident at most {} MiB (VmHWM), anonymous at most {} and {} on average; accounted for at most {} \
             and {} on average, of {} that the cache may take; beyond that at most {} and {} on average; resident by accounted \
             {:.2} on average, {now:.0} bytes at the end; the cgroup's limit was hit {} times",
            done.commands,
            done.refused,
            done.closed,
            mib(arena.agent.vm_hwm()),
            mib(self.anonymous.most),
            mean(&self.anonymous),
            mib(self.used.most),
            mean(&self.used),
            arena.memory() / MIB,
            mib(self.beyond.most),
            mean(&self.beyond),
            self.anonymous.sum as f64 / self.used.sum.max(1) as f64,
            arena.limit_hits(),
        )
    }
}
