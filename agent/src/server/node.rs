//! The node: what all workers, connections and the metrics page share.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use larder_cache::clock::{WallClock, boot_nanos, now};
use larder_cache::{Cache, Room};
use tokio::sync::Notify;

use super::buffers::Buffers;
use super::clients::Clients;
use super::lingering::Lingering;
use super::pause::Pause;
use super::settings::Settings;
use super::slowlog::SlowLog;
use super::storage::{DiskState, Storage};
use crate::config::Config;
use crate::metrics::tally::{Counter, Tally};

/// Everything shared.
#[derive(Debug)]
pub struct Node {
    /// The engine.
    pub cache: Cache,
    /// How its disk tier was found.
    pub disk: DiskState,
    /// What may change while we run.
    pub settings: Settings,
    /// What may not.
    pub config: Config,
    /// All connections.
    pub clients: Clients,
    /// Those that ended and have not read all.
    pub lingering: Lingering,
    /// Their buffers.
    pub buffers: Buffers,
    /// `CLIENT PAUSE`.
    pub pause: Pause,
    /// The slow log.
    pub slowlog: SlowLog,
    /// Wall-clock deadlines.
    pub wall: WallClock,
    /// One tally a worker.
    pub tallies: Box<[Arc<Tally>]>,
    /// Counts of what happens outside workers.
    pub control: Tally,
    /// When we started, in nanoseconds on the boot clock.
    pub started_nanos: u64,
    /// When we started, in Unix seconds.
    pub started_unix_s: i64,
    /// Forty random hexadecimal digits that tell one run from another.
    pub run_id: String,
    /// The TCP port in use; zero without one.
    pub tcp_port: AtomicI64,
    /// How often the metrics page could not be opened.
    pub metrics_failures: Counter,
    /// Bytes that the process holds beyond what is accounted for, as last measured.
    pub slack: AtomicUsize,
    /// When that was, in milliseconds on the boot clock.
    slack_measured_ms: AtomicU64,
    /// Wakes the reclaimer when there is something to free.
    pub reclaim: Notify,
    /// Asks for an orderly stop.
    pub stop: Notify,
}

impl Node {
    /// The shared state of an agent with this configuration.
    #[must_use]
    pub fn new(config: Config, max_clients: u32, storage: Storage) -> Self {
        let workers = usize::from(config.workers.max(1));
        Self {
            cache: storage.cache,
            disk: storage.disk,
            settings: Settings::new(&config, max_clients),
            clients: Clients::default(),
            lingering: Lingering::default(),
            buffers: Buffers::default(),
            pause: Pause::default(),
            slowlog: SlowLog::default(),
            wall: WallClock::new(),
            tallies: (0..workers).map(|_| Arc::new(Tally::default())).collect(),
            control: Tally::default(),
            started_nanos: boot_nanos(),
            started_unix_s: (larder_cache::clock::wall_nanos() / 1_000_000_000) as i64,
            run_id: random_hex(40),
            tcp_port: AtomicI64::new(0),
            metrics_failures: Counter::default(),
            slack: AtomicUsize::new(0),
            slack_measured_ms: AtomicU64::new(0),
            reclaim: Notify::new(),
            stop: Notify::new(),
            config,
        }
    }

    /// Seconds since the start.
    #[must_use]
    pub fn uptime_s(&self) -> u64 {
        boot_nanos().saturating_sub(self.started_nanos) / 1_000_000_000
    }

    /// Sums one figure over all workers.
    #[must_use]
    pub fn sum(&self, figure: impl Fn(&Tally) -> u64) -> u64 {
        self.tallies.iter().map(|tally| figure(tally)).sum::<u64>() + figure(&self.control)
    }

    /// Adds one connection's change of buffer bytes, and closes the biggest holder if that was too much.
    pub fn change_buffers(&self, from: usize, to: usize) {
        let held = self.buffers.change(from, to);
        self.buffers_changed(held, to > from);
    }

    /// The same for bytes that the kernel holds.
    pub fn change_kernel_buffers(&self, from: usize, to: usize) {
        let held = self.buffers.change_in_kernel(from, to);
        self.buffers_changed(held, to > from);
    }

    fn buffers_changed(&self, held: usize, are_more: bool) {
        self.lend();
        if !are_more {
            return;
        }
        let limit = Buffers::limit(self.cache.limit());
        // Closing does not free what lingers: a part of the limit is for those that are open, whatever lingers.
        let lingering = self.lingering.bytes();
        let open = limit.saturating_sub(lingering).max(limit / OPEN_SHARE_MIN);
        if held.saturating_sub(lingering) > open && self.clients.close_biggest(open) {
            self.control.clients_closed_for_buffers.add_shared(1);
        }
        // The cache gives way at once, not when the next write comes.
        if self.cache.make_room(0, now()) == Room::Busy {
            self.reclaim.notify_one();
        }
    }

    /// Sets the memory limit; what is over it by now goes in the background.
    pub fn set_memory(&self, bytes: usize) {
        self.cache.set_limit(bytes);
        self.reclaim.notify_one();
    }

    /// Tells the cache what it has to make do without: buffers, slack, and what each connection costs here and in the kernel.
    fn lend(&self) {
        let connections = (self.clients.count() + self.lingering.count()) * CLIENT_BYTES;
        self.cache.lend(self.buffers.held() + self.slack.load(Relaxed) + connections);
    }

    /// Arguments of one command at most: each costs some tens of bytes of bookkeeping, whatever its length.
    #[must_use]
    pub fn arguments_max(&self) -> i64 {
        (Buffers::limit(self.cache.limit()) / ARGUMENT_BYTES).clamp(ARGUMENTS_MIN, ARGUMENTS_MAX) as i64
    }

    /// Measures what the process holds beyond what is accounted for: the allocator's fragments and free pages. The cache makes
    /// do with so much less, so that the process stays near its limit whatever sizes come and go.
    ///
    /// Freed pages go back a little later than entries leave, so the measure may rise only slowly: else what was just
    /// evicted would look like slack, and more would be evicted for it. Not where the process is past what it may hold: large
    /// values among many small ones leave fragments faster than that, and to evict too much is better than to be killed.
    pub fn measure_slack(&self) {
        let (present, last) = (now().0, self.slack_measured_ms.load(Relaxed));
        if present < last + SLACK_INTERVAL_MS {
            return;
        }
        self.slack_measured_ms.store(present, Relaxed);
        let resident = crate::metrics::collect::resident_bytes();
        let buffers = self.buffers.held().saturating_sub(self.buffers.in_kernel());
        let accounted = self.cache.used() + buffers + PROCESS_BYTES;
        let limit = self.cache.limit();
        let most = if resident > limit + PROCESS_BYTES {
            usize::MAX
        } else {
            self.slack.load(Relaxed) + limit / SLACK_STEP_SHARE
        };
        let slack = resident.saturating_sub(accounted).min(most);
        self.slack.store(slack, Relaxed);
        self.lend();
    }

    /// Bytes that one command's replies may take before they are sent: what is left of the buffers' limit.
    #[must_use]
    pub fn reply_limit(&self) -> usize {
        let limit = Buffers::limit(self.cache.limit());
        limit.saturating_sub(self.buffers.held()).max(limit / REPLY_SHARE_MIN)
    }

    /// The TCP port in use; zero without one.
    #[must_use]
    pub fn port(&self) -> i64 {
        self.tcp_port.load(Relaxed)
    }
}

/// The process is measured at most so often,
const SLACK_INTERVAL_MS: u64 = 2;
/// and the measure rises by this part of the limit at most.
const SLACK_STEP_SHARE: usize = 128;
/// What an empty process holds, rounded up: not the cache's to make up for.
const PROCESS_BYTES: usize = 12 << 20;
/// What an idle connection costs, in the kernel above all.
const CLIENT_BYTES: usize = 4096;
/// What an argument costs beside its bytes: its place, its key's hash, and room to grow.
const ARGUMENT_BYTES: usize = 64;
const ARGUMENTS_MIN: usize = 1 << 16;
/// The most that Redis took before its seventh version.
const ARGUMENTS_MAX: usize = 1 << 20;
/// One command's replies may take at least this part of the buffers' limit, however full they are.
const REPLY_SHARE_MIN: usize = 8;
/// Buffers of open connections may take this part of the limit, however much lingers.
const OPEN_SHARE_MIN: usize = 4;

fn random_hex(digits: usize) -> String {
    let mut text = String::with_capacity(digits + 16);
    while text.len() < digits {
        text.push_str(&format!("{:016x}", RandomState::new().build_hasher().finish()));
    }
    text.truncate(digits);
    text
}
