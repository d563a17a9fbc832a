//! A tally: one worker's counts, on cache lines that nobody else writes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::command::table::COMMANDS;

/// Upper bounds of the latency buckets, in nanoseconds; the last bucket has none.
pub const LATENCY_BOUNDS_NS: [u64; 14] = [
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    25_000_000,
    100_000_000,
    1_000_000_000,
];
const BUCKETS: usize = LATENCY_BOUNDS_NS.len() + 1;

/// A number that one thread counts up and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts, without the cost of a shared atomic: there is one writer.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Counts where several threads may.
    pub fn add_shared(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// How often a command ran, failed, and how long it took.
#[derive(Debug, Default)]
pub struct CommandTally {
    /// Runs by latency: one bucket for each bound of [`LATENCY_BOUNDS_NS`] and one beyond.
    pub buckets: [Counter; BUCKETS],
    /// Nanoseconds in all.
    pub nanos: Counter,
    /// Error replies.
    pub failures: Counter,
}

impl CommandTally {
    /// Runs in all.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }
}

/// One worker's counts.
#[derive(Debug)]
#[repr(align(128))]
pub struct Tally {
    /// By row of the command table.
    pub commands: Box<[CommandTally]>,
    /// Names that are no command.
    pub unknown_commands: Counter,
    /// Error replies of all kinds.
    pub failures: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Connections refused because there were too many.
    pub rejected_clients: Counter,
    /// Connections refused because too much lingers unread.
    pub rejected_for_buffers: Counter,
    /// Connections refused because files ran out.
    pub rejected_for_files: Counter,
    /// Connections closed because buffers were full.
    pub clients_closed_for_buffers: Counter,
    /// Connections closed because they were idle.
    pub clients_closed_idle: Counter,
    /// Connections closed for bytes that are not the protocol.
    pub protocol_errors: Counter,
    /// Passwords that were wrong.
    pub wrong_passwords: Counter,
    /// Writes refused because memory was full.
    pub out_of_memory: Counter,
    /// Bytes read from clients.
    pub bytes_in: Counter,
    /// Bytes written to clients.
    pub bytes_out: Counter,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            commands: COMMANDS.iter().map(|_| CommandTally::default()).collect(),
            unknown_commands: Counter::default(),
            failures: Counter::default(),
            connections: Counter::default(),
            rejected_clients: Counter::default(),
            rejected_for_buffers: Counter::default(),
            rejected_for_files: Counter::default(),
            clients_closed_for_buffers: Counter::default(),
            clients_closed_idle: Counter::default(),
            protocol_errors: Counter::default(),
            wrong_passwords: Counter::default(),
            out_of_memory: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
        }
    }
}

impl Tally {
    /// Counts one run of a command.
    #[inline]
    pub fn ran(&self, row: usize, nanos: u64, failed: bool) {
        let command = &self.commands[row];
        let bucket = LATENCY_BOUNDS_NS.iter().position(|&bound| nanos <= bound).unwrap_or(BUCKETS - 1);
        command.buckets[bucket].add(1);
        command.nanos.add(nanos);
        if failed {
            command.failures.add(1);
            self.failures.add(1);
        }
    }

    /// Commands run in all.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.commands.iter().map(CommandTally::calls).sum()
    }

    /// Starts the counts that `CONFIG RESETSTAT` resets anew.
    pub fn reset(&self) {
        for command in &self.commands {
            command.buckets.iter().for_each(Counter::reset);
            command.nanos.reset();
            command.failures.reset();
        }
        for counter in [
            &self.unknown_commands,
            &self.failures,
            &self.connections,
            &self.rejected_clients,
            &self.bytes_in,
            &self.bytes_out,
        ] {
            counter.reset();
        }
    }
}
